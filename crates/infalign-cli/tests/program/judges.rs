//! Language models that judge, as users meet them: ratings with a rubric of theirs, comparisons under the procedure, verdicts that are kept.

use std::sync::{Arc, Mutex, atomic::Ordering};

use serde_json::{Value, json};

use super::{
    folder::Folder,
    over_http::{Service, begun, configuration, prompts},
    served::vllm,
    server::{Act, Asked, Server},
};

/// A judge's reply.
fn said(text: &str) -> Act {
    Act::Json(json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}))
}

fn question(asked: &Asked) -> String {
    let content = &asked.body["messages"][0]["content"];
    content.as_str().unwrap_or_default().to_owned()
}

/// What stands between the fences of a name; `None` where none does.
fn between(question: &str, name: &str) -> Option<String> {
    let begin = question.find(&format!("-----BEGIN {name} "))?;
    let text = &question[begin..];
    let from = text.find('\n')? + 1;
    let to = text.find(&format!("\n-----END {name} "))?;
    Some(text[from..to].to_owned())
}

/// Prefers longer texts; rates a text by its length, within the scale of 1 to 10.
fn longer(asked: &Asked) -> Act {
    let question = question(asked);
    let length = |name: &str| between(&question, name).map(|text| text.len());
    // Of pairs first: the name of each begins like that of a single response.
    match (
        length("RESPONSE A"),
        length("RESPONSE B"),
        length("RESPONSE"),
    ) {
        (Some(a), Some(b), _) if a == b => said("Verdict: [[tie]]"),
        (Some(a), Some(b), _) => said(if a > b {
            "Verdict: [[A]]"
        } else {
            "Verdict: [[B]]"
        }),
        (.., Some(one)) => said(&format!("Rating: [[{}]]", one.clamp(1, 10))),
        _ => Act::Status(404, Vec::new(), String::new()),
    }
}

fn judge(server: &Server) -> String {
    format!("judge:{}#m", server.url())
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| unreachable!("{e}: {text}"))
}

/// Four responses of each side to three prompts.
fn sides() -> Folder {
    let folder = Folder::new();
    let rows = |all: [[&str; 4]; 3]| -> String {
        let row = |(p, responses): (usize, &[&str; 4])| {
            json!({"prompt": format!("Prompt {p}"), "responses": responses}).to_string() + "\n"
        };
        all.iter().enumerate().map(row).collect()
    };
    let ours = [
        ["aa", "aaaa", "a", "aaa"],
        ["cc", "c", "cc", "c"],
        ["e", "e", "e", "ee"],
    ];
    let base = [
        ["bbb", "b", "bb", "bbbb"],
        ["d", "d", "dd", "d"],
        ["e", "e", "ee", "ee"],
    ];
    folder.write("ours.jsonl", &rows(ours));
    folder.write("base.jsonl", &rows(base));
    folder
}

/// The comparisons of one procedure: win rate, and counts of wins, losses, ties, inconsistent, unparsed, prompts left out.
fn counted(found: &Value, procedure: &str) -> (Option<f64>, [u64; 6]) {
    let all = found["pairwise"].as_array().unwrap();
    let one = all.iter().find(|p| p["procedure"] == procedure).unwrap();
    let counts = [
        "wins",
        "losses",
        "ties",
        "inconsistent",
        "unparsed",
        "left_out",
    ];
    let counts = counts.map(|name| one[name].as_u64().unwrap());
    assert_eq!(
        counts[..5].iter().sum::<u64>(),
        one["pairs"].as_u64().unwrap()
    );
    (one["win_rate"]["mean"].as_f64(), counts)
}

const COMPARE: &str = "evaluate --samples ours.jsonl --base base.jsonl --judge length --procedure best-of:2 --procedure worst-of:2 --format json";

fn compared(folder: &Folder, server: &Server, more: &str) -> Value {
    let line = format!("{COMPARE} --compare {} {more}", judge(server));
    read(&folder.run(&line).done().stdout)
}

