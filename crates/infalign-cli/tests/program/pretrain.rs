//! `infalign pretrain`: it learns, in parts as at once, and leaves a folder that other commands open.

use super::{folder::Folder, tiny};

pub(crate) fn losses(folder: &Folder, out: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.path(out).join("metrics.jsonl")).unwrap();
    tiny::lines(&text)
        .iter()
        .map(|l| l["loss"].as_f64().unwrap())
        .collect()
}

#[test]
fn the_loss_falls_and_the_folder_is_a_models() {
    let folder = tiny::begun();
    let ran = folder.run(tiny::PRETRAIN).done();
    let losses = losses(&folder, "tiny");
    assert_eq!(losses.len(), 60);
    let uniform = 320_f64.ln();
    assert!(
        (losses[0] - uniform).abs() < 0.3 && losses[59] < 0.5 * uniform,
        "{losses:?}"
    );
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
    ] {
        assert!(folder.path("tiny").join(name).is_file(), "{name}");
    }
    assert!(
        ran.stdout.contains("validation loss") && ran.stdout.contains("tiny"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("rows to learn from") && ran.stderr.contains("step 60/60"),
        "{}",
        ran.stderr
    );
    // Done is done.
    let again = folder.run(tiny::PRETRAIN).done();
    assert_eq!(again.stdout, ran.stdout);
    assert!(
        again.stderr.contains("tiny: done before, unchanged"),
        "{}",
        again.stderr
    );
    let other = tiny::PRETRAIN.replace("0.01", "0.02");
    folder.run(&other).refused(
        2,
        &[
            "tiny holds another run (differs in: ",
            "schedule.peak: 0.01 then, 0.02 now",
            "another --out or --overwrite",
        ],
    );
    folder.write("world.txt", &(tiny::world() + "The end.\n"));
    folder.run(tiny::PRETRAIN).refused(
        2,
        &["(differs in: the content of world.txt); use another --out"],
    );
    // On from there.
    let on = "pretrain --model tiny --data world.txt --out further --steps 2 --context 32 --learning-rate 0.001 --quiet";
    assert_eq!(folder.run(on).done().stderr, "");
    assert!(self::losses(&folder, "further")[0] < 0.6 * uniform);
}

#[test]
fn a_batch_in_parts_is_the_batch() {
    let folder = tiny::begun();
    let line = |out: &str, more: &str| {
        let line = tiny::PRETRAIN
            .replace("--steps 60", "--steps 12")
            .replace("--out tiny", &format!("--out {out}"));
        folder.run(&format!("{line} {more}")).done();
        losses(&folder, out)
    };
    let whole = line("whole", "");
    let parts = line("parts", "--accumulate 2");
    let singles = line("singles", "--accumulate 8 --checkpoint-activations");
    for (i, loss) in whole.iter().enumerate() {
        for (name, other) in [("4 and 4", parts[i]), ("one by one", singles[i])] {
            assert!(
                (loss - other).abs() < 1e-5 * loss,
                "step {i}: {loss} at once, {other} {name}"
            );
        }
    }
    let refused = folder.run(&format!(
        "{} --accumulate 3",
        tiny::PRETRAIN.replace("tiny", "odd")
    ));
    refused.refused(2, &["accumulate is 3 for a batch of 8"]);
}

#[test]
fn threads_and_recomputed_layers_change_no_byte() {
    let run = |more: &str| {
        let folder = tiny::begun();
        let line = tiny::PRETRAIN.replace("--steps 60", "--steps 8");
        folder.run(&format!("{line} {more}")).done();
        let mut files = folder.files();
        files.retain(|name, _| {
            name.ends_with("model.safetensors") || name.ends_with("metrics.jsonl")
        });
        files
    };
    let one = run("--threads 1");
    assert!(one == run("--threads 2"));
    assert!(one == run("--checkpoint-activations --keep 2"));
}
