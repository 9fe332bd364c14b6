//! Prompts and ids as clients write them, and the key of a prompt that has no id: its text, or compact JSON of its messages.

use std::sync::Arc;

use infalign_data::{Message, Turns};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A text, or messages.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a prompt: a text, or a list of messages with `role` and `content`"
)]
pub(crate) enum Prompt {
    /// As it stands.
    Text(String),
    /// Turns of a conversation.
    Messages(Vec<Turn>),
}

/// A turn of a conversation; further fields are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) content: Content,
}

/// What is said in a turn.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "content: a text, or a list of parts")]
pub(crate) enum Content {
    /// A text.
    Text(String),
    /// `{"type": "text", "text": …}`, end to end; pictures and the like are refused.
    Parts(Vec<Value>),
}

impl Content {
    /// The text; `None` where a part is none.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Parts(parts) => parts
                .iter()
                .map(|part| part.get("text")?.as_str())
                .collect(),
        }
    }
}

/// A prompt with the key by which it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub(crate) key: Arc<str>,
    pub(crate) turns: Arc<Turns>,
}

impl Keyed {
    pub(crate) fn text(text: &str) -> Self {
        Self {
            key: text.into(),
            turns: Arc::new(Turns::Text(text.to_owned())),
        }
    }
}

impl Prompt {
    /// `None` for messages with parts that are no texts, and for none at all.
    pub(crate) fn keyed(&self) -> Option<Keyed> {
        match self {
            Self::Text(text) => Some(Keyed::text(text)),
            Self::Messages(turns) if turns.is_empty() => None,
            Self::Messages(turns) => {
                let message = |turn: &Turn| {
                    Some(Message {
                        role: turn.role.clone(),
                        content: turn.content.text()?,
                    })
                };
                let messages = turns.iter().map(message).collect::<Option<_>>()?;
                Some(Keyed {
                    key: serde_json::to_string(turns).ok()?.into(),
                    turns: Arc::new(Turns::Messages(messages)),
                })
            }
        }
    }
}

/// The key of a prompt that has no id: the same text that `infalign.trl.prompt_key` gives in Python.
#[must_use]
pub fn prompt_key(prompt: &Turns) -> String {
    match prompt {
        Turns::Text(text) => text.clone(),
        // Texts and lists of texts always have a JSON form.
        Turns::Messages(messages) => serde_json::to_string(messages).unwrap_or_default(),
    }
}

/// A prompt's id: a text, or a whole number, which is written as one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a prompt id: a text, or a whole number below 2^64"
)]
pub(crate) enum Id {
    /// As it stands.
    Text(String),
    /// Its decimal digits.
    Whole(i64),
    /// The same.
    Large(u64),
}

impl Id {
    pub(crate) fn into_text(self) -> Arc<str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Whole(number) => number.to_string().into(),
            Self::Large(number) => number.to_string().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn keyed(json: &str) -> Option<Keyed> {
        serde_json::from_str::<Prompt>(json).unwrap().keyed()
    }

    #[test]
    fn keys_are_those_of_the_python_package() {
        // json.dumps([{"role", "content"}, …], ensure_ascii=False, separators=(",", ":")) of Python 3.11.
        for (given, key) in [
            (r#""Hello""#, "Hello"),
            (
                r#"[{"content":"Hé \"x\"\n\u0001\u007f😀","role":"user","name":"n"}]"#,
                "[{\"role\":\"user\",\"content\":\"Hé \\\"x\\\"\\n\\u0001\u{7f}😀\"}]",
            ),
            (
                r#"[{"role":"user","content":[{"type":"text","text":"a"},{"text":"/b","type":"text"}]}]"#,
                r#"[{"role":"user","content":[{"type":"text","text":"a"},{"text":"/b","type":"text"}]}]"#,
            ),
        ] {
            assert_eq!(&*keyed(given).unwrap().key, key);
        }
        let parts = keyed(r#"[{"role":"user","content":[{"text":"a"},{"text":"b"}]}]"#).unwrap();
        let Turns::Messages(messages) = &*parts.turns else {
            unreachable!("messages")
        };
        assert_eq!(messages[0].content, "ab");
        let plain = keyed(r#"[{"role":"user","content":"Hi"}]"#).unwrap();
        assert_eq!(prompt_key(&plain.turns), &*plain.key);
    }

    #[test]
    fn what_is_no_prompt_or_id_is_refused() {
        assert!(keyed("[]").is_none());
        assert!(keyed(r#"[{"role":"user","content":[{"type":"image"}]}]"#).is_none());
        let error = serde_json::from_str::<Prompt>("3").unwrap_err().to_string();
        assert!(error.contains("a text, or a list of messages"), "{error}");
        for (given, text) in [
            ("\"a\"", "a"),
            ("-3", "-3"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            let id: Id = serde_json::from_str(given).unwrap();
            assert_eq!(&*id.into_text(), text);
        }
        for wrong in ["1.5", "true", "null", "[]"] {
            assert!(serde_json::from_str::<Id>(wrong).is_err(), "{wrong}");
        }
    }
}
