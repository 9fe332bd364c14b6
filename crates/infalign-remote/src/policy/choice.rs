//! What a reply to a request for completions holds: choices with their texts, tokens and log-probabilities, in the shapes that servers use.
//!
//! | field | read from |
//! |---|---|
//! | text | `text`; `message.content` (null beside reasoning: empty) |
//! | truncated | `finish_reason`: `length` yes; `stop`, `eos`, `eos_token`, `stop_sequence`, `tool_calls` no; anything else is no response |
//! | log-probabilities | `logprobs.token_logprobs`, or `logprobs.content[].logprob` |
//! | token ids | `token_ids`, or `logprobs.content[].id` |
//! | the prompt's token ids | `prompt_token_ids`, of the reply or its first choice |
//!
//! Where `usage` counts other tokens than are listed, the lists have gaps (llama.cpp leaves out tokens that end within a character or belong to a
//! stop text; hosted services hide reasoning). A sum over them would be no response's log-probability, so the lists are dropped.
//!
//! A choice whose index repeats or is out of range, a log-probability that is null, above 0 or not finite, lists of different lengths: the
//! reply is wrong as a whole; so is one of more tokens than were allowed, from a server that does not know the name of the limit.

use serde_json::Value;

use super::sample::RemoteResponse;

/// A log-probability above 0 by more than this is a mistake, not rounding.
const ROUNDING: f64 = 1e-3;

/// The choices of a reply by their index, and how many tokens the server counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choices {
    /// `(index, response)`, by ascending index; at least one, at most as many as were asked for.
    pub(super) all: Vec<(usize, RemoteResponse)>,
    /// Tokens of the responses, where the server counts them.
    pub(super) tokens: Option<u64>,
    /// The prompt's tokens, where the server tells them.
    pub(super) prompt_tokens: Option<Vec<u32>>,
}

/// Reads a reply to a request for `asked` choices of at most `length` tokens.
pub(super) fn read(reply: &Value, asked: usize, length: usize) -> Result<Choices, String> {
    let listed = reply
        .get("choices")
        .and_then(Value::as_array)
        .filter(|all| !all.is_empty())
        .ok_or("it has no `choices`")?;
    let mut all = Vec::with_capacity(listed.len());
    for (place, choice) in listed.iter().enumerate() {
        let index = match choice.get("index") {
            // Some gateways number none.
            None | Some(Value::Null) => place,
            Some(index) => index
                .as_u64()
                .and_then(|i| usize::try_from(i).ok())
                .ok_or("a choice's `index` is no number")?,
        };
        if index >= asked {
            return Err(format!("choice {index} where {asked} were asked for"));
        }
        let response = response(choice).map_err(|what| format!("choice {index}: {what}"))?;
        all.push((index, response));
    }
    all.sort_by_key(|(index, _)| *index);
    if let Some(twice) = all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("choice {} is there twice", twice[0].0));
    }
    let tokens = reply
        .pointer("/usage/completion_tokens")
        .and_then(Value::as_u64);
    let most = all.len().saturating_mul(length) as u64;
    if let Some(tokens) = tokens.filter(|tokens| *tokens > most) {
        return Err(format!(
            "{tokens} tokens where at most {most} were asked for: the server does not keep to the limit"
        ));
    }
    let listed: Option<usize> = all.iter().map(|(_, response)| response.listed()).sum();
    if tokens
        .zip(listed)
        .is_some_and(|(counted, listed)| counted != listed as u64)
    {
        for (_, response) in &mut all {
            response.token_ids = None;
            response.token_log_probs = None;
        }
    }
    Ok(Choices {
        all,
        tokens,
        prompt_tokens: match list(reply, "/prompt_token_ids")? {
            Some(ids) => Some(tokens_of(ids)?),
            None => list(reply, "/choices/0/prompt_token_ids")?
                .map(|ids| tokens_of(ids))
                .transpose()?,
        },
    })
}

pub(super) fn tokens_of(ids: &[Value]) -> Result<Vec<u32>, String> {
    ids.iter().map(token).collect()
}

