//! The main job beyond the ranking by one reward: votes over answers, duels between policies, and a jailbreak view of every reward.

use std::fs;

use serde_json::Value;

use super::{
    folder::Folder,
    main_job::{RUN, SMALL, json, own_prompts},
};

/// A run of two policies whose responses are asked for an answer by a pattern.
fn voted(answers: &str) -> (Folder, Value) {
    let folder = Folder::new();
    let config = own_prompts()
        .replace(
            "judges = []",
            "judges = [\"answer\", \"regex:good\"]\nthresholds = { length = 20, \"regex:good\" = 0.5 }",
        )
        .replace(
            "samples = 4\nshown = 2",
            &format!("samples = 6\nshown = 2\nprocedures = [\"standard\", \"worst-of:4\", \"voting:3\"]\nagainst = \"raw\"\n{answers}"),
        );
    folder.write("small.toml", &config);
    let prompt = |n: usize| {
        let ale = " and the ale".repeat(n % 5);
        format!("{{\"prompt\": \"A kind king {n} on the ale{ale}:\", \"answer\": \"good\"}}\n")
    };
    folder.write("p.jsonl", &(0..12).map(prompt).collect::<String>());
    folder.run(RUN).done();
    let found = json(&folder, "runs/small/eval/results.json");
    (folder, found)
}

/// Mean win rates of a policy by procedure, for one judge.
fn won(found: &Value, policy: usize, procedure: &str, judge: &str) -> f64 {
    let rates = found["policies"][policy]["win_rates"].as_array().unwrap();
    let one = rates
        .iter()
        .find(|rate| rate["procedure"] == procedure && rate["judge"] == judge);
    one.unwrap()["win_rate"]["mean"].as_f64().unwrap()
}

#[test]
fn votes_are_over_the_answers_that_the_pattern_finds() {
    // Where all answers are the same, any response may be the one that is put out: that is plain sampling.
    let (_, alike) = voted("answers = \"^()\"");
    for policy in 0..2 {
        for judge in ["length", "answer", "regex:good"] {
            let (plain, votes) = (
                won(&alike, policy, "standard", judge),
                won(&alike, policy, "voting:3", judge),
            );
            assert!((plain - votes).abs() < 1e-12, "{judge}: {plain} {votes}");
        }
    }
    // Of a few answers that are not alike, such as the last letter, the votes choose.
    let (folder, split) = voted("answers = '(\\w)\\W*$'");
    assert_eq!(split["procedures"][2], "voting:3");
    let moved = (0..2).any(|policy| {
        let (plain, votes) = (
            won(&split, policy, "standard", "length"),
            won(&split, policy, "voting:3", "length"),
        );
        (plain - votes).abs() > 1e-6
    });
    assert!(moved, "voting changed nothing");
    let page = fs::read_to_string(folder.path("runs/small/report.html")).unwrap();
    assert!(page.contains("Win rates under voting:3"));
}

#[test]
fn duels_and_a_jailbreak_view_of_every_threshold() {
    let (folder, found) = voted("");
    let duels = found["duels"].as_array().unwrap();
    // One policy against raw: three procedures by three judges.
    assert_eq!(duels.len(), 9);
    assert!(
        duels
            .iter()
            .all(|d| d["left"] == "exp:-10" && d["right"] == "raw")
    );
    let thresholds: Vec<&Value> = found["judges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|judge| &judge["threshold"])
        .collect();
    assert_eq!(thresholds, [&20.0.into(), &Value::Null, &0.5.into()]);
    let attacks = found["base_behaviour"]["attacks"].as_array().unwrap();
    assert_eq!(attacks.len(), 2);
    let page = fs::read_to_string(folder.path("runs/small/report.html")).unwrap();
    for part in [
        "<code>exp:-10</code> against <code>raw</code>",
        "Attacks by length",
        "Attacks by regex:good",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

/// A policy that is to be met is looked for before anything is trained.
#[test]
fn an_unknown_opponent_is_refused_before_training() {
    let folder = Folder::new();
    folder.write("small.toml", SMALL);
    folder
        .run(&format!("{RUN} --set evaluate.against=rew"))
        .refused(2, &["`rew` is no policy", "raw, exp:-10"]);
    assert!(!folder.path("runs/small/policies").exists());
}
