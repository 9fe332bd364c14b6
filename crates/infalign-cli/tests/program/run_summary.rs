//! What `infalign run` prints on a small table.

use super::folder::Folder;

#[test]
fn on_a_small_table() {
    let folder = Folder::new();
    folder
        .run("simulate --prompts 20 --k 40 --seed 3 --out small.csv")
        .done();
    let ran = folder
        .run("run --rollouts small.csv --reward-column proxy --gold-column gold --procedure best-of:4 --kl 0.25 --transforms identity,exp:10")
        .done();
    insta::assert_snapshot!("run", ran.stdout);
    insta::assert_snapshot!("run-warnings", ran.stderr);
    let files: Vec<String> = folder.files().into_keys().collect();
    assert_eq!(
        files,
        [
            "runs/small/calibration.parquet",
            "runs/small/config.toml",
            "runs/small/design.json",
            "runs/small/eval/results.json",
            "runs/small/manifest.json",
            "runs/small/report.html",
            "small.csv"
        ]
    );
}