fn response(choice: &Value) -> Result<RemoteResponse, String> {
    let truncated = match choice.get("finish_reason").and_then(Value::as_str) {
        Some("length") => true,
        Some("stop" | "eos" | "eos_token" | "stop_sequence" | "tool_calls") => false,
        Some(other) => {
            return Err(format!(
                "it ended by {:?}",
                other.chars().take(40).collect::<String>()
            ));
        }
        None => return Err("it has no `finish_reason`".to_owned()),
    };
    let content = list(choice, "/logprobs/content")?;
    let token_ids = match list(choice, "/token_ids")? {
        Some(ids) => Some(tokens_of(ids)?),
        None => content
            .filter(|entries| entries.iter().all(|entry| entry.get("id").is_some()))
            .map(|entries| entries.iter().map(|entry| token(&entry["id"])).collect())
            .transpose()?,
    };
    let log_probs: Option<Vec<f64>> = match (list(choice, "/logprobs/token_logprobs")?, content) {
        (Some(values), _) => Some(
            values
                .iter()
                .map(|v| log_prob(Some(v)))
                .collect::<Result<_, _>>()?,
        ),
        (None, Some(entries)) => Some(
            entries
                .iter()
                .map(|entry| log_prob(entry.get("logprob")))
                .collect::<Result<_, _>>()?,
        ),
        (None, None) => None,
    };
    if let (Some(ids), Some(log_probs)) = (&token_ids, &log_probs)
        && ids.len() != log_probs.len()
    {
        return Err(format!(
            "{} tokens, {} log-probabilities",
            ids.len(),
            log_probs.len()
        ));
    }
    Ok(RemoteResponse {
        text: text(choice)?,
        truncated,
        token_ids,
        token_log_probs: log_probs,
    })
}

fn text(choice: &Value) -> Result<String, String> {
    if let Some(text) = choice.get("text").and_then(Value::as_str) {
        return Ok(text.to_owned());
    }
    let message = choice
        .get("message")
        .ok_or("it has neither `text` nor `message`")?;
    match message.get("content") {
        Some(Value::String(text)) => Ok(text.clone()),
        // All of the response went into what a reasoning parser or a tool parser took out.
        None | Some(Value::Null)
            if ["reasoning", "reasoning_content", "tool_calls"]
                .iter()
                .any(|name| message.get(name).is_some_and(|v| !v.is_null())) =>
        {
            Ok(String::new())
        }
        _ => Err("its message has no `content`".to_owned()),
    }
}

pub(super) fn list<'v>(choice: &'v Value, at: &str) -> Result<Option<&'v Vec<Value>>, String> {
    match choice.pointer(at) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(all)) => Ok(Some(all)),
        Some(_) => Err(format!("`{at}` is no list")),
    }
}

fn token(value: &Value) -> Result<u32, String> {
    value
        .as_u64()
        .and_then(|id| u32::try_from(id).ok())
        .filter(|id| *id < 1 << 31)
        .ok_or_else(|| "a token's id is no number below 2³¹".to_owned())
}

