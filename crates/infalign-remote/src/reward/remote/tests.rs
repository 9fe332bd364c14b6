//! Reward servers in this process, in the shapes recorded from the real ones: opened, probed, asked, and hostile.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};

use super::*;
use crate::reward::{
    DIALECTS,
    testing::{Server, nothing, ok, patience},
};

/// The raw reward of a text: many values, negative ones too.
fn raw(text: &str) -> f64 {
    let sum: u32 = text.bytes().map(u32::from).sum();
    f64::from(sum % 97) / 4.0 - 11.0
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap();
    list.iter()
        .map(|t| t.as_str().unwrap().to_owned())
        .collect()
}

/// What the server of a dialect answers to a body, with `value` for the raw reward of a whole text.
fn reply(name: &str, body: &Value, value: impl Fn(&str) -> f64) -> Value {
    let active = |key: &str, on: bool| body[key] == on;
    let squashed = |text: &str, active: bool| {
        let raw = value(text);
        if active {
            1.0 / (1.0 + (-raw).exp())
        } else {
            raw
        }
    };
    let pair = |prompt: &str, response: &str| format!("{prompt}{response}");
    match name {
        "vllm" | "vllm-pooling" => {
            let texts = match body.get("messages") {
                Some(m) => vec![pair(
                    m[0]["content"].as_str().unwrap(),
                    m[1]["content"].as_str().unwrap(),
                )],
                None => texts(&body["input"]),
            };
            let key = if name == "vllm" { "probs" } else { "data" };
            let entries = texts.iter().enumerate().map(|(i, text)| {
                let value = squashed(text, active("use_activation", true));
                json!({"index": i, "object": "x", "num_classes": 1, key: [value]})
            });
            json!({"object": "list", "model": "rm", "data": entries.collect::<Vec<_>>()})
        }
        "vllm-score" => {
            let both = texts(&body["queries"])
                .into_iter()
                .zip(texts(&body["documents"]));
            let entries = both.enumerate().map(|(i, (q, d))| {
                json!({"index": i, "object": "score", "score": squashed(&pair(&q, &d), active("use_activation", true))})
            });
            json!({"object": "list", "data": entries.collect::<Vec<_>>()})
        }
        "sglang" => {
            let entry = |text: &String| json!({"embedding": [value(text)], "meta_info": {"id": "x", "prompt_tokens": 3}});
            texts(&body["text"]).iter().map(entry).collect()
        }
        "tei" => {
            let inputs = body["inputs"].as_array().unwrap();
            let label = |input: &Value| {
                let text = texts(input).concat();
                json!([{"score": squashed(&text, active("raw_scores", false)), "label": "LABEL_0"}])
            };
            inputs.iter().map(label).collect()
        }
        "llama.cpp" => {
            let query = body["query"].as_str().unwrap();
            let documents = texts(&body["documents"]);
            let entry = |(i, d): (usize, &String)| json!({"index": i, "relevance_score": value(&pair(query, d))});
            let mut entries: Vec<Value> = documents.iter().enumerate().map(entry).collect();
            entries.sort_by(|a, b| {
                b["relevance_score"]
                    .as_f64()
                    .unwrap()
                    .total_cmp(&a["relevance_score"].as_f64().unwrap())
            });
            json!({"object": "list", "results": entries})
        }
        "openrlhf" => {
            let rewards: Vec<f64> = texts(&body["query"]).iter().map(|t| value(t)).collect();
            json!({"rewards": rewards, "scores": rewards, "extra_logs": {}})
        }
        _ => {
            let scores: Vec<f64> = texts(&body["messages"]).iter().map(|t| value(t)).collect();
            json!({"id": "scoreval-1", "model": body["model"], "scores": scores})
        }
    }
}

fn serve(dialect: &'static Dialect) -> Server {
    Server::start(move |path, body| {
        if path == dialect.path && !body.is_null() {
            ok(&reply(dialect.name, body, raw))
        } else {
            nothing()
        }
    })
}

fn open(text: &str) -> Result<RemoteReward> {
    RemoteReward::open(&text.parse()?, None, patience(), &Probe::default())
}

fn told(text: &str) -> String {
    open(text).unwrap_err().to_string()
}

fn asked<'a>(texts: &'a [(String, String)]) -> Vec<Asked<'a>> {
    let one = |(prompt, response): &'a (String, String)| Asked {
        prompt_id: prompt,
        prompt,
        messages: None,
        response,
        answer: None,
    };
    texts.iter().map(one).collect()
}

fn many(n: usize) -> Vec<(String, String)> {
    (0..n)
        .map(|i| (format!("prompt {} ", i / 40), format!("response {i}")))
        .collect()
}

