//! Messages about a reply, cut to a line, without the key and without what was sent.
//!
//! Servers repeat what they complain about: validators quote the field, gateways the header. So every run of [`SHARED`] characters that the
//! message has in common with a text of the request is taken out, and so is a whole text of the request from [`SHORTEST`] characters on. What
//! stands under `model` may be said.

use serde_json::Value;

/// Runs in common of this many characters are taken out.
const SHARED: usize = 16;
/// Texts of fewer characters are words that any message may have.
const SHORTEST: usize = 5;
/// The most characters of a message.
const LONGEST: usize = 240;
/// What is looked at of a message: a server may say megabytes, and each place is looked up in what was sent.
const LOOKED_AT: usize = 512;
const GAP: &str = "[…]";

/// What the body of a refusal says, where it says anything.
pub(crate) fn message(reply: &[u8], key: Option<&str>, sent: Option<&Value>) -> String {
    let found = serde_json::from_slice::<Value>(reply).map_or_else(
        |_| String::from_utf8_lossy(&reply[..reply.len().min(LOOKED_AT)]).into_owned(),
        |value| spoken(&value),
    );
    cleaned(&found, key, sent)
}

/// A message on one line, without the key and what was sent.
pub(crate) fn cleaned(message: &str, key: Option<&str>, sent: Option<&Value>) -> String {
    let text: String = message.chars().take(LOOKED_AT).collect();
    let mut text = match key {
        Some(key) => without(&text.replace(key, GAP), key),
        None => text,
    };
    if let Some(sent) = sent {
        let mut texts = Vec::new();
        gather(sent, &mut texts);
        for sent in texts {
            text = without(&text, &sent);
        }
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        line
    } else {
        line.chars().take(LONGEST - 1).chain(['…']).collect()
    }
}

/// The message of the shapes that servers use: `{"error": {"message"}}`, `{"error"}`, `{"message"}`, `{"detail"}`, a validator's list.
fn spoken(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(spoken).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => ["error", "message", "detail", "msg"]
            .iter()
            .find_map(|name| fields.get(*name).filter(|v| !v.is_null()))
            .map(spoken)
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// The texts of a request, plain and as JSON escapes them; lists of numbers, which may be a prompt's tokens.
fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            texts.push(text.clone());
            let escaped = value.to_string();
            texts.push(escaped.trim_matches('"').to_owned());
        }
        Value::Array(all) if all.iter().all(Value::is_number) => {
            let numbers: Vec<String> = all.iter().map(Value::to_string).collect();
            texts.extend([",", ", "].map(|between| numbers.join(between)));
        }
        Value::Array(all) => all.iter().for_each(|v| gather(v, texts)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "model" && *name != "role")
            .for_each(|(_, v)| gather(v, texts)),
        _ => (),
    }
}

fn without(text: &str, sent: &str) -> String {
    let sent = sent.trim();
    if sent.chars().count() < SHORTEST {
        return text.to_owned();
    }
    let text = text.replace(sent, GAP);
    let starts: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    let mut shared = vec![false; starts.len() - 1];
    for (first, window) in starts.windows(SHARED + 1).enumerate() {
        if sent.contains(&text[window[0]..window[SHARED]]) {
            shared[first..first + SHARED].fill(true);
        }
    }
    let mut out = String::new();
    for (c, shared_before) in text
        .chars()
        .zip(&shared)
        .zip([&false].into_iter().chain(&shared))
    {
        match (c, shared_before) {
            ((_, true), true) => (),
            ((_, true), false) => out.push_str(GAP),
            ((c, false), _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shapes_of_servers() {
        let at = |v: Value| message(v.to_string().as_bytes(), None, None);
        assert_eq!(at(json!({"error": {"message": "a\n b", "code": 4}})), "a b");
        assert_eq!(at(json!({"error": "a"})), "a");
        assert_eq!(at(json!({"object": "error", "message": "a"})), "a");
        let validator =
            json!({"detail": [{"loc": ["body", "n"], "msg": "too many", "input": "secret"}]});
        assert_eq!(at(validator), "too many");
        assert_eq!(message(b"<html>no</html>", None, None), "<html>no</html>");
        assert_eq!(message(b"\xff\xfe", None, None).chars().count(), 2);
        assert_eq!(at(json!("x".repeat(9999))).chars().count(), LONGEST);
        assert_eq!(at(json!({"other": 1})), "");
    }

    #[test]
    fn neither_escapes_nor_tokens_are_repeated() {
        let sent =
            json!({"prompt": "a\nb\nc\nd\ne\nf\ng\nh", "ids": [101, 2023, 2003, 1037, 3231]});
        let say = |text: &str| cleaned(text, None, Some(&sent));
        assert_eq!(say(r"no a\nb\nc\nd\ne\nf\ng\nh"), "no […]");
        assert_eq!(say("no [101, 2023, 2003, 1037, 3231]"), "no [[…]]");
        assert_eq!(say("no [101,2023,2003,1037,3231]"), "no [[…]]");
        assert_eq!(say("the limit is 2048 tokens"), "the limit is 2048 tokens");
    }

    #[test]
    fn neither_key_nor_prompt_is_repeated() {
        let prompt = "The patient, born 1950, has a rare disease.";
        let sent = json!({"model": "a-model-of-some-length", "prompt": prompt, "messages": [{"role": "user", "content": "Hello"}]});
        let reply = json!({"error": {"message": format!(
            "the model `a-model-of-some-length` (key sk-123) cannot take {prompt:?} nor 'born 1950, has a rare' nor Hello"
        )}});
        let text = message(reply.to_string().as_bytes(), Some("sk-123"), Some(&sent));
        assert_eq!(
            text,
            "the model `a-model-of-some-length` (key […]) cannot take \"[…]\" nor '[…]' nor […]"
        );
    }
}
