//! `infalign sample`: the same text whatever the company, and lines that say what they are.

use serde_json::Value;

use super::{folder::Folder, tiny};

const PROMPTS: &str = "{\"id\": \"a\", \"prompt\": \"One day Lily\"}\n{\"id\": \"b\", \"prompt\": \"Tom\"}\n\"One day Ben liked two\"\n";

fn sample(folder: &Folder, line: &str) -> String {
    let line = format!("sample --model {} {line}", tiny::model().display());
    folder.run(&line).done().stdout
}

fn begun() -> Folder {
    let folder = Folder::new();
    folder.write("prompts.jsonl", PROMPTS);
    folder
}

#[test]
fn the_bytes_do_not_depend_on_batch_size_threads_or_memory() {
    let folder = begun();
    let line = "--prompts prompts.jsonl --n 5 --max-tokens 16 --seed 3";
    let alone = sample(&folder, &format!("{line} --max-batch 1 --threads 1"));
    assert_eq!(tiny::lines(&alone).len(), 15);
    for other in [
        "--max-batch 3 --threads 2",
        "--max-batch 64 --threads 1",
        "--memory 200KB --threads 2",
    ] {
        assert!(
            sample(&folder, &format!("{line} {other}")) == alone,
            "{other}"
        );
    }
    assert!(sample(&folder, &line.replace("--seed 3", "--seed 4")) != alone);
    // A prompt's samples do not know of the other prompts.
    folder.write("one.jsonl", PROMPTS.lines().next().unwrap());
    let one = sample(&folder, &line.replace("prompts.jsonl", "one.jsonl"));
    assert!(alone.starts_with(&one));
}

#[test]
fn lines_hold_what_was_drawn() {
    let folder = begun();
    let out = sample(
        &folder,
        "--prompts prompts.jsonl --n 2 --max-tokens 8 --temperature 0.7 --top-k 20",
    );
    let lines = tiny::lines(&out);
    let ids: Vec<(&str, u64)> = lines
        .iter()
        .map(|l| {
            (
                l["prompt_id"].as_str().unwrap(),
                l["index"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        ids,
        [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("2", 0), ("2", 1)]
    );
    for line in &lines {
        let count = |field: &str| line[field].as_array().unwrap().len();
        assert!(count("tokens") >= 1 && count("tokens") <= 8);
        assert_eq!(count("sampled_log_probs"), count("tokens"));
        assert_eq!(count("untempered_log_probs"), count("tokens"));
        assert!(line["prompt"].is_string() && line["text"].is_string());
        assert!(["stop", "length"].contains(&line["finish_reason"].as_str().unwrap()));
    }
    assert!(
        lines
            .iter()
            .any(|l| l["sampled_log_probs"] != l["untempered_log_probs"])
    );
}

#[test]
fn greedy_text_is_the_text_of_the_lines() {
    let folder = Folder::new();
    let model = tiny::model().display().to_string();
    let run = |format: &str| {
        let args = [
            "sample",
            "--model",
            &model,
            "One day",
            "--temperature",
            "0",
            "--max-tokens",
            "20",
            "--format",
            format,
        ];
        folder.run_with(&args).done()
    };
    let text = run("text").stdout;
    let line: Value = serde_json::from_str(&run("json").stdout).unwrap();
    assert_eq!(text, format!("{}\n", line["text"].as_str().unwrap()));
    assert!(
        text.contains("happy"),
        "the model has learned nothing: {text}"
    );
}

#[test]
fn stop_strings_end_texts_and_characters_come_whole() {
    let folder = Folder::new();
    let model = tiny::model().display().to_string();
    let args = [
        "sample",
        "--model",
        &model,
        "One day Ben liked two",
        "--stop",
        "was happy",
        "--temperature",
        "0",
        "--format",
        "json",
    ];
    let line: Value = serde_json::from_str(&folder.run_with(&args).done().stdout).unwrap();
    assert_eq!(line["finish_reason"], "stop_string");
    let text = line["text"].as_str().unwrap();
    assert!(
        !text.contains("was happy") && !text.contains('\u{fffd}'),
        "{text}"
    );
}

#[test]
fn defaults_of_the_folder_are_taken_where_nothing_is_typed_and_told() {
    let folder = Folder::new();
    let copy = folder.path("model");
    copy_folder(tiny::model(), &copy);
    let with = |config: &str, line: &str| {
        std::fs::write(copy.join("generation_config.json"), config).unwrap();
        let args: Vec<&str> = ["sample", "--model", "model", "One day"]
            .into_iter()
            .chain(line.split_whitespace())
            .collect();
        folder.run_with(&args).done()
    };
    let config = r#"{"do_sample": true, "temperature": 0.6, "top_k": 20, "max_new_tokens": 5, "repetition_penalty": 1.1}"#;
    let ran = with(config, "--top-k 0");
    assert!(
        ran.stderr
            .contains("from generation_config.json: temperature 0.6, max_new_tokens 5\n"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr
            .contains("warning: repetition_penalty 1.1 of generation_config.json is not applied"),
        "{}",
        ran.stderr
    );
    let typed = with("{}", "--temperature 0.6 --max-tokens 5");
    assert_eq!(ran.stdout, typed.stdout);
    assert_eq!(typed.stderr, "");
    let greedy = with(
        r#"{"do_sample": false, "temperature": 0.6}"#,
        "--max-tokens 5",
    );
    assert_eq!(
        greedy.stdout,
        with("{}", "--temperature 0 --max-tokens 5").stdout
    );
}

#[test]
fn several_texts_have_headings() {
    let out = sample(&Folder::new(), "One Tom --n 2 --max-tokens 3 --format text");
    for heading in ["prompt 0, sample 0 (", "prompt 1, sample 1 ("] {
        assert!(out.contains(heading), "{out}");
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
