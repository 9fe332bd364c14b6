//! What the main job shows: its plan before, its page after, several runs side by side.

use std::fs;

use serde_json::Value;

use super::main_job::{RUN, begun};

#[test]
fn a_dry_run_tells_its_size_and_writes_nothing() {
    let folder = begun();
    let before = folder.files();
    let ran = folder.run(&format!("{RUN} --dry")).done();
    for part in [
        "stage",
        "rollouts",
        "96 responses of the base",
        "2 policies, 4 steps of 2 × 4 responses",
        "MB of disk",
    ] {
        assert!(
            ran.stdout.contains(part),
            "`{part}` is missing in {}",
            ran.stdout
        );
    }
    let plan = folder.run(&format!("{RUN} --dry --format json")).done();
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(
        (&plan["policies"], plan["stages"].as_array().unwrap().len()),
        (&2.into(), 3)
    );
    assert_eq!(plan["comparisons"], 0);
    let judged = format!("{RUN} --dry --set evaluate.compare=[\"judge:http://localhost:1#m\"]");
    let ran = folder.run(&judged).done();
    let line = "comparisons at most by judge:http://localhost:1#m, each asked in both orders";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
    let plan = folder.run(&format!("{judged} --format json")).done();
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    // Two policies at six prompts under standard, worst-of-2 and worst-of-4, one pair each.
    assert_eq!(plan["comparisons"], 2 * 6 * 3);
    assert!(folder.files() == before);
}

#[test]
fn pages_of_finished_runs() {
    let folder = begun();
    folder
        .run("report runs/small")
        .refused(2, &["runs/small/report.json", "`infalign run`"]);
    folder.run(RUN).done();
    let page = fs::read(folder.path("runs/small/report.html")).unwrap();
    fs::remove_file(folder.path("runs/small/report.html")).unwrap();
    let ran = folder.run("report runs/small").done();
    assert_eq!(ran.stdout, "report: runs/small/report.html\n");
    assert!(fs::read(folder.path("runs/small/report.html")).unwrap() == page);

    folder
        .run(&format!("{RUN} --name other --set design.kl=[0.2]"))
        .done();
    let ran = folder.run("report runs/small runs/other").done();
    assert_eq!(ran.stdout, "report: compared.html\n");
    let compared = fs::read_to_string(folder.path("compared.html")).unwrap();
    for part in ["runs/small", "runs/other", "exp:-10"] {
        assert!(compared.contains(part), "{part}");
    }
    folder
        .run("report runs/small runs/other --out both.html")
        .done();
    assert!(fs::read_to_string(folder.path("both.html")).unwrap() == compared);
}
