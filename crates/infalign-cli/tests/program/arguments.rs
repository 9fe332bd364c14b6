//! No arguments, however odd, make the program panic: parsed in this process, and some in the program itself.

use infalign::{ProcedureSpec, TransformSpec};
use proptest::prelude::*;

use super::folder::Folder;

/// Anything at all, and texts near to what is meant.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => "\\PC{0,16}",
        2 => "(best-of|worst-of|order|poisson|tilt|rewind|mixture|exp|power|log|table|cdf|optimal)[:/*+.0-9a-z-]{0,12}",
        2 => "-?[0-9]{0,3}(\\.[0-9]{0,4})?(e-?[0-9]{1,3})?",
        1 => Just("nan".to_owned()),
        1 => Just("-inf".to_owned()),
        1 => Just("0.5,0.5".to_owned()),
        1 => Just("rollouts.jsonl".to_owned()),
        1 => Just("out.svg".to_owned()),
    ]
}

fn flag() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "--procedure",
        "--kl",
        "--beta",
        "--transforms",
        "--k",
        "--levels",
        "--calibration",
        "--frontier",
        "--plot",
        "--format",
        "--threads",
        "--name",
        "--seed",
        "--model",
        "--data",
        "--out",
        "--steps",
        "--n",
        "--memory",
        "--device",
        "--lora-r",
        "--gold-column",
        "--set",
        "--dry",
        "--to",
        "--reward-column",
        "--help",
        "--",
        "-h",
    ])
    .prop_map(str::to_owned)
}

fn command() -> impl Strategy<Value = String> {
    let commands = vec![
        "design",
        "run",
        "rollout",
        "calibrate",
        "train",
        "evaluate",
        "report",
        "config",
        "data",
        "reward",
        "simulate",
        "pretrain",
        "sft",
        "sample",
        "score",
        "devices",
        "procedures",
        "transforms",
        "help",
    ];
    prop::sample::select(commands).prop_map(str::to_owned)
}

fn arguments() -> impl Strategy<Value = Vec<String>> {
    let rest = prop::collection::vec(prop_oneof![flag(), piece()], 0..9);
    (prop_oneof![4 => command(), 1 => piece()], rest)
        .prop_map(|(command, rest)| [vec![command], rest].concat())
}

/// A design whose flags are all there, so that the values are looked at.
fn design() -> impl Strategy<Value = Vec<String>> {
    (
        piece(),
        piece(),
        prop::collection::vec((flag(), piece()), 0..3),
    )
        .prop_map(|(procedure, kl, rest)| {
            let mut args = vec!["design".to_owned()];
            args.push(format!("--procedure={procedure}"));
            args.push(format!("--kl={kl}"));
            for (flag, value) in rest.into_iter().filter(|(flag, _)| flag != "--k") {
                args.push(format!("{flag}={value}"));
            }
            args
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics(args in prop_oneof![arguments(), design()]) {
        let typed = ["infalign".to_owned()].into_iter().chain(args.clone());
        if let Err(refused) = infalign_cli::command().try_get_matches_from(typed) {
            prop_assert!(!refused.to_string().is_empty());
        }
        for text in &args {
            let value = text.split_once('=').map_or(text.as_str(), |(_, value)| value);
            if let Err(refused) = value.parse::<ProcedureSpec>() {
                prop_assert!(!refused.to_string().is_empty());
            }
            if let Err(refused) = value.parse::<TransformSpec>() {
                prop_assert!(!refused.to_string().is_empty());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_program_answers_or_refuses(args in prop_oneof![arguments(), design()]) {
        // The main job, which needs no arguments, and a large simulation are right, but long.
        prop_assume!(!["run", "rollout", "calibrate", "train", "evaluate", "simulate"].contains(&args[0].as_str()));
        let folder = Folder::new();
        folder.write("rollouts.jsonl", "{\"prompt_id\":\"a\",\"rewards\":[1,2,3,4,5,6,7,8]}\n");
        let ran = folder.run_with(&args);
        prop_assert!(matches!(ran.code, Some(0..=2)), "{:?}: {:?}", args, ran.stderr);
        prop_assert!(!ran.stderr.contains("fault of infalign"), "{:?}: {}", args, ran.stderr);
        if ran.code != Some(0) {
            prop_assert_eq!(ran.stdout, "");
            prop_assert!(!ran.stderr.is_empty());
        }
    }
}
