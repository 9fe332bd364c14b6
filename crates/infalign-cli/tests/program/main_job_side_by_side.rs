//! Policies side by side: the bytes of one after the other, one program for all, and a failure of one that the others survive.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    folder::Folder,
    main_job::{begun, modified, own_prompts, results, same},
    over_http::classify,
    server::{Act, Asked, Server},
};

/// Three policies, a few steps each.
const THREE: &str = "--set train.steps=12 --set design.rewards=[\"raw\",\"exp:-10\",\"identity\"]";

fn line(flags: &str) -> String {
    format!("run small.toml {THREE} {flags}")
}

#[test]
fn they_are_the_bytes_of_one_after_the_other() {
    let alone = begun();
    let ran = alone.run(&line("--threads 1 --side-by-side 1")).done();
    let at = |said: &str, part: &str| {
        assert!(said.contains(part), "{part}: {said}");
        said.find(part)
    };
    let (first, second) = ("raw: step 12/12  ", "training exp:-10");
    assert!(
        at(&ran.stderr, first) < at(&ran.stderr, second),
        "{}",
        ran.stderr
    );
    let expected = results(&alone);
    for flags in [
        "--threads 2 --side-by-side 2",
        "--threads 3 --side-by-side 9",
        "--threads 2", // as many as there are threads
    ] {
        let folder = begun();
        let ran = folder.run(&line(flags)).done();
        assert!(
            at(&ran.stderr, second) < at(&ran.stderr, first),
            "{}",
            ran.stderr
        );
        for name in ["raw", "exp:-10", "identity"] {
            at(&ran.stderr, &format!("{name}: step 1/12  "));
            at(&ran.stderr, &format!("{name}: step 12/12  "));
        }
        same(&results(&folder), &expected, flags);
        let before = modified(&folder);
        let again = folder.run(&line("--threads 1 --side-by-side 1")).done();
        assert_eq!(again.stdout, ran.stdout);
        assert_eq!(
            modified(&folder),
            before,
            "{flags}: something was done again"
        );
    }
}

/// A run on prompts of its own whose only reward is a program; every start of it leaves a line in `starts`.
fn of_a_program(program: &str) -> Folder {
    let folder = Folder::new();
    let prompts: String = (0..12)
        .map(|i| format!("{{\"prompt_id\": \"p{i}\", \"prompt\": \"It was guest {i} who\"}}\n"))
        .collect();
    folder.write("p.jsonl", &prompts);
    folder.write("reward.sh", program);
    let config = own_prompts().replace("\"length\"", "\"exec:sh reward.sh\"");
    folder.write("small.toml", &config);
    folder
}

/// The length of every response.
const LENGTHS: &str = "echo start >> starts
while IFS= read -r line; do
  response=${line#*response}
  echo ${#response}
done
";

/// The same, but with no number once, when it is asked by a training that has taken two steps.
const ONCE_WRONG: &str = "echo start >> starts
while IFS= read -r line; do
  response=${line#*response}
  if [ ! -e wrong ] && [ -e runs/small/policies/raw/checkpoints/step-000002 ]; then
    echo wrong > wrong
    echo nan
  else
    echo ${#response}
  fi
done
";

#[test]
fn a_program_that_gives_rewards_is_started_once() {
    let alone = of_a_program(LENGTHS);
    alone.run(&line("--threads 1")).done();
    let folder = of_a_program(LENGTHS);
    folder.run(&line("--threads 3")).done();
    let starts = |folder: &Folder| fs::read_to_string(folder.path("starts")).unwrap();
    assert_eq!(starts(&folder), "start\n");
    same(&results(&folder), &results(&alone), "with a program");
}

#[test]
fn a_server_that_gives_rewards_is_asked_by_all_at_once() {
    let run = |flags: &str| {
        let folder = of_a_program("");
        let most = Arc::new(AtomicUsize::new(0));
        let (seen, raw) = (Arc::clone(&most), folder.path("runs/small/policies/raw"));
        let server = Server::start(move |asked: &Asked| {
            // While policies are trained each of them asks for one thing at a time.
            if raw.join("checkpoints").exists() && !raw.join("model.safetensors").exists() {
                seen.fetch_max(asked.at_once, Ordering::Relaxed);
            }
            Act::After(Duration::from_millis(10), Box::new(classify(asked)))
        });
        let reward = format!("\"vllm:{}\"", server.url());
        folder.write("small.toml", &own_prompts().replace("\"length\"", &reward));
        folder.run(&line(flags)).done();
        let trained = |name: &str| {
            let of = |file| {
                fs::read(folder.path(&format!("runs/small/policies/{name}/{file}"))).unwrap()
            };
            (of("model.safetensors"), of("metrics.jsonl"))
        };
        let all = ["raw", "exp-minus10", "identity"].map(trained);
        (all, most.load(Ordering::Relaxed))
    };
    let (alone, together) = (run("--threads 1"), run("--threads 3"));
    assert!(alone.0 == together.0);
    assert_eq!(alone.1, 1);
    assert!((2..=3).contains(&together.1), "{} at once", together.1);
}

#[test]
fn a_failure_of_one_lets_the_others_save_and_is_told() {
    let whole = of_a_program(ONCE_WRONG);
    whole.write("wrong", "");
    whole.run(&line("--threads 1")).done();
    let folder = of_a_program(ONCE_WRONG);
    let said = folder.run(&line("--threads 2"));
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(
        said.stderr.contains("stopped while training `"),
        "{}",
        said.stderr
    );
    let last = said.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("error: ") && last.contains("nan"),
        "{last}"
    );
    assert!(
        !said.stderr.contains("training identity"),
        "{}",
        said.stderr
    );
    let again = folder.run(&line("--threads 2")).done();
    assert!(
        again.stderr.contains(": going on after step "),
        "{}",
        again.stderr
    );
    let (mut found, mut expected) = (results(&folder), results(&whole));
    for files in [&mut found, &mut expected] {
        files.retain(|name, _| !["starts", "wrong"].contains(&name.as_str()));
    }
    same(&found, &expected, "after a failure");
}
