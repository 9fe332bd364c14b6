//! Every route, asked as its clients ask.

use std::sync::Arc;

use crate::server::{Answer, Counting, Length, Server, guarded, parts, prompts, settings, table};
use infalign::transform::Exp;
use infalign_data::Turns;
use infalign_serve::{Labels, Parts, Settings, Unknown};
use serde_json::{Value, json};

/// Φ(Ĉ) for exp:10 at a quantile.
fn phi(u: f64) -> f64 {
    let exp = Exp::new(10.0).unwrap();
    infalign::transform::reward(&exp, u, 4)
}

fn exp(settings: Settings) -> Settings {
    Settings {
        transform: Some(Arc::new(Exp::new(10.0).unwrap())),
        ..settings
    }
}

#[test]
fn openrlhf_asks_one_sample_at_a_time() {
    let server = Server::start(exp(settings()), parts());
    let ask = |query: &str, prompt: &str, label: Value| {
        server.post(
            "/get_reward",
            &json!({"query": [query], "prompts": [prompt], "labels": [label]}),
        )
    };
    // Length 1 among 0, 1, 2, 3: mid-rank 3/8.
    let want = json!({
        "rewards": [phi(0.375)], "scores": [0.375],
        "extra_logs": {"raw": [1.0], "calibrated": [0.375], "transformed": [phi(0.375)]},
    });
    let templated = "<|user|>Say:<|assistant|>";
    let query = format!("{templated}a<|im_end|>\n<|endoftext|>");
    assert_eq!(ask(&query, templated, json!("p1")).json(), want);
    assert_eq!(
        ask(&query, templated, json!("{\"prompt_id\": \"p1\"}")).json(),
        want
    );
    // Without a label, by the text that the file knows.
    let text = "prompt 2 of the file";
    assert_eq!(ask(&format!("{text}a"), text, json!("")).json(), want);
    let unknown = ask("what?a", "what?", json!(""));
    assert_eq!(unknown.fault(), (422, "unknown_prompt".into()));
    assert!(!unknown.body.contains("what?"), "{}", unknown.body);
    let unknown = ask("what?a", "what?", json!("p77"));
    assert!(
        unknown
            .body
            .contains("prompt `p77` is not among the 3 calibrated"),
        "{}",
        unknown.body
    );
    assert_eq!(
        ask("off?a", "cut off?", json!("p1")).fault(),
        (422, "prompt_not_found".into())
    );
    let uneven = json!({"query": ["a", "b"], "prompts": ["a"]});
    assert_eq!(
        server.post("/get_reward", &uneven).fault(),
        (422, "bad_value".into())
    );
    // Older clients send queries alone.
    let alone = server.post("/get_reward", &json!({"query": [format!("{text}a")]}));
    assert_eq!(alone.json(), want);
    server.stop().unwrap();
}

#[test]
fn labels_may_be_answers_and_the_files_prompt_is_read() {
    let length = Length::default();
    let asked = Arc::clone(&length.asked);
    let parts = Parts {
        reward: Some(Box::new(|| Ok(Box::new(length)))),
        ..parts()
    };
    let settings = Settings {
        labels: Labels::Answer,
        ..settings()
    };
    let server = Server::start(settings, parts);
    let text = "prompt 0 of the file";
    let body = json!({
        "query": [format!("{text}42"), "<t>0</t>42"], "prompts": [text, "<t>0</t>"],
        "labels": ["42", {"prompt_id": "p0", "answer": 7}],
    });
    assert_eq!(server.post("/get_reward", &body).status, 200);
    let asked = asked.lock().unwrap();
    assert_eq!(
        (&*asked[0].prompt_id, asked[0].answer.as_deref()),
        ("p0", Some("42"))
    );
    assert_eq!(
        (&*asked[1].prompt_id, asked[1].answer.as_deref()),
        ("p0", Some("7"))
    );
    assert_eq!(*asked[1].prompt, Turns::Text(text.into()));
    assert_eq!(asked[1].response, "42");
}

