//! What reward servers are asked and answer: one dialect to a file, and the registry.

mod llama_cpp;
mod llama_factory;
mod openrlhf;
mod sglang;
mod tei;
mod vllm;
mod vllm_pooling;
mod vllm_score;

use std::{fmt, ops::Range};

use serde_json::Value;

use super::Asked;

/// All dialects.
pub const DIALECTS: &[Dialect] = &[
    vllm::DIALECT,
    vllm_pooling::DIALECT,
    vllm_score::DIALECT,
    sglang::DIALECT,
    tei::DIALECT,
    llama_cpp::DIALECT,
    openrlhf::DIALECT,
    llama_factory::DIALECT,
];

/// How prompt and response are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dress {
    /// As one text, the response right after the prompt.
    Raw,
    /// As two messages, which the server puts through the model's chat template.
    Chat,
    /// As two texts, which the server joins as its model wants them.
    Pair,
}

impl Dress {
    /// The word that asks for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Chat => "chat",
            Self::Pair => "pair",
        }
    }
}

/// One kind of server: what it is asked, and how its answer is read.
pub struct Dialect {
    /// The word before the address.
    pub name: &'static str,
    /// What is posted to, below the address.
    pub path: &'static str,
    /// A text that parses.
    pub example: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// A command that starts such a server.
    pub start: &'static str,
    /// What it takes; the first is used unless another is asked for.
    pub dresses: &'static [Dress],
    /// Responses in one request at most.
    pub most: usize,
    /// Whether a request can say that texts already hold their special tokens.
    pub bare: bool,
    /// Whether the responses of one request share their prompt.
    pub one_prompt: bool,
    /// Whether a request can turn the activation on and off.
    pub switch: bool,
    /// Whether the numbers come out of a model, so that exactly 0 or 1 is the mark of an activation. A rule may well answer 0 and 1.
    pub model: bool,
    /// What turns an activation off that a request cannot.
    pub unsaturate: &'static str,
    /// The page and the place in it where the server names its model.
    pub(super) served: Option<(&'static str, &'static str)>,
    pub(super) body: fn(&Ask<'_>) -> Value,
    pub(super) read: fn(&Value, usize) -> Result<Vec<f32>, String>,
}

/// One request, before it has a form.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) asked: &'a [Asked<'a>],
    pub(super) dress: Dress,
    /// Whether the server puts special tokens around the text.
    pub(super) special: bool,
    /// Whether the server applies its activation: only ever in the probe.
    pub(super) activation: bool,
    pub(super) model: Option<&'a str>,
}

impl Ask<'_> {
    /// Prompt and response as one text each.
    fn texts(&self) -> Vec<String> {
        let text = |a: &Asked<'_>| format!("{}{}", a.prompt, a.response);
        self.asked.iter().map(text).collect()
    }

    fn prompts(&self) -> Vec<&str> {
        self.asked.iter().map(|a| a.prompt).collect()
    }

    fn responses(&self) -> Vec<&str> {
        self.asked.iter().map(|a| a.response).collect()
    }

    /// With the model's name, where there is one.
    fn named(&self, mut body: Value) -> Value {
        if let (Some(model), Some(fields)) = (self.model, body.as_object_mut()) {
            fields.insert("model".to_owned(), model.into());
        }
        body
    }
}

impl Dialect {
    /// What of `asked` goes together, in order: at most `most` (and what the dialect bears) in one request.
    pub(super) fn batches(
        &self,
        asked: &[Asked<'_>],
        dress: Dress,
        most: usize,
    ) -> Vec<Range<usize>> {
        // A conversation fills a request.
        let most = if dress == Dress::Chat {
            1
        } else {
            most.clamp(1, self.most)
        };
        let mut batches: Vec<Range<usize>> = Vec::new();
        for (row, a) in asked.iter().enumerate() {
            match batches.last_mut() {
                Some(batch)
                    if batch.len() < most
                        && (!self.one_prompt || asked[batch.start].prompt == a.prompt) =>
                {
                    batch.end = row + 1;
                }
                _ => batches.push(row..row + 1),
            }
        }
        batches
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Dialect {}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use serde_json::json;

    use super::*;

    const ASKED: [Asked<'_>; 2] = [
        Asked {
            prompt_id: "p",
            prompt: "Two and three? ",
            response: "Five.",
            answer: Some("5"),
        },
        Asked {
            prompt_id: "p",
            prompt: "Two and three? ",
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
}
