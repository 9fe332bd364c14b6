//! Bodies and replies in the recorded shapes, and hostile ones.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use infalign_data::Message;
use serde_json::json;

use super::*;

const ASKED: [Asked<'_>; 2] = [
    Asked {
        prompt_id: "p",
        prompt: "Two and three? ",
        messages: None,
        response: "Five.",
        answer: Some("5"),
    },
    Asked {
        prompt_id: "p",
        prompt: "Two and three? ",
        messages: None,
        response: "Six.",
        answer: None,
    },
];

fn dialect(name: &str) -> &'static Dialect {
    DIALECTS.iter().find(|d| d.name == name).unwrap()
}

fn body(name: &str, change: impl Fn(&mut Ask<'_>)) -> Value {
    let dialect = dialect(name);
    let mut ask = Ask {
        asked: &ASKED,
        dress: dialect.dresses[0],
        special: true,
        activation: false,
        model: None,
    };
    change(&mut ask);
    if ask.dress == Dress::Chat {
        ask.asked = &ask.asked[..1];
    }
    (dialect.body)(&ask)
}

#[test]
fn bodies_as_the_servers_take_them() {
    let texts = ["Two and three? Five.", "Two and three? Six."];
    let q = "Two and three? ";
    let (docs, qs) = (["Five.", "Six."], [q, q]);
    let plain = |_: &mut Ask<'_>| {};
    assert_eq!(
        body("vllm", plain),
        json!({"input": texts, "add_special_tokens": true, "use_activation": false})
    );
    assert_eq!(
        body("vllm", |a| (a.special, a.model) = (false, Some("org/rm"))),
        json!({"input": texts, "add_special_tokens": false, "use_activation": false, "model": "org/rm"})
    );
    let messages =
        json!([{"role": "user", "content": q}, {"role": "assistant", "content": "Five."}]);
    assert_eq!(
        body("vllm", |a| a.dress = Dress::Chat),
        json!({"messages": messages, "add_special_tokens": false, "use_activation": false})
    );
    assert_eq!(
        body("vllm-pooling", |a| a.activation = true),
        json!({"input": texts, "add_special_tokens": true, "use_activation": true, "task": "classify"})
    );
    assert_eq!(
        body("vllm-score", plain),
        json!({"queries": qs, "documents": docs, "use_activation": false})
    );
    assert_eq!(body("sglang", plain), json!({"text": texts}));
    assert_eq!(
        body("tei", plain),
        json!({"inputs": [[texts[0]], [texts[1]]], "raw_scores": true})
    );
    assert_eq!(
        body("tei", |a| (a.dress, a.activation) = (Dress::Pair, true)),
        json!({"inputs": [[q, "Five."], [q, "Six."]], "raw_scores": false})
    );
    assert_eq!(
        body("llama.cpp", plain),
        json!({"query": q, "documents": docs})
    );
    assert_eq!(
        body("openrlhf", plain),
        json!({"query": texts, "prompts": qs, "labels": ["5", null]})
    );
    assert_eq!(
        body("llamafactory", plain),
        json!({"model": "model", "messages": texts})
    );
}

#[test]
fn replies_as_the_servers_give_them() {
    let classify = json!({"id": "classify-1", "object": "list", "created": 1, "model": "rm", "data": [
        {"index": 1, "label": "LABEL_0", "probs": [-11.25], "num_classes": 1},
        {"index": 0, "label": "LABEL_0", "probs": [3.5], "num_classes": 1}], "usage": {}});
    let pooling = json!({"object": "list", "data": [
        {"index": 0, "object": "pooling", "data": [3.5]}, {"index": 1, "object": "pooling", "data": [-11.25]}]});
    let score = json!({"object": "list", "data": [
        {"index": 0, "object": "score", "score": 3.5}, {"index": 1, "object": "score", "score": -11.25}]});
    let sglang = json!([
        {"embedding": [3.5], "meta_info": {"id": "a", "prompt_tokens": 4}},
        {"embedding": [-11.25], "meta_info": {"id": "b", "prompt_tokens": 4}}]);
    let tei =
        json!([[{"score": 3.5, "label": "LABEL_0"}], [{"score": -11.25, "label": "LABEL_0"}]]);
    let rerank = json!({"model": "rm", "object": "list", "usage": {}, "results": [
        {"index": 1, "relevance_score": -11.25}, {"index": 0, "relevance_score": 3.5}]});
    let get_reward = json!({"rewards": [3.5, -11.25], "scores": [1, 0], "extra_logs": {}});
    let scores = json!({"id": "scoreval-1", "object": "score.evaluation", "model": "model", "scores": [3.5, -11.25]});
    for (name, reply) in [
        ("vllm", classify),
        ("vllm-pooling", pooling),
        ("vllm-score", score),
        ("sglang", sglang),
        ("tei", tei),
        ("llama.cpp", rerank),
        ("openrlhf", get_reward),
        ("llamafactory", scores),
    ] {
        assert_eq!(
            (dialect(name).read)(&reply, 2).unwrap(),
            [3.5, -11.25],
            "{name}"
        );
        for n in [1, 3] {
            let said = (dialect(name).read)(&reply, n).unwrap_err();
            assert!(said.contains("holds 2"), "{name}: {said}");
        }
        let said = (dialect(name).read)(&json!({"detail": "SECRET"}), 2).unwrap_err();
        assert!(
            said.contains("`detail`") && !said.contains("SECRET"),
            "{name}: {said}"
        );
    }
}

#[test]
fn hostile_replies_have_named_faults() {
    let data = |entries: Value| json!({ "data": entries });
    let results = |entries: Value| json!({ "results": entries });
    for (name, reply, named) in [
        (
            "vllm",
            data(json!([{"index": 0, "probs": [1.0]}, {"index": 0, "probs": [1.0]}])),
            "index 0 stands twice",
        ),
        (
            "vllm",
            data(json!([{"index": 0, "probs": [1.0]}, {"index": 2, "probs": [1.0]}])),
            "index 2",
        ),
        (
            "vllm",
            data(json!([{"index": 0, "probs": [1.0]}, {"index": -1, "probs": [1.0]}])),
            "index -1",
        ),
        (
            "vllm",
            data(json!([{"index": 0, "probs": [1.0]}, {"probs": [1.0]}])),
            "no `index`",
        ),
        (
            "vllm",
            data(json!([{"index": 0, "probs": [0.1, 0.9]}, {"index": 1, "probs": [0.1, 0.9]}])),
            "2 numbers",
        ),
        (
            "vllm",
            data(json!([{"index": 0, "probs": []}, {"index": 1, "probs": []}])),
            "0 numbers",
        ),
        (
            "vllm",
            data(json!([{"index": 0, "probs": [null]}, {"index": 1, "probs": [1]}])),
            "null",
        ),
        (
            "vllm-pooling",
            data(json!([{"index": 0, "data": [[1.0], [2.0]]}, {"index": 1, "data": [[1.0]]}])),
            "task",
        ),
        (
            "vllm-score",
            data(json!([{"index": 0, "score": "NaN"}, {"index": 1, "score": 1}])),
            "NaN",
        ),
        (
            "vllm-score",
            data(json!([{"index": 0, "score": 1e300}, {"index": 1, "score": 1}])),
            "1e+300",
        ),
        (
            "sglang",
            json!([{"embedding": [1.0]}, {"embedding": null}]),
            "null",
        ),
        (
            "sglang",
            json!([{"embedding": [0.1, 0.2, 0.3]}, {"embedding": [0.1, 0.2, 0.3]}]),
            "3 numbers",
        ),
        (
            "tei",
            json!([[{"score": 0.9, "label": "A"}, {"score": 0.1, "label": "B"}], []]),
            "2 labels",
        ),
        (
            "tei",
            json!([[{"score": null, "label": "A"}], [{"score": 1, "label": "A"}]]),
            "null",
        ),
        (
            "llama.cpp",
            results(
                json!([{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": -1e6}]),
            ),
            "failed",
        ),
        (
            "llama.cpp",
            results(json!([{"index": 0, "relevance_score": 1}, {"index": 1}])),
            "null",
        ),
        ("openrlhf", json!({"rewards": [0.5, "x"]}), "a text"),
        ("openrlhf", json!({"scores": [0.5, 1]}), "`rewards`"),
        ("llamafactory", json!({"scores": {"a": 1}}), "`scores`"),
    ] {
        let said = (dialect(name).read)(&reply, 2).unwrap_err();
        assert!(said.contains(named), "{name}: {said} (wanted {named})");
    }
}

#[test]
fn conversations_in_the_shape_that_each_server_takes() {
    let turn = |role: &str, content: &str| Message {
        role: role.to_owned(),
        content: content.to_owned(),
    };
    let all = [
        turn("system", "Add."),
        turn("user", "2+3?"),
        turn("assistant", "6"),
        turn("user", "Sure?"),
    ];
    let asked = [Asked {
        prompt: "as the template wrote it: ",
        messages: Some(&all),
        ..ASKED[0]
    }];
    let body = |name: &str, dress| {
        let dialect = dialect(name);
        let ask = Ask {
            asked: &asked,
            dress,
            special: true,
            activation: false,
            model: None,
        };
        (dialect.body)(&ask)
    };
    let messages = json!([
        {"role": "system", "content": "Add."}, {"role": "user", "content": "2+3?"},
        {"role": "assistant", "content": "6"}, {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Five."},
    ]);
    for name in ["vllm", "vllm-pooling"] {
        assert_eq!(body(name, Dress::Chat)["messages"], messages);
        assert_eq!(
            body(name, Dress::Raw)["input"],
            json!(["as the template wrote it: Five."])
        );
    }
    let told = "System: Add.\n\nUser: 2+3?\n\nAssistant: 6\n\nUser: Sure?";
    assert_eq!(body("vllm-score", Dress::Pair)["queries"], json!([told]));
    assert_eq!(body("tei", Dress::Pair)["inputs"], json!([[told, "Five."]]));
    assert_eq!(body("llama.cpp", Dress::Pair)["query"], json!(told));
    assert_eq!(
        body("openrlhf", Dress::Raw)["prompts"],
        json!(["as the template wrote it: "])
    );
}

#[test]
fn batches_keep_order_and_bounds() {
    let of = |prompts: &[&'static str], name: &str, dress, most| {
        let asked: Vec<_> = prompts
            .iter()
            .map(|&prompt| Asked { prompt, ..ASKED[0] })
            .collect();
        dialect(name).batches(&asked, dress, most)
    };
    let prompts = ["a", "a", "b", "a"];
    assert_eq!(of(&prompts, "vllm", Dress::Raw, 3), [0..3, 3..4]);
    assert_eq!(of(&prompts, "vllm", Dress::Raw, 0).len(), 4);
    assert_eq!(of(&prompts, "vllm", Dress::Chat, 3).len(), 4);
    assert_eq!(
        of(&prompts, "llama.cpp", Dress::Pair, 9),
        [0..2, 2..3, 3..4]
    );
    assert_eq!(
        of(&["a"; 70], "tei", Dress::Raw, usize::MAX),
        [0..32, 32..64, 64..70]
    );
    assert_eq!(of(&[], "vllm", Dress::Raw, 3), []);
}
