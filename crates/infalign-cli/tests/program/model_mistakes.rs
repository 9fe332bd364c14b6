//! Mistakes with models, their devices and their data: named, with a remedy, and nothing is left behind.

use super::{folder::Folder, tiny};

fn refused(folder: &Folder, line: &str, says: &[&str]) {
    let before = folder.files();
    folder.run(line).refused(2, says);
    assert!(folder.files() == before, "{line} changed a file");
}

#[test]
fn devices() {
    let folder = Folder::new();
    let model = tiny::model().display();
    for (device, says) in [
        (
            "abacus",
            [
                "unknown device `abacus`",
                "cpu, wgpu[:N], cuda[:N], metal, rocm[:N]",
            ],
        ),
        ("cpu:1", ["unknown device `cpu:1`", "cpu, wgpu[:N]"]),
    ] {
        refused(
            &folder,
            &format!("sample --model {model} One --device {device}"),
            &says,
        );
    }
    if !cfg!(feature = "cuda") {
        let says = ["no cuda support", "--features cuda"];
        refused(
            &folder,
            &format!("sample --model {model} One --device cuda"),
            &says,
        );
    }
    let says = ["cpu does not compute in bf16; it does in f32"];
    refused(
        &folder,
        &format!("sample --model {model} One --dtype bf16"),
        &says,
    );
    let listed = folder.run("devices --format json").done();
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        (
            &listed[0]["device"],
            &listed[0]["built"],
            &listed[0]["found"]
        ),
        (&"cpu".into(), &true.into(), &1.into())
    );
    assert!(folder.run("devices").done().stdout.contains("cpu"));
}

#[test]
fn folders() {
    let folder = tiny::begun();
    for line in [
        "sample --model nowhere One",
        "score --model nowhere --data a.jsonl",
        "pretrain --model nowhere --data world.txt --out x --steps 1",
    ] {
        refused(&folder, line, &["cannot read nowhere", "check the path"]);
    }
    folder.write("full/notes.txt", "");
    let line = tiny::PRETRAIN.replace("--out tiny", "--out full");
    refused(
        &folder,
        &line,
        &[
            "full exists and is not a run directory",
            "`notes.txt`",
            "another --out",
        ],
    );
    refused(
        &folder,
        &tiny::PRETRAIN.replace("--out tiny", "--out .."),
        &["--out ..: name a folder"],
    );
    let model = tiny::model().display();
    refused(
        &folder,
        &format!("sample --model {model} One --adapter nowhere"),
        &["cannot read nowhere"],
    );
}

#[test]
fn rows_and_texts() {
    let folder = tiny::begun();
    let model = tiny::model().display();
    folder.write(
        "bad.jsonl",
        "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\"}\n",
    );
    let sft = format!("sft --model {model} --data bad.jsonl --out x --validation 0");
    refused(
        &folder,
        &sft,
        &[
            "bad.jsonl, line 2",
            "expected one of {\"prompt\", \"completion\"}",
        ],
    );
    let skipped = folder.run(&format!("{sft} --skip-bad-rows")).done();
    assert!(
        skipped.stderr.contains(
            "warning: 1 rows cannot be used and are left out; the first: bad.jsonl, line 2"
        ),
        "{}",
        skipped.stderr
    );
    folder.write(
        "long.jsonl",
        &format!(
            "{{\"prompt\": \"a\", \"completion\": \"{}\"}}\n",
            "word ".repeat(200)
        ),
    );
    let long = format!("sft --model {model} --data long.jsonl --out y --validation 0");
    refused(
        &folder,
        &long,
        &["long.jsonl, line 1", "--truncate left, right or drop"],
    );
    refused(
        &folder,
        &format!("score --model {model} --data bad.jsonl"),
        &["bad.jsonl, line 2"],
    );
    folder.write(
        "pair.jsonl",
        &format!(
            "{{\"prompt\": \"a\", \"response\": \"{}\"}}\n",
            "word ".repeat(200)
        ),
    );
    refused(
        &folder,
        &format!("score --model {model} --data pair.jsonl"),
        &["pair.jsonl, line 1", "the model's context is 64"],
    );
    folder.bytes("latin1.txt", b"One day caf\xe9\n<|endoftext|>\nTwo\n");
    let line = tiny::PRETRAIN.replace("world.txt", "latin1.txt");
    refused(&folder, &line, &["latin1.txt, line 1", "UTF-8"]);
    let line = tiny::PRETRAIN.replace("world.txt", "none.txt");
    refused(&folder, &line, &["cannot read none.txt"]);
    let line = tiny::PRETRAIN.replace("--train-tokenizer 320", "--train-tokenizer 20");
    refused(&folder, &line, &["20 tokens are too few"]);
    folder.write("config.json", "{\"model_type\": \"abacus\"}");
    refused(&folder, tiny::PRETRAIN, &["config.json", "abacus", "llama"]);
    folder.write("config.json", "{");
    refused(
        &folder,
        tiny::PRETRAIN,
        &["config.json", "not a configuration"],
    );
}