/// Best-of-2 by length outputs aaaa, aaa against bbb, bbbb (1, 0), cc, cc against d, dd (1, ½), and equal texts (½, ½): (½ + ¾ + ½)/3.
/// Worst-of-2 outputs aa, a against b, bb (1, 0), c, c against d, d (½, ½), and e, e against e, ee (½, 0): (½ + ½ + ¼)/3.
#[test]
fn win_rates_of_texts_against_texts_are_those_by_hand() {
    let server = Server::start(longer);
    let folder = sides();
    let found = compared(&folder, &server, "--compare-pairs 2 --out compared");
    let (won, counts) = counted(&found, "best-of:2");
    assert!((won.unwrap() - 1.75 / 3.0).abs() < 1e-12, "{won:?}");
    assert_eq!(counts, [2, 1, 3, 0, 0, 0]);
    let (won, counts) = counted(&found, "worst-of:2");
    assert!((won.unwrap() - 1.25 / 3.0).abs() < 1e-12, "{won:?}");
    assert_eq!(counts, [1, 2, 3, 0, 0, 0]);
    // Both orders of 4 pairs, then of 3 and of the one that comes twice; equal texts are not asked about.
    assert_eq!(server.requests.load(Ordering::Relaxed), 2 * 4 + 2 * 4);
    // The same command again asks nothing: its verdicts lie beside the result.
    assert_eq!(
        compared(&folder, &server, "--compare-pairs 2 --out compared"),
        found
    );
    assert_eq!(server.requests.load(Ordering::Relaxed), 16);
    assert!(folder.path("compared/verdicts/verdicts.jsonl").exists());
    let page = std::fs::read_to_string(folder.path("compared/report.html")).unwrap();
    assert!(page.contains("Compared text by text"));
    let kept: Value = read(&std::fs::read_to_string(folder.path("compared/results.json")).unwrap());
    assert_eq!(kept["pairwise"], found["pairwise"]);
    // One pair of each prompt unless told otherwise, and a table for people.
    let one = compared(&folder, &server, "--keep-verdicts compared/verdicts");
    assert_eq!(
        counted(&one, "best-of:2"),
        (Some(2.5 / 3.0), [2, 0, 1, 0, 0, 0])
    );
    assert_eq!(server.requests.load(Ordering::Relaxed), 16);
    let line = format!("{COMPARE} --compare {}", judge(&server)).replace("--format json", "");
    let told = folder.run(&line).done().stdout;
    assert!(told.contains("compared text by text with base"), "{told}");
    assert!(told.contains("83.3 ("), "{told}");
}

#[test]
fn a_judge_that_goes_by_position_and_one_that_says_nothing_are_told() {
    let folder = sides();
    let biased = Server::start(|_| said("The first.\nVerdict: [[A]]"));
    let found = compared(&folder, &biased, "--compare-pairs 2");
    assert_eq!(
        counted(&found, "best-of:2"),
        (Some(0.5), [0, 0, 2, 4, 0, 0])
    );
    let mute = Server::start(|_| said("I cannot say."));
    let found = compared(&folder, &mute, "--compare-pairs 2");
    // Of the third prompt's pairs all texts are equal: ties that nobody was asked about.
    assert_eq!(
        counted(&found, "best-of:2"),
        (Some(0.5), [0, 0, 2, 0, 4, 2])
    );
    assert_eq!(found["pairwise"][0]["win_rate"]["prompts"], 1);
    let line = format!("{COMPARE} --compare judge:http://h")
        .replace("best-of:2", "mixture:0.5*best-of:2+0.5*worst-of:3");
    let line = line.replace("--procedure worst-of:2", "");
    folder.run(&line).refused(
        2,
        &["--compare: no --procedure outputs one order statistic"],
    );
}

