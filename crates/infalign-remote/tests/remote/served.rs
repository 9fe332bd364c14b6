//! Policies in the shapes of vLLM, SGLang, llama.cpp and a hosted service, recorded from their documentation and sources. Their text is a hash
//! of prompt and seed, and each of its words is a token.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use crate::server::{Act, Asked};

/// The seed of a response decides its text: each kind of server derives the seed of choice j in its own way.
pub(crate) fn words(prompt: &Value, seed: u64) -> Vec<u32> {
    (0..4)
        .map(|t| {
            let mut hasher = DefaultHasher::new();
            (prompt.to_string(), seed, t).hash(&mut hasher);
            (hasher.finish() % 50_000) as u32
        })
        .collect()
}

pub(crate) fn text_of(words: &[u32]) -> String {
    words.iter().map(|w| format!(" {w}")).collect()
}

/// In eighths, which are exact in binary and in decimal.
pub(crate) fn log_prob_of(word: u32) -> f64 {
    -f64::from(word % 97) / 8.0 - 0.125
}

fn prompt(asked: &Asked) -> Value {
    asked
        .body
        .get("prompt")
        .or_else(|| asked.body.get("messages"))
        .cloned()
        .unwrap_or_default()
}

fn choice(index: usize, chat: bool, words: &[u32], logprobs: &Value) -> Value {
    let mut choice = json!({"index": index, "finish_reason": "length", "logprobs": logprobs});
    if chat {
        choice["message"] = json!({"role": "assistant", "content": text_of(words)});
    } else {
        choice["text"] = json!(text_of(words));
    }
    choice
}

fn content(words: &[u32], ids: bool) -> Value {
    let entry = |w: &u32| {
        let mut entry = json!({"token": format!(" {w}"), "logprob": log_prob_of(*w), "bytes": [32], "top_logprobs": []});
        if ids {
            entry["id"] = json!(w);
        }
        entry
    };
    json!({"content": words.iter().map(entry).collect::<Vec<_>>()})
}

fn token_logprobs(words: &[u32]) -> Value {
    let log_probs: Vec<f64> = words.iter().map(|w| log_prob_of(*w)).collect();
    let tokens: Vec<String> = words.iter().map(|w| format!(" {w}")).collect();
    json!({"token_logprobs": log_probs, "tokens": tokens, "text_offset": [0, 1, 2, 3], "top_logprobs": null})
}

fn page(choices: &[Value]) -> Act {
    Act::Json(json!({
        "id": "cmpl-1", "object": "text_completion", "model": "tiny", "choices": choices,
        "usage": {"prompt_tokens": 3, "completion_tokens": 4 * choices.len(), "total_tokens": 3 + 4 * choices.len()},
    }))
}

fn models(owner: &str) -> Act {
    Act::Json(json!({"object": "list", "data": [
        {"id": "tiny", "object": "model", "owned_by": owner, "max_model_len": 2048},
    ]}))
}

pub(crate) fn not_found() -> Act {
    Act::Status(404, Vec::new(), json!({"detail": "Not Found"}).to_string())
}

fn is_chat(asked: &Asked) -> bool {
    asked.path == "/v1/chat/completions"
}

fn count(asked: &Asked) -> usize {
    asked.body.get("n").and_then(Value::as_u64).unwrap_or(1) as usize
}

fn seed(asked: &Asked) -> u64 {
    asked.body["seed"].as_u64().unwrap()
}