#[test]
fn every_dialect_answers_in_order() {
    let texts = many(150);
    let wanted: Vec<f64> = texts.iter().map(|(p, r)| raw(&format!("{p}{r}"))).collect();
    for dialect in DIALECTS {
        let server = serve(dialect);
        for dress in dialect.dresses {
            for single in ["", ":single"] {
                let text = format!(
                    "{}:{}:{}{single}",
                    dialect.name,
                    server.address,
                    dress.word()
                );
                let reward = open(&text).unwrap();
                assert_eq!((reward.name(), reward.caveat()), (text.as_str(), None));
                let before = server.posted().len();
                let found = reward.rewards(&asked(&texts)).unwrap();
                assert!(
                    found
                        .iter()
                        .map(|v| f64::from(*v))
                        .eq(wanted.iter().copied()),
                    "{text}"
                );
                let requests = server.posted().len() - before;
                let wanted = match (dress, single) {
                    (Dress::Chat, _) | (_, ":single") => 150,
                    // 40, 40, 40 and 30 responses by 32.
                    _ if dialect.one_prompt => 7,
                    _ => 5,
                };
                assert_eq!(requests, wanted, "{text}");
            }
        }
    }
    let server = serve(&DIALECTS[0]);
    let reward = open(&format!("vllm:{}", server.address)).unwrap();
    assert!(reward.rewards(&[]).unwrap().is_empty());
}

#[test]
fn the_activation_is_never_on_outside_the_probe() {
    let server = Server::start(|_, body| ok(&reply("vllm", body, |t| raw(t).abs() / 20.0)));
    let reward = open(&format!("vllm:{}:bare#rm", server.address)).unwrap();
    let probed = server.posted();
    assert_eq!(
        probed
            .iter()
            .filter(|b| b["use_activation"] == true)
            .count(),
        2,
        "both values lie in [0, 1]"
    );
    reward.rewards(&asked(&many(3))).unwrap();
    let last = server.posted().pop().unwrap();
    assert_eq!(last["use_activation"], false);
    assert_eq!(last["add_special_tokens"], false);
    assert_eq!(last["model"], "rm");
}

#[test]
fn kinds_are_detected() {
    fn page(name: &'static str, path: &str) -> Option<Value> {
        let paths = |all: &[&str]| {
            let listed: serde_json::Map<String, Value> =
                all.iter().map(|p| ((*p).to_owned(), json!({}))).collect();
            Some(json!({"openapi": "3.1.0", "paths": listed}))
        };
        match (name, path) {
            ("vllm", "/version") => Some(json!({"version": "0.33.0"})),
            ("vllm-pooling", "/openapi.json") => paths(&["/pooling", "/version"]),
            ("vllm-score", "/openapi.json") => paths(&["/score", "/version"]),
            ("sglang", "/get_model_info") => {
                Some(json!({"model_path": "rm", "is_generation": false}))
            }
            ("tei", "/info") => Some(
                json!({"model_id": "rm", "model_type": {"reranker": {}}, "max_client_batch_size": 32}),
            ),
            ("llama.cpp", "/props") => {
                Some(json!({"default_generation_settings": {}, "model_path": "rm"}))
            }
            ("openrlhf", "/openapi.json") => paths(&["/get_reward"]),
            ("llamafactory", "/openapi.json") => paths(&["/v1/models", "/v1/score/evaluation"]),
            _ => None,
        }
    }
    for dialect in DIALECTS {
        let server = Server::start(move |path, body| match page(dialect.name, path) {
            Some(page) => ok(&page),
            None if path == dialect.path && !body.is_null() => ok(&reply(dialect.name, body, raw)),
            None => nothing(),
        });
        let reward = open(&server.address).unwrap();
        assert_eq!(reward.dialect().name, dialect.name);
        assert!(
            reward
                .identity()
                .starts_with(&format!("{}:http://127.0.0.1", dialect.name)),
            "{}",
            reward.identity()
        );
        // With the path typed out, whether or not it tells the kind.
        let typed = format!("{}{}", server.address, dialect.path);
        assert_eq!(open(&typed).unwrap().dialect().name, dialect.name);
        if ["sglang", "tei", "llama.cpp"].contains(&dialect.name) {
            assert!(
                reward.identity().ends_with(" serves rm"),
                "{}",
                reward.identity()
            );
        }
    }
    let nobody = Server::start(|_, _| nothing());
    let said = told(&nobody.address);
    assert!(
        said.contains("/openapi.json, /info, /props") && said.contains("vllm:http://"),
        "{said}"
    );
    let locked = Server::start(|_, _| (401, String::new()));
    assert!(told(&locked.address).contains("INFALIGN_API_KEY"));
    let chat = serve(&DIALECTS[3]);
    let said = told(&format!("{}:chat", chat.address));
    assert!(said.contains("no reward server"), "{said}");
}