#[test]
fn ratings_by_a_rubric_of_ones_own_are_kept_beside_what_they_go_into() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let server = Server::start(move |asked: &Asked| {
        assert_eq!(asked.body["max_tokens"], 64);
        kept.lock().unwrap().push(question(asked));
        longer(asked)
    });
    let folder = sides();
    folder.write("rubric.txt", "Is this long?\n{prompt}\n{response}\n");
    let judge = judge(&server);
    let line = format!(
        "score --reward {judge} --data ours.jsonl --out rated.parquet --rubric rubric.txt --scale 0:4 --judge-tokens 64"
    );
    let ran = folder.run(&line).done();
    assert!(
        ran.stderr
            .contains("verdicts are kept in rated.parquet.verdicts"),
        "{}",
        ran.stderr
    );
    // Of each prompt the texts that differ.
    let asked = || seen.lock().unwrap().len();
    assert_eq!(asked(), 4 + 2 + 2);
    let first = seen.lock().unwrap()[0].clone();
    assert!(first.starts_with("Is this long?\n"), "{first}");
    assert!(first.contains("from 0 (worst) to 4 (best)"), "{first}");
    folder.run(&line).done();
    assert_eq!(asked(), 8, "nothing is paid for twice");
    folder.write("rubric.txt", "Is this very long?\n{prompt}\n{response}\n");
    folder.run(&line).done();
    assert_eq!(asked(), 16, "another rubric is another question");
    for (flags, says) in [
        (
            "--reward length --rubric rubric.txt",
            "--rubric changes nothing: no reward is a judge",
        ),
        ("--reward length --scale 1:5", "--scale changes nothing"),
        (
            "--reward length --judge-tokens 64",
            "--judge-tokens changes nothing",
        ),
        (
            "--reward length --keep-verdicts v",
            "--keep-verdicts changes nothing",
        ),
        ("--reward judge:http://h#m --scale 5:1", "`scale` is 5 to 1"),
        ("--reward judge:http://h#m --scale five", "write LEAST:MOST"),
        (
            "--reward judge:http://h#m --rubric ours.jsonl",
            "it needs either {response}",
        ),
    ] {
        folder
            .run(&format!("score --data ours.jsonl {flags}"))
            .refused(2, &[says]);
    }
    folder
        .run("evaluate --samples ours.jsonl --base base.jsonl --judge length --scale 1:5")
        .refused(2, &["--scale changes nothing"]);
    folder
        .run("evaluate --rubric rubric.txt")
        .refused(2, &["--rubric changes nothing"]);
}

/// A run by `judge` on prompts of three turns, with [judge] and [evaluate] lines of its own.
fn talked(base: &Server, judge: &Server, judging: &str, evaluating: &str) -> Folder {
    let folder = begun(&base.url(), "trl");
    let config = configuration(&base.url(), "trl")
        .replace("\"length\"", &format!("\"judge:{}#m\"", judge.url()))
        .replace("deadline = 0.4", "deadline = 20")
        .replace(
            "[calibration]",
            &format!("[judge]\n{judging}\n[calibration]"),
        )
        + evaluating;
    folder.write("far.toml", &config);
    let turns = prompts().replace(":\"Prompt", ":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Yes?\"},{\"role\":\"user\",\"content\":\"Prompt");
    folder.write("p.jsonl", &turns.replace("\"}\n", "\"}]}\n"));
    folder.write("rubric.txt", "Rate it.\n{prompt}\n{response}\n");
    folder
}