pub(crate) fn vllm(asked: &Asked) -> Act {
    match asked.path.as_str() {
        "/v1/models" => models("vllm"),
        "/version" => Act::Json(json!({"version": "0.33.0"})),
        "/tokenize" => {
            let special = asked.body["add_special_tokens"] == true
                || asked.body["add_generation_prompt"] == true;
            let text = asked.body["prompt"]
                .as_str()
                .or(asked.body["messages"][0]["content"].as_str())
                .unwrap();
            let tokens: Vec<u32> = special
                .then_some(1)
                .into_iter()
                .chain(text.bytes().map(u32::from))
                .collect();
            Act::Json(
                json!({"count": tokens.len(), "max_model_len": 2048, "tokens": tokens, "token_strs": null}),
            )
        }
        "/v1/completions" if asked.body.get("prompt_logprobs").is_some() => {
            let ids = asked.body["prompt"].as_array().unwrap();
            let rows: Vec<Value> = ids.iter().enumerate().map(|(at, id)| {
                let word = id.as_u64().unwrap() as u32;
                if at == 0 {
                    return Value::Null;
                }
                json!({word.to_string(): {"logprob": log_prob_of(word), "rank": 2, "decoded_token": "x"}, "60000": {"logprob": -0.01, "rank": 1}})
            }).collect();
            Act::Json(
                json!({"choices": [{"index": 0, "text": " a", "finish_reason": "length", "logprobs": null, "prompt_logprobs": rows}]}),
            )
        }
        "/v1/completions" | "/v1/chat/completions" => {
            let choices: Vec<Value> = (0..count(asked))
                .map(|j| {
                    let words = words(&prompt(asked), seed(asked) + j as u64);
                    let chat = is_chat(asked);
                    let logprobs = if chat {
                        content(&words, false)
                    } else {
                        token_logprobs(&words)
                    };
                    let mut choice = choice(j, chat, &words, &logprobs);
                    choice["token_ids"] = json!(words);
                    if asked.path == "/v1/completions"
                        && asked.body.get("return_token_ids").is_some()
                    {
                        choice["prompt_token_ids"] = json!([8, 9]);
                    }
                    choice
                })
                .collect();
            page(&choices)
        }
        _ => not_found(),
    }
}

pub(crate) fn sglang(asked: &Asked) -> Act {
    match asked.path.as_str() {
        "/v1/models" => models("sglang"),
        "/get_server_info" => Act::Json(json!({"version": "0.5.23", "model_path": "tiny"})),
        "/generate" => {
            let ids = asked.body["input_ids"].as_array().unwrap();
            let rows: Vec<Value> = ids
                .iter()
                .enumerate()
                .map(|(at, id)| {
                    let word = id.as_u64().unwrap() as u32;
                    json!([(at > 0).then(|| log_prob_of(word)), word, null])
                })
                .collect();
            Act::Json(
                json!({"text": "x", "meta_info": {"input_token_logprobs": rows, "finish_reason": {"type": "length", "length": 1}}}),
            )
        }
        _ => vllm(asked),
    }
}

pub(crate) fn llama_cpp(asked: &Asked) -> Act {
    match asked.path.as_str() {
        "/v1/models" => Act::Json(
            json!({"object": "list", "data": [{"id": "tiny", "owned_by": "llamacpp", "meta": {"n_ctx": 512}}]}),
        ),
        "/props" => Act::Json(json!({"build_info": "b8681-abc", "total_slots": 4})),
        "/v1/completions" | "/v1/chat/completions" => {
            assert!(asked.body["max_tokens"].is_u64());
            assert!(asked.body.get("n").is_none() && seed(asked) < 1 << 31);
            let words = words(&prompt(asked), seed(asked));
            page(&[choice(0, is_chat(asked), &words, &content(&words, true))])
        }
        _ => not_found(),
    }
}

pub(crate) fn hosted(asked: &Asked) -> Act {
    if !asked.headers.contains("authorization: bearer sk-") {
        return Act::Status(
            401,
            Vec::new(),
            json!({"error": {"message": "Incorrect API key provided: sk-secret."}}).to_string(),
        );
    }
    let known = [
        "model",
        "prompt",
        "messages",
        "n",
        "seed",
        "temperature",
        "top_p",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "logprobs",
    ];
    let fields = asked.body.as_object();
    if let Some(other) = fields
        .into_iter()
        .flatten()
        .find(|(name, _)| !known.contains(&name.as_str()))
    {
        return Act::Status(
            400,
            Vec::new(),
            json!({"error": {"message": format!("Unrecognized request argument: {}", other.0)}})
                .to_string(),
        );
    }
    match asked.path.as_str() {
        "/v1/models" => models("a-company"),
        // It takes n and gives one choice.
        "/v1/completions" | "/v1/chat/completions" => {
            let words = words(&prompt(asked), seed(asked));
            let logprobs = if is_chat(asked) {
                content(&words, false)
            } else {
                token_logprobs(&words)
            };
            page(&[choice(0, is_chat(asked), &words, &logprobs)])
        }
        _ => not_found(),
    }
}