#[test]
fn verl_asks_vllm_and_sglang() {
    let settings = Settings {
        conversation: Some("<u>{prompt}</u><a>".parse().unwrap()),
        ..exp(settings())
    };
    let server = Server::start(settings, parts());
    let text = "<u>prompt 1 of the file</u><a>xx<|im_end|>\n";
    let vllm = json!({"model": "m", "input": text, "use_activation": false});
    let answer = server.post("/classify", &vllm).json();
    assert_eq!(answer["data"][0]["probs"], json!([phi(0.625)]));
    assert_eq!(
        (&answer["model"], &answer["data"][0]["num_classes"]),
        (&json!("m"), &json!(1))
    );
    let sglang = json!({"model": "m", "input": [text, text]});
    let answer = server.post("/v1/embeddings", &sglang).json();
    assert_eq!(answer["data"][1]["embedding"], json!([phi(0.625)]));
    let messages = json!({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "x"}]});
    assert_eq!(
        server.post("/classify", &messages).fault(),
        (422, "unknown_prompt".into())
    );
    for (body, code) in [
        (
            json!({"input": "neither", "use_activation": false}),
            "prompt_not_found",
        ),
        (json!({"input": text, "use_activation": true}), "bad_value"),
        (json!({}), "bad_value"),
        (
            json!({"messages": [{"role": "user", "content": "?"}]}),
            "bad_value",
        ),
    ] {
        assert_eq!(server.post("/classify", &body).fault(), (422, code.into()));
    }
}

#[test]
fn rewards_of_ids_texts_messages_and_raw_rewards() {
    let server = Server::start(exp(settings()), parts());
    let raw = json!({"prompt_ids": ["p0", "p1", "p2"], "raw": [2.0, -1, 9.5]});
    let want = json!({"raw": [2.0, -1.0, 9.5], "calibrated": [0.625, 0.0, 1.0],
        "transformed": [phi(0.625), phi(0.0), phi(1.0)]});
    assert_eq!(server.post("/v1/rewards", &raw).json(), want);
    let by_id = json!({"prompt_ids": ["p0"], "responses": ["ab</s>"]});
    assert_eq!(
        server.post("/v1/rewards", &by_id).json()["raw"],
        json!([6.0])
    );
    let by_text = json!({"prompts": ["prompt 1 of the file"], "responses": [""]});
    assert_eq!(
        server.post("/v1/rewards", &by_text).json()["calibrated"],
        json!([0.125])
    );
    for (body, status, code) in [
        (json!({"prompt_ids": ["p0"]}), 422, "bad_value"),
        (json!({"responses": ["a"]}), 422, "bad_value"),
        (
            json!({"prompt_ids": ["p0", "p1"], "raw": [1]}),
            422,
            "bad_value",
        ),
        (
            json!({"prompt_ids": ["p0"], "raw": [1e300]}),
            422,
            "bad_value",
        ),
        (json!({"prompt_ids": ["p0"], "raw": ["x"]}), 400, "bad_json"),
        (
            json!({"prompt_ids": ["p0"], "raw": [1], "url": "http://x"}),
            400,
            "bad_json",
        ),
        (json!({"prompts": [[]], "raw": [1]}), 422, "bad_value"),
        (
            json!({"prompt_ids": ["p9"], "raw": [1]}),
            422,
            "unknown_prompt",
        ),
        (
            json!({"prompt_ids": ["p0"], "responses": ["refused"]}),
            502,
            "reward_failed",
        ),
        (
            json!({"prompt_ids": vec!["p0"; 5000], "raw": vec![1; 5000]}),
            422,
            "too_many_items",
        ),
    ] {
        assert_eq!(
            server.post("/v1/rewards", &body).fault(),
            (status, code.into()),
            "{body}"
        );
    }
}

#[test]
fn without_a_reward_clients_bring_raw_rewards() {
    let parts = Parts {
        calibration: Some(table(1)),
        ..Parts::default()
    };
    let server = Server::start(settings(), parts);
    let raw = json!({"prompt_ids": ["p0"], "raw": [2.0]});
    assert_eq!(server.post("/v1/rewards", &raw).status, 200);
    let response = json!({"prompts": ["p0"], "responses": ["x"]});
    assert_eq!(
        server.post("/v1/rewards", &response).fault(),
        (422, "no_reward".into())
    );
    assert_eq!(
        server.get("/readyz").json(),
        json!({"status": "ready", "reward": null})
    );
}

#[test]
fn unknown_prompts_are_pooled_where_told() {
    let parts = Parts {
        unknown: Unknown::Pooled,
        ..parts()
    };
    let server = Server::start(settings(), parts);
    let body = json!({"prompts": ["never seen"], "responses": ["ab"]});
    assert_eq!(
        server.post("/v1/rewards", &body).json()["calibrated"],
        json!([0.625])
    );
    assert!(
        server
            .get("/metrics")
            .body
            .contains("infalign_unknown_prompts_total{handled=\"pooled\"} 1")
    );
}

