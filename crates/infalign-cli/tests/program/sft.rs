//! `infalign sft`: only completions are learned, by all weights or by adapters.

use std::fs;

use super::{folder::Folder, pretrain::losses, tiny};

fn rows(completion: &str) -> String {
    (0..12)
        .map(|i| {
            format!("{{\"prompt\": \"One day number {i}\", \"completion\": \"{completion}\"}}\n")
        })
        .collect()
}

fn sft(folder: &Folder, data: &str, out: &str, more: &str) -> String {
    let model = tiny::model().display().to_string();
    let line = format!(
        "sft --model {model} --data {data} --out {out} --steps 30 --batch-size 4 --learning-rate 0.01 --validation 0 {more}"
    );
    folder.run(&line).done().stderr
}

#[test]
fn the_loss_is_of_completions_only() {
    let folder = Folder::new();
    folder.write("a.jsonl", &rows(" egg."));
    sft(&folder, "a.jsonl", "a", "");
    let text = fs::read_to_string(folder.path("a/metrics.jsonl")).unwrap();
    let first = &tiny::lines(&text)[0];
    // Four completions and their ends; the prompts, several times as long, are not counted.
    let model = tiny::model().display().to_string();
    folder.write(
        "one.jsonl",
        "{\"prompt\": \"One day number 0\", \"response\": \" egg.\"}",
    );
    let scored = folder
        .run(&format!("score --model {model} --data one.jsonl --eos"))
        .done();
    let tokens = tiny::lines(&scored.stdout)[0]["tokens"].as_f64().unwrap();
    assert_eq!(first["targets"].as_f64().unwrap(), 4.0 * tokens);
    let losses = losses(&folder, "a");
    assert!(
        losses[29] < 0.05,
        "what is learned is always the same: {losses:?}"
    );
    let args = [
        "sample",
        "--model",
        "a",
        "One day number 3",
        "--temperature",
        "0",
    ];
    let line = folder.run_with(&args).done().stdout;
    let line = &tiny::lines(&line)[0];
    assert_eq!(
        (line["text"].as_str(), line["finish_reason"].as_str()),
        (Some(" egg."), Some("stop"))
    );
}

#[test]
fn a_batch_in_parts_weighs_every_target_alike() {
    let folder = Folder::new();
    let row = |i: usize| {
        let said = "Tom saw a ball. ".repeat(1 + i * i % 5);
        format!("{{\"prompt\": \"One day {i}\", \"completion\": \"{said}\"}}\n")
    };
    folder.write("a.jsonl", &(0..12).map(row).collect::<String>());
    // Without clipping a wrong weight shows; the model has no more than 64 positions.
    let more = "--truncate right --clip 0";
    sft(&folder, "a.jsonl", "whole", more);
    sft(
        &folder,
        "a.jsonl",
        "parts",
        &format!("{more} --accumulate 2"),
    );
    let parts = losses(&folder, "parts");
    for (step, (a, b)) in losses(&folder, "whole").iter().zip(&parts).enumerate() {
        assert!(
            (a - b).abs() < 1e-4 * a,
            "step {step}: {a} at once, {b} in parts"
        );
    }
}

#[test]
fn conversations_go_through_the_chat_template() {
    let folder = Folder::new();
    let model = folder.path("chatty");
    fs::create_dir(&model).unwrap();
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ] {
        fs::copy(tiny::model().join(name), model.join(name)).unwrap();
    }
    let row = "{\"messages\": [{\"role\": \"user\", \"content\": \"Tom?\"}, {\"role\": \"assistant\", \"content\": \"home.\"}]}\n";
    folder.write("chat.jsonl", &row.repeat(6));
    let line = "sft --model chatty --data chat.jsonl --out b --steps 25 --learning-rate 0.01 --validation 0";
    folder.run(line).refused(
        2,
        &[
            "chat.jsonl, line 1",
            "no chat template; add chat_template.jinja",
        ],
    );
    assert!(!folder.path("b").exists());
    let template = "{% for m in messages %}{{ m.role[0] }}: {{ m.content }}{{ eos_token if m.role == 'assistant' }}\n{% endfor %}{% if add_generation_prompt %}a: {% endif %}";
    fs::write(model.join("chat_template.jinja"), template).unwrap();
    folder.run(line).done();
    let ran = folder
        .run_with(&["sample", "--model", "b", "Tom?", "--temperature", "0"])
        .done();
    assert!(
        ran.stderr
            .contains("prompts go through the model's chat template; --raw leaves them"),
        "{}",
        ran.stderr
    );
    assert_eq!(tiny::lines(&ran.stdout)[0]["text"], "home.");
}

#[test]
fn adapters_are_pefts_and_merged_they_are_a_model() {
    let folder = Folder::new();
    folder.write("a.jsonl", &rows(" Sue"));
    sft(
        &folder,
        "a.jsonl",
        "lora",
        "--lora-r 4 --lora-targets q_proj,down_proj",
    );
    sft(
        &folder,
        "a.jsonl",
        "merged",
        "--lora-r 4 --lora-targets q_proj,down_proj --merge",
    );
    let config = fs::read_to_string(folder.path("lora/adapter_config.json")).unwrap();
    assert!(
        config.contains("\"r\": 4") && config.contains("q_proj"),
        "{config}"
    );
    assert!(!folder.path("lora/model.safetensors").exists());
    assert!(
        folder.path("merged/model.safetensors").exists()
            && folder.path("merged/tokenizer.json").exists()
    );
    let losses = losses(&folder, "lora");
    assert!(losses[29] < 0.7 * losses[0], "{losses:?}");
    let model = tiny::model().display().to_string();
    let one = folder
        .run(&format!(
            "sample --model {model} --adapter lora One --temperature 0 --max-tokens 8"
        ))
        .done();
    let two = folder
        .run("sample --model merged One --temperature 0 --max-tokens 8")
        .done();
    assert_eq!(one.stdout, two.stdout);
    folder.write(
        "one.jsonl",
        "{\"prompt\": \"One day number 0\", \"response\": \" Sue\"}",
    );
    let scored = folder
        .run(&format!(
            "score --model {model} --adapter lora --reference {model} --data one.jsonl"
        ))
        .done();
    assert!(
        tiny::lines(&scored.stdout)[0]["kl"].as_f64().unwrap() > 1e-3,
        "{}",
        scored.stdout
    );
    let line =
        format!("sft --model {model} --data a.jsonl --out x --lora-r 4 --lora-targets nothing");
    folder
        .run(&line)
        .refused(2, &["`lora_targets` is nothing", "all-linear, or some of"]);
    assert!(!folder.path("x").exists());
}
