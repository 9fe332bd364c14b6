//! Loose files through the program: rewards calibrated, responses rewarded, samples and verdicts evaluated, all without a model.

use serde_json::Value;

use super::{folder::Folder, tiny};

/// A file of rewards, K of each prompt, and the numbers that stand in it.
fn rewards(prompts: usize, k: usize) -> String {
    let row = |p: usize| {
        let list: Vec<String> = (0..k)
            .map(|i| format!("{}", ((p * 37 + i * 101) % 211) as f64 / 10.0))
            .collect();
        format!(
            "{{\"prompt_id\": \"p{p}\", \"rewards\": [{}]}}\n",
            list.join(", ")
        )
    };
    (0..prompts).map(row).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn rewards_become_a_calibration_with_its_diagnostics() {
    let folder = Folder::new();
    folder.write("r.jsonl", &rewards(60, 20));
    let ran = folder
        .run("calibrate --rewards r.jsonl --out c.parquet --check 4 --plots plots --format json --procedure best-of:4")
        .done();
    let found = json(&ran.stdout);
    assert_eq!(found["table"]["rewards"], 1200);
    assert_eq!(found["diagnostics"]["k"]["median"], 16);
    assert_eq!(found["diagnostics"]["held_out"], 4);
    assert_eq!(
        found["diagnostics"]["needed_k"][0]["procedure"],
        "best-of:4"
    );
    for name in ["law", "pit", "reliability", "spread", "needed-k"] {
        assert!(folder.path(&format!("plots/{name}.svg")).exists(), "{name}");
    }
    // The table keeps all rewards, and other commands read it.
    folder
        .run("design --procedure best-of:4 --kl 0.3 --calibration c.parquet")
        .done();
    let again = json(
        &folder
            .run("calibrate --rewards c.parquet --check 4 --format json")
            .done()
            .stdout,
    );
    assert_eq!(again["table"], found["table"]);
    let text = folder.run("calibrate --rewards r.jsonl").done();
    for part in ["60 prompts with 20 rewards each", "Kolmogorov", "K needed"] {
        assert!(text.stdout.contains(part), "{}", text.stdout);
    }
}

#[test]
fn shards_are_one_table_and_no_prompt_comes_twice() {
    let folder = Folder::new();
    folder.write("a.jsonl", &rewards(3, 5));
    folder.write("b.jsonl", &rewards(5, 5).replace("\"p", "\"q"));
    let found = json(
        &folder
            .run("calibrate --rewards a.jsonl b.jsonl --format json")
            .done()
            .stdout,
    );
    assert_eq!(found["table"]["prompts"], 8);
    folder
        .run("calibrate --rewards a.jsonl a.jsonl --out c.parquet")
        .refused(2, &["p0", "a.jsonl, row 1"]);
    assert!(!folder.path("c.parquet").exists());
    folder
        .run("calibrate --rewards a.jsonl --set seed=1")
        .refused(2, &["--set, --name and --overwrite are of the main job"]);
    folder
        .run("calibrate --rewards a.jsonl --kl -1")
        .refused(2, &["KL"]);
    folder
        .run("calibrate --rewards absent.parquet")
        .refused(2, &["absent.parquet"]);
}

#[test]
fn any_reward_rewards_any_file() {
    let folder = Folder::new();
    folder.write(
        "alpaca.jsonl",
        "{\"instruction\": \"a?\", \"output\": \"four\", \"generator\": \"g\"}\n{\"instruction\": \"b?\", \"output\": \"of\", \"generator\": \"g\"}\n",
    );
    let ran = folder
        .run("score --reward length --data alpaca.jsonl")
        .done();
    let lines = tiny::lines(&ran.stdout);
    assert_eq!((lines.len(), &lines[0]["response"]), (2, &"four".into()));
    assert!(lines[0]["reward"].as_f64() > lines[1]["reward"].as_f64());
    folder
        .run("score --reward regex:f --data alpaca.jsonl --out r.parquet")
        .done();
    let looked = folder.run("data inspect r.parquet").done();
    assert!(looked.stdout.contains("responses"), "{}", looked.stdout);
    folder
        .run("score --reward length --data alpaca.jsonl --per-token")
        .refused(2, &["--per-token"]);
    folder
        .run("score --data alpaca.jsonl")
        .refused(2, &["--model", "--reward"]);
    folder
        .run("score --reward lenth --data alpaca.jsonl")
        .refused(2, &["lenth"]);
}

#[test]
fn rows_that_cannot_be_used_end_a_command_or_are_left_out() {
    let folder = Folder::new();
    let good = samples(8, 4, 0);
    let bad = format!("{good}{{\"prompt\": \"p\", \"responses\": []}}\n{{\"prompt\"\n");
    folder.write("good.jsonl", &good);
    folder.write("bad.jsonl", &bad);
    let score = "score --reward length --data";
    let expected = folder.run(&format!("{score} good.jsonl")).done().stdout;
    folder
        .run(&format!("{score} bad.jsonl"))
        .refused(2, &["bad.jsonl, line 9", "responses"]);
    let ran = folder
        .run(&format!("{score} bad.jsonl --skip-bad-rows"))
        .done();
    assert_eq!(ran.stdout, expected);
    assert!(
        ran.stderr.contains("2 rows cannot be used"),
        "{}",
        ran.stderr
    );
    let evaluate = "evaluate --judge length --samples bad.jsonl --base";
    folder
        .run(&format!("{evaluate} good.jsonl"))
        .refused(2, &["bad.jsonl, line 9"]);
    let ran = folder
        .run(&format!("{evaluate} good.jsonl --skip-bad-rows"))
        .done();
    assert!(
        ran.stderr.contains("2 rows cannot be used"),
        "{}",
        ran.stderr
    );
    folder
        .run("score --policy http://localhost:1 --data good.jsonl --skip-bad-rows")
        .refused(2, &["--skip-bad-rows"]);
}

/// Responses to prompts, longer ones by `more` words.
fn samples(prompts: usize, n: usize, more: usize) -> String {
    let row = |p: usize| {
        let response = |i: usize| {
            format!(
                "\"{}\"",
                vec!["w"; 1 + (p * 7 + i * 5) % 11 + more].join(" ")
            )
        };
        let all: Vec<String> = (0..n).map(response).collect();
        let rewards: Vec<String> = (0..n)
            .map(|i| format!("{}", 1 + (p * 7 + i * 5) % 11 + more))
            .collect();
        format!(
            "{{\"prompt\": \"say {p}\", \"responses\": [{}], \"rewards\": [{}]}}\n",
            all.join(", "),
            rewards.join(", ")
        )
    };
    (0..prompts).map(row).collect()
}

#[test]
fn samples_of_several_policies_are_evaluated_without_a_model() {
    let folder = Folder::new();
    folder.write("base.jsonl", &samples(12, 8, 0));
    folder.write("ours.jsonl", &samples(11, 8, 3));
    folder.write("same.jsonl", &samples(12, 9, 0));
    let line = "evaluate --samples ours.jsonl --samples same=same.jsonl --base base.jsonl --threshold 4 --out out";
    let ran = folder.run(&format!("{line} --format json")).done();
    let found = json(&ran.stdout);
    assert_eq!(
        (&found["prompts"], &found["base"]),
        (&11.into(), &"base".into())
    );
    assert_eq!(
        found,
        json(&std::fs::read_to_string(folder.path("out/results.json")).unwrap())
    );
    let rate = |policy: usize, procedure: &str| {
        let all = found["policies"][policy]["win_rates"].as_array().unwrap();
        let row = all.iter().find(|r| r["procedure"] == procedure).unwrap();
        row["win_rate"]["mean"].as_f64().unwrap()
    };
    assert!(rate(0, "best-of:4") > 0.7 && rate(0, "worst-of:8") > 0.7);
    assert!((rate(1, "standard") - 0.5).abs() < 0.1);
    assert!(!found["comparisons"].as_array().unwrap().is_empty());
    assert!(
        !found["policies"][0]["behaviour"]["attacks"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let page = std::fs::read_to_string(folder.path("out/report.html")).unwrap();
    assert!(
        page.contains("Jailbreak view")
            && page.contains("How often do responses of ours, same win")
    );
    assert!(!page.contains("trained on)"));
    assert!(ran.stderr.contains("1 of its 12 prompts"), "{}", ran.stderr);
    let judged = folder
        .run(
            "evaluate --samples ours.jsonl --base base.jsonl --judge length --judge recorded --n 2",
        )
        .done();
    for part in [
        "wins by length",
        "wins by recorded",
        "best-of:2",
        "worst-of:2",
    ] {
        assert!(judged.stdout.contains(part), "{}", judged.stdout);
    }
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    folder.write("base.jsonl", &samples(4, 4, 0));
    folder.write("other.jsonl", &samples(4, 4, 0).replace("say", "tell"));
    folder.write(
        "bare.jsonl",
        "{\"prompt\": \"say 0\", \"responses\": [\"a\", \"b\"]}\n",
    );
    folder.write("ids.jsonl", &rewards(4, 4));
    let refused = |line: &str, says: &[&str]| folder.run(line).refused(2, says);
    refused(
        "evaluate --samples other.jsonl --base base.jsonl",
        &["no prompt in common"],
    );
    refused(
        "evaluate --samples bare.jsonl --base base.jsonl",
        &["bare.jsonl", "have no rewards", "--judge"],
    );
    refused(
        "evaluate --samples a=ids.jsonl --base ids.jsonl --judge length",
        &["has no text for --judge length"],
    );
    refused(
        "evaluate --samples a=base.jsonl --base base.jsonl --n 5",
        &["best-of:5"],
    );
    refused("evaluate --samples base.jsonl", &["--base"]);
    refused(
        "evaluate --samples a=base.jsonl --samples a=base.jsonl --base base.jsonl",
        &["`a`"],
    );
    refused(
        "evaluate --samples a=base.jsonl --base base.jsonl --overwrite",
        &["use --out"],
    );
}

#[test]
fn verdicts_become_win_rates() {
    let folder = Folder::new();
    let row = |p: usize, model: &str, preference: f64| {
        format!(
            "{{\"instruction\": \"q{p}\", \"output_1\": \"a\", \"generator_1\": \"base\", \"output_2\": \"b\", \"generator_2\": \"{model}\", \"preference\": {preference}}}\n"
        )
    };
    let all = |model: &str, wins: usize| -> String {
        (0..10)
            .map(|p| {
                row(
                    p,
                    model,
                    if p < wins {
                        2.0
                    } else if p == 9 {
                        1.5
                    } else {
                        1.0
                    },
                )
            })
            .collect()
    };
    folder.write("m.jsonl", &all("m", 6));
    folder.write("n.jsonl", &all("n", 4));
    let found = json(
        &folder
            .run("evaluate --verdicts m.jsonl n.jsonl --format json")
            .done()
            .stdout,
    );
    let models = found["models"].as_array().unwrap();
    assert_eq!(
        (&models[0]["model"], &models[0]["win_rate"]["mean"]),
        (&"m".into(), &0.65.into())
    );
    assert_eq!(
        (&models[0]["ties"], &models[0]["verdicts"]),
        (&1.into(), &10.into())
    );
    let difference = found["comparisons"][0]["difference"]["mean"]
        .as_f64()
        .unwrap();
    assert!((difference + 0.2).abs() < 1e-12, "{difference}");
    let text = folder.run("evaluate --verdicts m.jsonl").done().stdout;
    assert!(text.contains("65.0"), "{text}");
    folder.write("p.jsonl", "{\"prompt\": \"a\"}\n");
    folder
        .run("evaluate --verdicts p.jsonl")
        .refused(2, &["p.jsonl", "not verdicts"]);
}