#[test]
fn servers_that_are_refused_and_what_mends_them() {
    let dialect = |name: &str| DIALECTS.iter().find(|d| d.name == name).unwrap();
    let refused = |name: &'static str, answer: fn(&str, &Value) -> (u16, String)| {
        let path = dialect(name).path;
        let server = Server::start(move |at, body| {
            if at == path {
                answer(at, body)
            } else {
                nothing()
            }
        });
        told(&format!("{name}:{}", server.address))
    };
    for (said, named) in [
        (
            // The switch is ignored: the activation is always on.
            refused("vllm", |_, body| {
                let mut off = body.clone();
                off["use_activation"] = true.into();
                ok(&reply("vllm", &off, |t| raw(t) / 8.0))
            }),
            "--override-pooler-config",
        ),
        (
            refused("tei", |_, body| {
                let mut off = body.clone();
                off["raw_scores"] = false.into();
                ok(&reply("tei", &off, |t| raw(t) / 8.0))
            }),
            "raw_scores",
        ),
        (
            refused("sglang", |_, body| ok(&reply("sglang", body, |_| 1.0))),
            "not `/v1/classify`",
        ),
        (
            refused("openrlhf", |_, body| ok(&reply("openrlhf", body, |_| 0.0))),
            "other texts than the probe's",
        ),
        (
            refused("openrlhf", |_, body| {
                let mut all = reply("openrlhf", body, raw);
                all["rewards"].as_array_mut().unwrap().reverse();
                ok(&all)
            }),
            "another order",
        ),
        (
            refused("openrlhf", |_, body| {
                let n = body["query"].as_array().unwrap().len();
                let factor = if n > 1 { 0.5 } else { 1.0 };
                ok(&reply("openrlhf", body, move |t| factor * raw(t)))
            }),
            ":single",
        ),
        (
            // A script that heeds the first of a request.
            refused("openrlhf", |_, body| {
                let mut all = reply("openrlhf", body, raw);
                all["rewards"].as_array_mut().unwrap().truncate(1);
                ok(&all)
            }),
            "holds 1 values for 4 texts; write `:single`",
        ),
        (
            refused("vllm", |_, _| {
                (
                    400,
                    json!({"error": {"message": "The model does not support Classification API"}})
                        .to_string(),
                )
            }),
            "vllm serve MODEL --runner pooling",
        ),
        (
            refused("vllm", |_, _| nothing()),
            "vllm serve MODEL --runner pooling",
        ),
        (
            refused("vllm", |_, _| {
                ok(&json!({"data": [{"index": 0, "probs": [0.25, 0.75]}]}))
            }),
            "2 numbers for one text",
        ),
        (
            refused("sglang", |_, _| ok(&json!([{"embedding": [0.1, 0.2]}]))),
            "this is an embedding",
        ),
        (
            refused("openrlhf", |_, _| (200, "{\"rewards\": [NaN]}".to_owned())),
            "not JSON",
        ),
        (
            refused("openrlhf", |_, _| ok(&json!({"rewards": [null]}))),
            "null",
        ),
    ] {
        assert!(
            said.contains("is refused") && said.contains(named),
            "{said} (wanted {named})"
        );
    }
}

#[test]
fn what_is_asked_of_an_address_with_a_path() {
    let dialect = |name: &str| DIALECTS.iter().find(|d| d.name == name);
    for (address, name, base, path) in [
        ("http://h:8000", "vllm", "http://h:8000", None),
        ("http://h/a/classify", "vllm", "http://h/a", None),
        ("http://h/a", "vllm", "http://h/a", None),
        ("http://h/v1/classify", "", "http://h/v1", None),
        (
            "http://h/a/judge.cgi",
            "openrlhf",
            "http://h",
            Some("/a/judge.cgi"),
        ),
        (
            "http://h/get_reward",
            "openrlhf",
            "http://h",
            Some("/get_reward"),
        ),
        ("http://h", "llamafactory", "http://h", None),
    ] {
        assert_eq!(asked_at(address, dialect(name)), (base, path), "{address}");
    }
    let server = Server::start(|path, body| match path {
        "/v1/my_rules" => ok(&reply("openrlhf", body, raw)),
        _ => nothing(),
    });
    assert!(open(&format!("openrlhf:{}/v1/my_rules", server.address)).is_ok());
}

#[test]
fn what_is_refused_in_a_batch_is_taken_singly() {
    let server = Server::start(|_, body| {
        let mut all = reply("openrlhf", body, raw);
        all["rewards"].as_array_mut().unwrap().truncate(1);
        ok(&all)
    });
    let texts = many(9);
    let reward = open(&format!("openrlhf:{}/get_reward:single", server.address)).unwrap();
    assert_eq!(reward.rewards(&asked(&texts)).unwrap().len(), 9);
}

