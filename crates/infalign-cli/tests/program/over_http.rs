//! Policies and rewards behind HTTP, and the reward service, as users start them: the weights-free path from prompts to a report.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

use super::{
    folder::Folder,
    served::vllm,
    server::{Act, Asked, Server},
};

/// A run whose base is at `url`.
pub(crate) fn configuration(url: &str, trainer: &str) -> String {
    format!(
        r#"
[policy]
model = "{url}"
weights = "org/base"

[server]
deadline = 0.4

[prompts]
file = "p.jsonl"
held_out = 3

[reward]
train_on = "length"
judges = []

[calibration]
rollouts = 8
check = 4
shard = 2

[design]
procedures = ["best-of:2"]
kl = [0.3]
rewards = ["raw", "exp:5"]

[train]
trainer = "{trainer}"
prompts = 2
samples = 4
steps = 6
learning_rate = 1e-5

[evaluate]
samples = 4
shown = 1
"#
    )
}

pub(crate) fn prompts() -> String {
    let line = |n| json!({"prompt_id": format!("q{n}"), "prompt": format!("Prompt number {n}")});
    (0..7).map(|n| line(n).to_string() + "\n").collect()
}

pub(crate) fn begun(url: &str, trainer: &str) -> Folder {
    let folder = Folder::new();
    folder.write("p.jsonl", &prompts());
    folder.write("far.toml", &configuration(url, trainer));
    folder
}

fn text(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path(name)).unwrap_or_else(|e| format!("{name}: {e}"))
}

