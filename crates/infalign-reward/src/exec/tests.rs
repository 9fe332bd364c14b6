//! Programs that behave, and programs that do not.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::time::{Duration, Instant};

use super::*;
use crate::reward::testing::responses;

const QUICK: ExecLimits = ExecLimits {
    reply: Duration::from_millis(700),
    first: Duration::from_secs(2),
    restarts: 2,
};

/// A shell script in a folder of its own.
struct Script(tempfile::TempDir);

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("judge"), text).unwrap();
        Self(folder)
    }

    fn open(&self, program: &str, limits: ExecLimits) -> ExecReward {
        let path = self.0.path().join("judge");
        let command = format!("{program} '{}'", path.display());
        ExecReward::open(&command, limits).unwrap()
    }

    fn sh(text: &str) -> (Self, ExecReward) {
        let script = Self::new(text);
        let reward = script.open("sh", QUICK);
        (script, reward)
    }
}

fn told(text: &str) -> String {
    let (script, mut reward) = Script::sh(text);
    let error = reward.rewards(&responses(&["a", "b", "c"])).unwrap_err();
    error
        .to_string()
        .replace(&script.0.path().display().to_string(), "DIR")
}

#[test]
fn one_process_answers_batch_after_batch() {
    let (_script, mut reward) =
        Script::sh("n=0\nwhile read -r line; do n=$((n+1)); echo \"$n.5\"; done\n");
    let found = |reward: &mut ExecReward, texts: &[&str]| {
        let found = reward.rewards(&responses(texts)).unwrap();
        found.iter().map(|r| r.0).collect::<Vec<_>>()
    };
    assert_eq!(found(&mut reward, &["a", "b", "c"]), [1.5, 2.5, 3.5]);
    assert!(found(&mut reward, &[]).is_empty());
    assert_eq!(found(&mut reward, &["d"]), [4.5]);
}

#[test]
fn a_python_program_sees_every_field() {
    let python = std::process::Command::new("python3")
        .arg("-V")
        .output()
        .is_ok();
    if !python {
        eprintln!("SKIPPED: there is no python3 here");
        return;
    }
    let script = Script::new(
        "import json, sys\nfor line in sys.stdin:\n    r = json.loads(line)\n    print('note', file=sys.stderr)\n    \
         print(json.dumps({'id': r['id'], 'reward': len(r['response']) + 10 * (r['answer'] == 'ü\\n') + 100 * (r['prompt'] == 'Say:') + 1000 * (r['prompt_id'] == 'p1') + 10000 * sum(m['role'] == 'user' for m in r['messages'] or [])}))\n",
    );
    let mut reward = script.open("python3", QUICK);
    let turn = |role: &str| Message {
        role: role.to_owned(),
        content: "x".to_owned(),
    };
    let turns = [turn("user"), turn("assistant"), turn("user")];
    let asked = [
        crate::reward::testing::asked("two\nlines", Some("ü\n")),
        crate::reward::testing::asked("", None),
        Asked {
            messages: Some(&turns),
            ..crate::reward::testing::asked("", None)
        },
    ];
    let found = reward.rewards(&asked).unwrap();
    assert_eq!(found, [1119.0, 1100.0, 21_100.0].map(RawReward));
    // Many times what a pipe holds, both ways.
    let many = "x".repeat(200);
    let asked = vec![crate::reward::testing::asked(&many, None); 3000];
    assert!(
        reward
            .rewards(&asked)
            .unwrap()
            .iter()
            .all(|r| r.0 == 1300.0),
        "each reply is that of its request"
    );
}

#[test]
fn a_program_that_dies_now_and_then_is_started_again() {
    let (_script, mut reward) =
        Script::sh("for i in 1 2; do read -r line || exit 0; echo 1; done\nexit 3\n");
    let found = reward.rewards(&responses(&["a"; 5])).unwrap();
    assert_eq!(found, [RawReward(1.0); 5]);
    // Two replies of each process; it is started again twice.
    assert!(reward.rewards(&responses(&["a"; 9])).is_err());
}

#[test]
fn a_program_that_only_dies_is_given_up() {
    assert_eq!(
        told("read -r line\necho 'no model' >&2\nexit 3\n"),
        "reward `exec:sh 'DIR/judge'`: it ended before it replied to response 0 of this batch (prompt p1) (exit status: 3), \
         3 times in this batch; the end of its standard error:\nno model"
    );
    assert!(told("exit 0").contains("it wrote nothing to standard error"));
}

#[test]
fn a_program_that_sleeps_is_given_up_in_time() {
    let begun = Instant::now();
    let (_script, mut reward) = Script::sh("read -r line; echo 1\nread -r line; exec sleep 60\n");
    let error = reward.rewards(&responses(&["a"; 4])).unwrap_err();
    // Each process answers one response.
    assert!(
        error.to_string().contains(
            "no reply to response 3 of this batch (prompt p1) within 0.7 s, 3 times in this batch"
        ),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn garbage_is_shown() {
    assert!(
        told("echo loading >&2; while read -r line; do echo 'ready!'; done").contains(
            "its reply to response 0 of this batch (prompt p1) is `ready!`; expected {\"reward\": x} or a number, and logs on standard error; \
             the end of its standard error:\nloading"
        )
    );
    let long = told("read -r line; head -c 3000000 /dev/zero | tr '\\0' x; echo; sleep 1");
    assert!(long.contains("xxx…`"), "{long}");
}

#[test]
fn another_count_is_found_out() {
    let twice = told("while read -r line; do echo 1; echo 2; done");
    assert!(
        twice.contains("it printed a line that nobody asked for, `2`"),
        "{twice}"
    );
    let banner = told("echo 7; while read -r line; do echo 1; done");
    assert!(banner.contains("nobody asked for"), "{banner}");
    let short = told("while read -r line && read -r line; do echo 1; done; exec sleep 60");
    assert!(short.contains("no reply to response 0"), "{short}");
}

#[test]
fn the_order_is_checked_by_ids() {
    let swapped = told("while read -r line; do echo '{\"id\": 0, \"reward\": 1}'; done");
    assert!(
        swapped.contains("its reply to response 1 of this batch (prompt p1) is `{\"id\": 0, \"reward\": 1}`; expected id 1"),
        "{swapped}"
    );
}

#[test]
fn what_is_no_number_names_its_row() {
    let nan = told("read -r line; echo 1; while read -r line; do echo None; done");
    assert!(
        nan.contains("is None for response 1 of this batch (prompt p1)"),
        "{nan}"
    );
}

#[test]
fn a_program_that_is_not_there() {
    let mut reward = ExecReward::open("./no-such-judge", QUICK).unwrap();
    let error = reward.rewards(&responses(&["a"])).unwrap_err();
    assert!(matches!(error, Error::Start { .. }), "{error}");
    assert!(error.to_string().contains("./no-such-judge"), "{error}");
}

#[test]
fn the_identity_follows_the_script() {
    let one = Script::new("echo 1").open("sh", QUICK);
    let other = Script::new("echo 2").open("sh", QUICK);
    let hash = |reward: &ExecReward| reward.identity().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(hash(&one).len(), 64);
    assert_ne!(hash(&one), hash(&other));
}