#[test]
fn a_run_rates_whole_conversations_compares_outputs_and_asks_nothing_twice() {
    let (base, policy) = (Server::start(vllm), Server::start(vllm));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let server = Server::start(move |asked: &Asked| {
        kept.lock().unwrap().push(question(asked));
        // The four words of a response are long: their last digit tells them apart.
        let question = question(asked);
        let digit = |name| Some(between(&question, name)?.bytes().last()? - b'0');
        match (digit("RESPONSE A"), digit("RESPONSE B"), digit("RESPONSE")) {
            (Some(a), Some(b), _) if a > b => said("Verdict: [[A]]"),
            (Some(a), Some(b), _) if a < b => said("Verdict: [[B]]"),
            (Some(_), ..) => said("Verdict: [[tie]]"),
            (.., Some(one)) => said(&format!("Rating: [[{one}]]")),
            _ => Act::Status(404, Vec::new(), String::new()),
        }
    });
    let evaluating = format!(
        "compare = [\"judge:{}#m\"]\ncompare_pairs = 2\n",
        server.url()
    );
    let judging = "rubric = \"rubric.txt\"\nscale = [0, 9]\nmax_tokens = 100";
    let folder = talked(&base, &server, judging, &evaluating);
    let trained = format!("raw={}", policy.url());
    let command = ["run", "far.toml", "--trained", &trained];
    let ran = folder.run_with(&command).done();
    assert!(
        ran.stdout.contains("compared text by text with"),
        "{}",
        ran.stdout
    );
    let asked = || seen.lock().unwrap().len();
    let first = seen.lock().unwrap()[0].clone();
    assert!(first.starts_with("Rate it.\n"), "{first}");
    let shown = between(&first, "PROMPT").unwrap();
    assert!(
        shown.starts_with("User: Hi\n\nAssistant: Yes?\n\nUser: Prompt number "),
        "{shown}"
    );
    let results = "runs/far/eval/results.json";
    let found = read(&std::fs::read_to_string(folder.path(results)).unwrap());
    let (won, counts) = counted(&found, "best-of:2");
    // Two pairs of each of three held-out prompts, and the training reward selects as the judge decides: the higher digit wins.
    assert_eq!(counts[..5].iter().sum::<u64>(), 6);
    assert_eq!(counts[3..], [0, 0, 0]);
    let share = (counts[0] as f64 + 0.5 * counts[2] as f64) / 6.0;
    assert!((won.unwrap() - share).abs() < 1e-12);
    // Done before.
    let before = asked();
    let again = folder.run_with(&command).done();
    assert_eq!((again.stdout, asked()), (ran.stdout, before));
    // Results that are lost are made again from the verdicts that are kept.
    for lost in [
        "eval/raw/pairs-0.json",
        "eval/results.json",
        "rewards/training.parquet",
    ] {
        std::fs::remove_file(folder.path(&format!("runs/far/{lost}"))).unwrap();
    }
    folder.run_with(&command).done();
    assert_eq!(
        read(&std::fs::read_to_string(folder.path(results)).unwrap()),
        found
    );
    assert_eq!(asked(), before);
    // Another rubric rates again, and leaves comparisons as they are.
    folder.write("rubric.txt", "Rate it well.\n{prompt}\n{response}\n");
    folder.run_with(&command).done();
    let new: Vec<String> = seen.lock().unwrap().split_off(before);
    assert!(!new.is_empty() && new.iter().all(|q| q.starts_with("Rate it well.\n")));
}

#[test]
fn a_rubric_that_cannot_be_used_is_known_before_anything_is_drawn() {
    let (base, server) = (Server::start(vllm), Server::start(longer));
    let folder = talked(&base, &server, "rubric = \"no-such\"", "");
    folder
        .run("run far.toml")
        .refused(2, &["no-such", "check the path"]);
    assert_eq!(base.requests.load(Ordering::Relaxed), 0);
    assert!(!folder.path("runs/far").exists());
}

#[test]
fn the_service_hands_a_judge_the_whole_conversation() {
    let seen = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&seen);
    let server = Server::start(move |asked: &Asked| {
        *kept.lock().unwrap() = question(asked);
        longer(asked)
    });
    let folder = Folder::new();
    folder.write(
        "r.jsonl",
        "{\"prompt_id\": \"p\", \"rewards\": [1, 2, 3, 4]}\n",
    );
    folder
        .run("calibrate --rewards r.jsonl --out c.parquet")
        .done();
    let judge = judge(&server);
    let service = Service::start(
        &folder,
        &[
            "--calibration",
            "c.parquet",
            "--reward",
            &judge,
            "--unknown",
            "pooled",
            "--keep-verdicts",
            "v",
        ],
    );
    let turns = json!([
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Go"},
    ]);
    let body = json!({"prompts": [turns], "responses": ["abc"]});
    let (status, answer) = service.post("/v1/rewards", &body);
    assert_eq!((status, &answer["raw"]), (200, &json!([3.0])), "{answer}");
    let shown = between(&seen.lock().unwrap(), "PROMPT").unwrap();
    assert_eq!(shown, "User: Hi\n\nAssistant: Yes?\n\nUser: Go");
    assert!(folder.path("v/verdicts.jsonl").exists());
}