/// A log-probability in nats; rounding above 0 is taken off.
pub(super) fn log_prob(value: Option<&Value>) -> Result<f64, String> {
    value
        .and_then(Value::as_f64)
        .filter(|v| v.is_finite() && *v <= ROUNDING)
        .map(|v| v.min(0.0))
        .ok_or_else(|| "a log-probability is null, positive or no number".to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "what the tests feed in is valid")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_limit_that_is_not_kept_is_noticed() {
        let reply = json!({"choices": [completion(&json!(0))], "usage": {"completion_tokens": 2}});
        assert!(read(&reply, 1, 2).is_ok());
        let error = read(&reply, 1, 1).unwrap_err();
        assert!(
            error.starts_with("2 tokens where at most 1 were asked for"),
            "{error}"
        );
    }

    #[test]
    fn lists_with_gaps_are_dropped_and_the_prompts_tokens_read() {
        let reply = |counted: u64| {
            let mut choice = completion(&json!(0));
            choice["prompt_token_ids"] = json!([1, 2]);
            read(
                &json!({"choices": [choice], "usage": {"completion_tokens": counted}}),
                1,
                9,
            )
            .unwrap()
        };
        let whole = reply(2);
        assert_eq!(whole.prompt_tokens, Some(vec![1, 2]));
        assert_eq!(whole.all[0].1.listed(), Some(2));
        let gaps = reply(3);
        assert_eq!(gaps.all[0].1.listed(), None);
        assert_eq!((gaps.all[0].1.log_prob(), gaps.tokens), (None, Some(3)));
    }

    fn completion(index: &Value) -> Value {
        json!({
            "index": index, "text": " is", "finish_reason": "length", "token_ids": [318, 5],
            "logprobs": {"token_logprobs": [-0.5, 1e-7], "tokens": [" is", ""], "text_offset": [0, 3], "top_logprobs": null},
        })
    }

    fn wrong(choice: &Value, asked: usize) -> String {
        read(&json!({"choices": [choice]}), asked, 9).unwrap_err()
    }

    #[test]
    fn completions_in_any_order() {
        let reply = json!({"choices": [completion(&json!(1)), completion(&json!(0))], "usage": {"completion_tokens": 4}});
        let choices = read(&reply, 2, 9).unwrap();
        assert_eq!(choices.tokens, Some(4));
        assert_eq!(choices.all.iter().map(|c| c.0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(
            choices.all[0].1,
            RemoteResponse {
                text: " is".into(),
                truncated: true,
                token_ids: Some(vec![318, 5]),
                token_log_probs: Some(vec![-0.5, 0.0]),
            }
        );
        assert_eq!(choices.all[0].1.log_prob(), Some(-0.5));
    }

    #[test]
    fn messages_with_and_without_ids() {
        let chat = |message: Value, logprobs: Value| json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}]});
        let said = json!({"role": "assistant", "content": "yes"});
        let with = json!({"content": [{"id": 7, "token": "yes", "logprob": -1.0, "bytes": [], "top_logprobs": []}]});
        let without = json!({"content": [{"token": "yes", "logprob": -1.0}]});
        let of = |reply: Value| read(&reply, 1, 9).unwrap().all.remove(0).1;
        let response = of(chat(said.clone(), with));
        assert_eq!(
            (response.token_ids, response.truncated),
            (Some(vec![7]), false)
        );
        let response = of(chat(said.clone(), without));
        assert_eq!(
            (response.token_ids, response.token_log_probs),
            (None, Some(vec![-1.0]))
        );
        let response = of(chat(said, Value::Null));
        assert_eq!((response.token_ids, response.token_log_probs), (None, None));
        let thought = json!({"role": "assistant", "content": null, "reasoning_content": "hm"});
        assert_eq!(of(chat(thought, Value::Null)).text, "");
        let nothing = json!({"role": "assistant", "content": null});
        assert!(
            read(&chat(nothing, Value::Null), 1, 9)
                .unwrap_err()
                .contains("no `content`")
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        let twice = json!({"choices": [completion(&json!(0)), completion(&json!(0))]});
        assert_eq!(read(&twice, 2, 9).unwrap_err(), "choice 0 is there twice");
        assert_eq!(
            wrong(&completion(&json!(1)), 1),
            "choice 1 where 1 were asked for"
        );
        assert_eq!(
            wrong(&completion(&json!("a")), 1),
            "a choice's `index` is no number"
        );
        for reply in [
            json!({}),
            json!([]),
            json!(null),
            json!({"choices": []}),
            json!({"choices": {}}),
        ] {
            assert_eq!(read(&reply, 1, 9).unwrap_err(), "it has no `choices`");
        }
        for (change, what) in [
            (json!({"finish_reason": null}), "no `finish_reason`"),
            (json!({"finish_reason": "abort"}), "ended by \"abort\""),
            (json!({"text": null}), "neither `text`"),
            (json!({"token_ids": [1]}), "1 tokens, 2 log-probabilities"),
            (json!({"token_ids": [1, -2]}), "no number below"),
            (
                json!({"token_ids": [1, 2_147_483_648_u64]}),
                "no number below",
            ),
            (json!({"token_ids": 3}), "no list"),
            (
                json!({"logprobs": {"token_logprobs": [null, -1.0]}}),
                "null, positive or no number",
            ),
            (
                json!({"logprobs": {"token_logprobs": [0.5, -1.0]}}),
                "null, positive or no number",
            ),
            (
                json!({"logprobs": {"token_logprobs": ["NaN", -1.0]}}),
                "null, positive or no number",
            ),
        ] {
            let mut choice = completion(&json!(0));
            for (name, value) in change.as_object().unwrap() {
                choice[name] = value.clone();
            }
            let text = wrong(&choice, 1);
            assert!(
                text.starts_with("choice 0: ") && text.contains(what),
                "{text}"
            );
            assert!(!text.contains(" is\""), "{text}");
        }
    }
}