#[test]
fn prompts() {
    let folder = Folder::new();
    let model = tiny::model().display().to_string();
    let sample = |more: &[&str], says: &[&str]| {
        let args: Vec<&str> = ["sample", "--model", &model]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        folder.run_with(&args).refused(2, says);
    };
    let long = "word ".repeat(100);
    sample(&[&long], &["prompt `0` has ", "the model's context is 64"]);
    let args = [
        "sample",
        "--model",
        &model,
        &long,
        "--truncate",
        "left",
        "--max-tokens",
        "4",
    ];
    let cut = folder.run_with(&args).done();
    assert!(
        cut.stderr
            .contains("warning: 1 prompts were cut on the left"),
        "{}",
        cut.stderr
    );
    sample(&[""], &["prompt `0` has no tokens"]);
    sample(&[], &["no prompt; give some"]);
    sample(&["a", "--n", "0"], &["--n 0: give at least 1"]);
    sample(&["a", "--chat"], &["has no chat template"]);
    sample(&["a", "--temperature", "-1"], &["`temperature` is -1"]);
    sample(&["a", "--top-p", "0"], &["`top_p` is 0"]);
    sample(&["a", "--max-batch", "0"], &["`max_batch` is 0"]);
    sample(
        &["a", "--memory", "much"],
        &["--memory much: expected a size such as 500MB"],
    );
    folder.bytes("p.txt", b"one\ntw\xffo\n");
    sample(&["--prompts", "p.txt"], &["p.txt, line 2", "UTF-8"]);
    folder.write(
        "p.jsonl",
        "{\"id\": 1, \"prompt\": \"a\"}\n{\"id\": 1, \"prompt\": \"b\"}\n",
    );
    sample(&["--prompts", "p.jsonl"], &["p.jsonl, line 2"]);
    folder.write(
        "m.jsonl",
        "{\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}]}\n",
    );
    sample(
        &["--prompts", "m.jsonl"],
        &["m.jsonl, line 1", "no chat template"],
    );
    let room = folder.run_with(&["sample", "--model", &model, "a", "--memory", "10"]);
    assert!(
        matches!(room.code, Some(1 | 2)) && room.stderr.contains("memory"),
        "{}",
        room.stderr
    );
}

#[test]
fn settings_of_training() {
    let folder = tiny::begun();
    for (from, to, says) in [
        (
            "--learning-rate 0.01",
            "--learning-rate -1",
            "schedule.peak is -1",
        ),
        (
            "--warmup 4",
            "--warmup soon",
            "--warmup soon: expected a number of steps",
        ),
        (
            "--warmup 4",
            "--warmup 100",
            "fewer warm-up steps than steps",
        ),
        ("--steps 60", "--steps 0", "schedule.steps is 0"),
        (
            "--steps 60",
            "--epochs 0",
            "--epochs 0: expected a number above 0",
        ),
        (
            "--context 32",
            "--context 65",
            "--context 65: the model takes from 1 to 64 tokens",
        ),
        ("--context 32", "--batch-size 0", "batch_size is 0"),
        ("--context 32", "--beta1 1", "`beta1` is 1"),
        ("--validation 0.1", "--validation 2", "validation is 2"),
    ] {
        refused(&folder, &tiny::PRETRAIN.replace(from, to), &[says]);
    }
    let line = format!("{} --model x", tiny::PRETRAIN);
    folder.run(&line).refused(2, &["cannot be used with"]);
}