#[test]
fn concurrent_askers_of_an_unknown_prompt_share_one_rollout() {
    let counting = Counting::default();
    let rolled = Arc::clone(&counting.0);
    let parts = Parts {
        unknown: Unknown::Rollout {
            k: 4,
            seed: 1,
            roller: Box::new(|| Ok(Box::new(counting))),
        },
        ..parts()
    };
    let server = Server::start(settings(), parts);
    let ask = |prompt: &str| {
        server.post(
            "/v1/rewards",
            &json!({"prompts": [prompt, prompt], "responses": ["ab", "a"]}),
        )
    };
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..16).map(|_| scope.spawn(|| ask("new").json())).collect();
        // Somebody who goes away takes nothing with them.
        drop(server.connect());
        for asker in askers {
            assert_eq!(asker.join().unwrap()["calibrated"], json!([0.625, 0.375]));
        }
    });
    assert_eq!(*rolled.lock().unwrap(), ["new"]);
    assert_eq!(ask("new").status, 200);
    assert_eq!(rolled.lock().unwrap().len(), 1);
    assert_eq!(ask("unanswerable").fault(), (502, "rollout_failed".into()));
    let nameless = json!({"prompt_ids": ["no text"], "responses": ["x"]});
    assert_eq!(
        server.post("/v1/rewards", &nameless).fault(),
        (422, "no_prompt_text".into())
    );
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.contains("infalign_rollouts_total 2")
            && metrics.contains("infalign_prompts{source=\"rollouts\"} 1"),
        "{metrics}"
    );
    let listed = server.get("/v1/calibrations?from=3").json();
    assert_eq!(
        listed["calibrations"],
        json!([{"prompt_id": "new", "k": 4, "source": "rollouts"}])
    );
}

#[test]
fn calibrations_and_the_transform_change_for_those_with_a_token() {
    let open = Server::start(settings(), parts());
    let added = json!({"prompts": ["new prompt"], "rewards": [[0.0, 4.0, 2.0, 2.0]]});
    let put = |server: &Server, body: Value| -> Answer {
        server.send("PUT", "/v1/transform", body.to_string().as_bytes())
    };
    assert_eq!(
        open.post("/v1/calibrations", &added).fault(),
        (403, "not_changeable".into())
    );
    assert_eq!(
        put(&open, json!({"transform": "log"})).fault(),
        (403, "not_changeable".into())
    );

    let server = Server::start(guarded(), parts());
    assert_eq!(
        server.post("/v1/calibrations", &added).json(),
        json!({"prompts": 1, "rewards": 4})
    );
    let asked = json!({"prompts": ["new prompt"], "responses": ["ab"]});
    assert_eq!(
        server.post("/v1/rewards", &asked).json()["transformed"],
        json!([0.5])
    );
    assert_eq!(
        server.post("/v1/calibrations", &added).fault(),
        (409, "already_calibrated".into())
    );
    let listed = server.get("/v1/calibrations?from=2&limit=5").json();
    assert_eq!(
        (&listed["table"]["prompts"], &listed["added"]["rewards"]),
        (&json!(3), &json!(4))
    );
    assert_eq!(
        listed["calibrations"][1],
        json!({"prompt_id": "new prompt", "k": 4, "source": "added"})
    );
    assert_eq!(
        server.get("/v1/calibrations?from=x").fault(),
        (422, "bad_value".into())
    );

    let shown = put(
        &server,
        json!({"transform": "exp:10", "procedure": "best-of:4"}),
    )
    .json();
    assert_eq!(
        shown,
        json!({"transform": "exp:10", "procedure": "best-of:4", "kl": null, "rule": "mid-rank"})
    );
    assert_eq!(server.get("/v1/transform").json(), shown);
    assert_eq!(
        server.post("/v1/rewards", &asked).json()["transformed"],
        json!([phi(0.5)])
    );
    for body in [
        json!({"transform": "table:/etc/passwd"}),
        json!({"transform": "log", "procedure": "cdf:x"}),
        json!({"transform": "exp"}),
    ] {
        assert_eq!(put(&server, body).fault(), (422, "bad_value".into()));
    }
    assert_eq!(server.get("/v1/transform").json(), shown);
    let raw = put(&server, json!({"transform": "raw"})).json();
    assert_eq!(raw["transform"], json!("raw"));
    let rewards = server.post("/v1/rewards", &asked).json();
    assert_eq!(rewards["transformed"], rewards["raw"]);
    let optimal = json!({"transform": "optimal", "procedure": "best-of:2", "kl": 0.5});
    assert_eq!(put(&server, optimal).json()["kl"], json!(0.5));
}

#[test]
fn prompts_without_a_file_are_known_by_their_ids() {
    let parts = Parts {
        prompts: Vec::new(),
        ..parts()
    };
    let server = Server::start(settings(), parts);
    let answer = server.post("/classify", &json!({"input": "p2xx"})).json();
    assert_eq!(answer["data"][0]["probs"], json!([0.625]));
    drop(server);
    assert_eq!(prompts(1)[0].id, "p0");
}