#[test]
fn without_weights_a_run_goes_as_far_as_the_trainer_and_on_from_what_it_made() {
    let (base, policy) = (Server::start(vllm), Server::start(vllm));
    let folder = begun(&base.url(), "trl");
    let ran = folder.run("run far.toml").done();
    for part in [
        "infalign serve far.toml --policy exp:5",
        "python train.py",
        "raw",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let handed = "runs/far/handover/exp-5";
    let config = text(&folder, &format!("{handed}/config.yaml"));
    assert!(config.contains("model: \"org/base\"\n"), "{config}");
    assert!(config.contains("num_generations: 4\n"), "{config}");
    let design: Value = serde_json::from_str(&text(&folder, "runs/far/design.json")).unwrap();
    let row = design[0]["transforms"].as_array().unwrap();
    let row = row.iter().find(|r| r["transform"] == "exp:5").unwrap();
    let beta = row["at_k"]["beta"]
        .as_f64()
        .or(row["beta"].as_f64())
        .unwrap();
    assert!(config.contains(&format!("\nbeta: {beta}\n")), "{config}");
    let rows = text(&folder, &format!("{handed}/prompts.jsonl"));
    assert_eq!(rows.lines().count(), 4);
    assert!(
        rows.starts_with("{\"prompt\":\"Prompt number 0\",\"prompt_id\":\"q0\"}\n"),
        "{rows}"
    );
    // Nothing is asked twice.
    let asked = base.requests.load(Ordering::Relaxed);
    let again = folder.run("run far.toml").done();
    assert_eq!(again.stdout, ran.stdout);
    assert!(
        base.requests.load(Ordering::Relaxed) <= asked + 4,
        "only what the server is"
    );

    let trained = format!("exp:5={}", policy.url());
    let measured = folder
        .run_with(&["run", "far.toml", "--trained", &trained])
        .done();
    assert!(measured.stdout.contains("report: "), "{}", measured.stdout);
    let results: Value =
        serde_json::from_str(&text(&folder, "runs/far/eval/results.json")).unwrap();
    assert_eq!(results["policies"].as_array().unwrap().len(), 1);
    // The same law behind both addresses; log-probabilities are told by both.
    let kl = &results["policies"][0]["kl"];
    assert!(kl["k1"]["mean"].is_number(), "{kl}");
    let unknown = folder.run_with(&["run", "far.toml", "--trained", "exp:6=http://x"]);
    unknown.refused(2, &["--trained exp:6", "raw, exp:5"]);
}

#[test]
fn every_trainer_gets_its_files_whole() {
    let base = Server::start(vllm);
    for (trainer, files) in [
        ("openrlhf", ["prompts.jsonl", "train.sh"]),
        ("verl", ["prompts.jsonl", "train.sh"]),
        ("axolotl", ["rewards.py", "config.yaml"]),
        ("sft", ["train.jsonl", "config.yaml"]),
    ] {
        let folder = begun(&base.url(), trainer);
        if trainer == "verl" {
            folder
                .run("run far.toml")
                .refused(2, &["prompt `q0` is a text", "give prompts as messages"]);
            let chat = prompts().replace(":\"Prompt", ":[{\"role\":\"user\",\"content\":\"Prompt");
            folder.write("p.jsonl", &chat.replace("\"}\n", "\"}]}\n"));
        }
        let ran = folder.run("run far.toml").done();
        for file in files {
            let text = text(&folder, &format!("runs/far/handover/exp-5/{file}"));
            assert!(
                !text.contains("{{") && !text.contains("{%"),
                "{file}: {text}"
            );
            assert!(
                text.ends_with('\n') && text.lines().count() >= 4,
                "{file}: {text}"
            );
            if file == "train.sh" {
                let checked = std::process::Command::new("bash")
                    .args([
                        "-n",
                        folder
                            .path(&format!("runs/far/handover/exp-5/{file}"))
                            .to_str()
                            .unwrap(),
                    ])
                    .status();
                assert!(checked.is_ok_and(|s| s.success()), "{text}");
            }
        }
        assert_eq!(
            trainer == "sft",
            !ran.stdout.contains("infalign serve"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn prompts_that_are_not_answered_are_listed_and_asked_for_alone() {
    let ill = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&ill);
    let base = Server::start(move |asked: &Asked| {
        let hard = asked.body["prompt"]
            .as_str()
            .is_some_and(|p| p.ends_with(['1', '3']));
        if hard && now.load(Ordering::Relaxed) {
            return Act::Status(503, Vec::new(), "overloaded".to_owned());
        }
        vllm(asked)
    });
    let folder = begun(&base.url(), "trl");
    let ran = folder.run("run far.toml");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("2 of 4 prompts have no response"),
        "{}",
        ran.stderr
    );
    let listed = text(&folder, "runs/far/rollouts/missing.jsonl");
    let ids: Vec<Value> = listed
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(
        listed.contains("503") && !listed.contains("Prompt number"),
        "{listed}"
    );

    ill.store(false, Ordering::Relaxed);
    let asked = base.requests.load(Ordering::Relaxed);
    folder.run("run far.toml").done();
    // Two prompts, and what the server is.
    assert!(base.requests.load(Ordering::Relaxed) <= asked + 2 + 4);
    assert!(!folder.path("runs/far/rollouts/missing.jsonl").exists());
    let files = folder.files();
    assert!(
        files.keys().all(|name| !name.ends_with(".part")),
        "{:?}",
        files.keys()
    );
}

#[test]
fn a_shard_of_samples_is_completed() {
    let calls = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&calls);
    let base = Server::start(move |asked: &Asked| {
        let late = asked.body["prompt"]
            .as_str()
            .is_some_and(|p| p.ends_with('5'));
        if late && now.load(Ordering::Relaxed) {
            return Act::Drop;
        }
        vllm(asked)
    });
    let folder = Folder::new();
    folder.write("p.jsonl", &prompts());
    let url = base.url();
    let command = [
        "sample",
        "--policy",
        &url,
        "--prompts",
        "p.jsonl",
        "--n",
        "3",
        "--deadline",
        "0.3",
        "--out",
        "s.parquet",
    ];
    let ran = folder.run_with(&command);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("1 of 7 prompts have no responses"),
        "{}",
        ran.stderr
    );
    calls.store(false, Ordering::Relaxed);
    let ran = folder.run_with(&command).done();
    assert!(
        ran.stderr.contains("6 of 7 prompts are there"),
        "{}",
        ran.stderr
    );
    let inspected = folder.run("data inspect s.parquet").done();
    assert!(inspected.stdout.contains('7'), "{}", inspected.stdout);
    let other = folder.run_with(&[&command[..], &["--seed", "1"]].concat());
    other.refused(2, &["holds responses of another policy or sampling"]);
    // The rewards of a server are probed, then read.
    let reward = Server::start(classify);
    let spec = format!("vllm:{}", reward.url());
    let command = [
        "score",
        "--reward",
        &spec,
        "--data",
        "s.parquet",
        "--out",
        "r.parquet",
    ];
    folder.run_with(&command).done();
    folder
        .run("calibrate --rewards r.parquet --out c.parquet")
        .done();
    let saturated = Server::start(|asked: &Asked| with(classify(asked), 1.0));
    let spec = format!("vllm:{}", saturated.url());
    let refused = folder.run_with(&["score", "--reward", &spec, "--data", "s.parquet"]);
    assert_ne!(refused.code, Some(0));
    assert!(
        refused
            .stderr
            .contains("an activation is on that saturates"),
        "{}",
        refused.stderr
    );
}

/// A reward model of vLLM: the length of a text, shifted.
pub(crate) fn classify(asked: &Asked) -> Act {
    let texts: Vec<String> = match &asked.body["input"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all
            .iter()
            .map(|t| t.as_str().unwrap_or_default().to_owned())
            .collect(),
        _ => return Act::Status(404, Vec::new(), String::new()),
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(i, t)| json!({"index": i, "label": "x", "probs": [t.len() as f64 / 7.0 - 9.0], "num_classes": 1}))
        .collect();
    Act::Json(
        json!({"id": "c", "object": "list", "model": "rm", "data": data, "usage": {"prompt_tokens": 1}}),
    )
}

/// The same reply with one number everywhere.
fn with(act: Act, value: f64) -> Act {
    let Act::Json(mut page) = act else { return act };
    for row in page["data"].as_array_mut().unwrap() {
        row["probs"] = json!([value]);
    }
    Act::Json(page)
}

/// The service, ended with the test.
pub(crate) struct Service(Child, String);

impl Service {
    pub(crate) fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(args);
        let mut child = folder.command(&all).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            let at = line.find("http://")? + "http://".len();
            Some(line[at..].split(';').next()?.to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, address.unwrap())
    }

    /// The answer, once the reward is open.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        (0..200)
            .map(|_| self.ask(path, body))
            .find(|(status, _)| {
                let early = *status == 503;
                if early {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
                !early
            })
            .unwrap()
    }

    fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.1).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_service_answers_for_a_policy_of_a_run() {
    let base = Server::start(vllm);
    let folder = begun(&base.url(), "openrlhf");
    folder.run("run far.toml").done();
    let service = Service::start(
        &folder,
        &["far.toml", "--policy", "exp:5", "--unknown", "rollout"],
    );
    // A response beyond all of the base's, and one below.
    let long = "x".repeat(500);
    let body = json!({"prompt_ids": ["q0", "q0"], "responses": [long, ""]});
    let (status, answer) = service.post("/v1/rewards", &body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["raw"], json!([500.0, 0.0]));
    assert_eq!(answer["calibrated"], json!([1.0, 0.0]));
    let transformed = answer["transformed"].as_array().unwrap();
    assert!(transformed[0].as_f64().unwrap() > transformed[1].as_f64().unwrap());
    // As OpenRLHF asks: one text, its prompt, its label.
    let query = format!("Prompt number 0{long}</s>");
    let body = json!({"query": [query], "prompts": ["Prompt number 0"], "labels": ["q0"]});
    let (status, one) = service.post("/get_reward", &body);
    assert_eq!(status, 200, "{one}");
    assert_eq!(one["rewards"][0], transformed[0]);
    // A prompt that the run never saw is calibrated now.
    let body = json!({"prompts": ["Never seen"], "responses": [long]});
    let (status, fresh) = service.post("/v1/rewards", &body);
    assert_eq!(
        (status, &fresh["calibrated"]),
        (200, &json!([1.0])),
        "{fresh}"
    );

    let raw = Service::start(&folder, &["far.toml", "--policy", "raw"]);
    let body = json!({"prompt_ids": ["q0"], "responses": [long]});
    assert_eq!(
        raw.post("/v1/rewards", &body).1["transformed"],
        json!([500.0])
    );
    let unknown = json!({"prompt_ids": ["nobody"], "responses": [long]});
    let (status, error) = raw.post("/v1/rewards", &unknown);
    assert_eq!(status, 422, "{error}");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("nobody")
    );
    folder
        .run("serve far.toml --policy exp:7")
        .refused(2, &["--policy", "raw, exp:5"]);
    folder
        .run("serve far.toml --name other")
        .refused(2, &["no calibrated run is there"]);
}

#[test]
fn completions_and_manual_pages_are_of_this_program() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = folder.run(&format!("completions {shell}")).done().stdout;
        assert!(text.contains("infalign") && text.contains("calibrate"));
    }
    folder.run("man pages").done();
    let names = folder.files();
    assert!(names.contains_key("pages/infalign.1"));
    assert!(
        names.contains_key("pages/infalign-reward-train.1"),
        "{:?}",
        names.keys()
    );
}