#[test]
fn the_row_of_a_fault_is_named() {
    let server = Server::start(|_, body| {
        let mut all = reply("openrlhf", body, raw);
        if body["query"]
            .as_array()
            .unwrap()
            .iter()
            .any(|q| q == "prompt 1 response 41")
        {
            all["rewards"][0] = Value::Null;
        }
        ok(&all)
    });
    let reward = open(&format!("openrlhf:{}", server.address)).unwrap();
    let before = server.posted().len();
    let error = reward
        .rewards(&asked(&many(64)[32..]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("response 0 to 31 of this batch (prompt prompt 0 )"),
        "{error}"
    );
    assert!(
        error.contains("given up after 3 tries") && error.contains("has null"),
        "{error}"
    );
    assert_eq!(server.posted().len() - before, 3);
}

#[test]
fn every_response_gets_its_own_reward_from_a_server_that_fails_often() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_, body| {
        let mut all = reply("vllm", body, raw);
        let data = all["data"].as_array_mut().unwrap();
        // The probe is left alone; then three of ten requests go wrong, each in another way, and the others answer in another order.
        let n = count.fetch_add(1, Ordering::Relaxed);
        let n = if n < 4 { 9 } else { n };
        match n % 20 {
            0 => return (500, "out of memory".to_owned()),
            3 => return (429, String::new()),
            6 => {
                let text = all.to_string();
                return (200, text[..text.len() / 2].to_owned());
            }
            9 if n > 9 => drop(data.pop()),
            12 => data[0]["index"] = data[data.len() - 1]["index"].clone(),
            15 => data[0]["probs"][0] = "NaN".into(),
            _ => data.rotate_left(1),
        }
        ok(&all)
    });
    let texts = many(2000);
    let spec: RemoteRewardSpec = format!("vllm:{}", server.address).parse().unwrap();
    let patience = Patience {
        tries: 20,
        ..patience()
    };
    let reward = RemoteReward::open(&spec, None, patience, &Probe::default()).unwrap();
    let found = reward.rewards(&asked(&texts)).unwrap();
    let wanted = texts.iter().map(|(p, r)| raw(&format!("{p}{r}")));
    assert!(found.iter().map(|v| f64::from(*v)).eq(wanted));
    assert!(server.posted().len() > 63 + 3);
}

#[test]
fn a_second_first_token_is_refused_before_anything_is_sent() {
    let server = serve(&DIALECTS[0]);
    let texts = vec![("<|begin_of_text|>Hi".to_owned(), "there".to_owned())];
    let reward = open(&format!("vllm:{}", server.address)).unwrap();
    let before = server.posted().len();
    let said = reward.rewards(&asked(&texts)).unwrap_err().to_string();
    assert!(
        said.contains("`:bare`") && said.contains("<|begin_of_text|>"),
        "{said}"
    );
    assert_eq!(server.posted().len(), before);
    let bare = open(&format!("vllm:{}:bare", server.address)).unwrap();
    assert!(bare.rewards(&asked(&texts)).is_ok());
}

#[test]
fn rewards_in_the_unit_interval_leave_a_caveat() {
    let server = Server::start(|_, body| {
        let good = |t: &str| f64::from(u8::from(t.contains("\\boxed{5}")));
        ok(&reply("openrlhf", body, good))
    });
    let reward = open(&format!("openrlhf:{}", server.address)).unwrap();
    assert!(matches!(
        reward.caveat(),
        Some(Caveat::Unit {
            good: 1.0,
            bad: 0.0,
            ..
        })
    ));
    let unit = open(&format!("openrlhf:{}:unit", server.address)).unwrap();
    assert_eq!(unit.caveat(), None);
}

#[test]
fn the_key_is_sent_and_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "sk-SECRET-0123").unwrap();
    let key = || Some(Key::from_file(file.path()).unwrap());
    let server = serve(&DIALECTS[0]);
    let spec: RemoteRewardSpec = format!("vllm:{}", server.address).parse().unwrap();
    let reward = RemoteReward::open(&spec, key(), patience(), &Probe::default()).unwrap();
    assert!(
        server
            .seen()
            .iter()
            .all(|s| s.authorization.as_deref() == Some("Bearer sk-SECRET-0123"))
    );
    let shown = format!("{reward:?} {} {}", reward.name(), reward.identity());
    assert!(!shown.contains("SECRET"), "{shown}");
    // A server that repeats the key.
    let parrot =
        Server::start(|_, _| (400, json!({"error": "bad key sk-SECRET-0123"}).to_string()));
    let spec: RemoteRewardSpec = format!("vllm:{}", parrot.address).parse().unwrap();
    let error = RemoteReward::open(&spec, key(), patience(), &Probe::default()).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("bad key") && !shown.contains("SECRET"),
        "{shown}"
    );
}
