//! Messages of a conversation, and texts that may be given as such.
//!
//! | input | outcome |
//! |---|---|
//! | `"content": "…"` | the text |
//! | `"content": [{"type": "text", "text": "…"}, …]` | the texts, end to end |
//! | other parts (pictures), `tool_calls` | an error: they would be lost |
//! | further fields of a message (`name`, …) | ignored |

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    error::{Error, Place, Result},
    table::shortened,
};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the model's template knows; not empty.
    pub role: String,
    /// What is said; may be empty.
    pub content: String,
}

/// A text as it stands, or messages which a chat template turns into one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Turns {
    /// The text.
    Text(String),
    /// At least one message.
    Messages(Vec<Message>),
}

impl Turns {
    /// From a string or a list of messages; neither may be empty.
    pub(crate) fn parse(value: &Value, place: &Place, column: &str) -> Result<Self> {
        match value {
            Value::String(text) if text.is_empty() => Err(empty(place, column)),
            Value::String(text) => Ok(Self::Text(text.clone())),
            Value::Array(list) => messages(list, place, column).map(Self::Messages),
            other => Err(wrong_type(
                other,
                place,
                column,
                "a text or a list of messages",
            )),
        }
    }

    /// The messages, where it is a conversation.
    #[must_use]
    pub fn messages(&self) -> Option<&[Message]> {
        match self {
            Self::Text(_) => None,
            Self::Messages(messages) => Some(messages),
        }
    }

    /// What stands before a response where no template makes a text of the conversation: the text; of a single turn what it says; of several
    /// their [`transcript`], and the word that a response follows.
    #[must_use]
    pub fn before_response(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Messages(messages) if messages.len() < 2 => transcript(messages),
            Self::Messages(messages) => format!("{}\n\nAssistant: ", transcript(messages)),
        }
    }

    /// As messages; a text becomes one message of `role`.
    pub(crate) fn into_messages(self, role: &str) -> Vec<Message> {
        match self {
            Self::Messages(messages) => messages,
            Self::Text(content) => vec![Message {
                role: role.to_owned(),
                content,
            }],
        }
    }
}

/// A conversation in plain words: `User: …`, a blank line, `Assistant: …`. Of a single turn, what it says.
#[must_use]
pub fn transcript(messages: &[Message]) -> String {
    if let [only] = messages {
        return only.content.clone();
    }
    let told = |message: &Message| {
        let mut role = message.role.chars();
        let first = role.next().map(|c| c.to_uppercase().to_string());
        format!(
            "{}{}: {}",
            first.unwrap_or_default(),
            role.as_str(),
            message.content
        )
    };
    let turns: Vec<String> = messages.iter().map(told).collect();
    turns.join("\n\n")
}

/// The messages of a list that must hold some.
pub(crate) fn messages(list: &[Value], place: &Place, column: &str) -> Result<Vec<Message>> {
    if list.is_empty() {
        return Err(empty(place, column));
    }
    list.iter()
        .enumerate()
        .map(|(i, value)| message(value, place, &format!("{column}[{i}]")))
        .collect()
}

fn message(value: &Value, place: &Place, column: &str) -> Result<Message> {
    let Value::Object(fields) = value else {
        let expected = "a message, that is {\"role\", \"content\"}";
        return Err(wrong_type(value, place, column, expected));
    };
    if fields
        .get("tool_calls")
        .is_some_and(|calls| !calls.is_null())
    {
        return Err(Error::UnusableRow {
            place: place.clone(),
            column: format!("{column}.tool_calls"),
            what: "tool calls are not learned; write them into the content, or drop the row",
        });
    }
    let role = string(field(fields, "role", place, column)?, place, column, "role")?;
    if role.is_empty() {
        return Err(empty(place, &format!("{column}.role")));
    }
    let content = match field(fields, "content", place, column)? {
        Value::Array(parts) => parts
            .iter()
            .map(|part| text_part(part, place, column))
            .collect::<Result<String>>()?,
        value => string(value, place, column, "content")?.to_owned(),
    };
    Ok(Message {
        role: role.to_owned(),
        content,
    })
}

fn text_part<'v>(part: &'v Value, place: &Place, column: &str) -> Result<&'v str> {
    match (part.get("type").and_then(Value::as_str), part.get("text")) {
        (Some("text") | None, Some(Value::String(text))) => Ok(text),
        _ => Err(Error::UnusableRow {
            place: place.clone(),
            column: format!("{column}.content"),
            what: "only parts of type `text` are read; drop the other parts, or the row",
        }),
    }
}

fn field<'v>(
    fields: &'v Map<String, Value>,
    name: &str,
    place: &Place,
    column: &str,
) -> Result<&'v Value> {
    match fields.get(name) {
        None | Some(Value::Null) => Err(Error::MissingField {
            place: place.clone(),
            column: format!("{column}.{name}"),
        }),
        Some(value) => Ok(value),
    }
}

fn string<'v>(value: &'v Value, place: &Place, column: &str, name: &str) -> Result<&'v str> {
    value
        .as_str()
        .ok_or_else(|| wrong_type(value, place, &format!("{column}.{name}"), "a text"))
}

/// The error for an empty text or list.
pub(crate) fn empty(place: &Place, column: &str) -> Error {
    Error::EmptyText {
        place: place.clone(),
        column: column.to_owned(),
    }
}

/// The error for a value of another type.
pub(crate) fn wrong_type(
    value: &Value,
    place: &Place,
    column: &str,
    expected: &'static str,
) -> Error {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => format!("the boolean {truth}"),
        Value::Number(n) => format!("the number {n}"),
        Value::String(s) => format!("the text {:?}", shortened(s)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    Error::WrongType {
        place: place.clone(),
        column: column.to_owned(),
        found,
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(all: &[(&str, &str)]) -> Turns {
        let message = |&(role, content): &(&str, &str)| Message {
            role: role.to_owned(),
            content: content.to_owned(),
        };
        Turns::Messages(all.iter().map(message).collect())
    }

    #[test]
    fn conversations_in_plain_words() {
        let all = said(&[
            ("system", "Be short."),
            ("user", "Hi"),
            ("assistant", "Yes?"),
            ("user", "Why\n\nnot?"),
        ]);
        let told = "System: Be short.\n\nUser: Hi\n\nAssistant: Yes?\n\nUser: Why\n\nnot?";
        assert_eq!(transcript(all.messages().unwrap_or_default()), told);
        assert_eq!(all.before_response(), format!("{told}\n\nAssistant: "));
        // One turn is that turn, as if it had been a text.
        let one = said(&[("user", "User: Hi")]);
        assert_eq!(one.before_response(), "User: Hi");
        let text = Turns::Text("Hi".to_owned());
        assert_eq!(
            (text.messages(), text.before_response()),
            (None, "Hi".to_owned())
        );
        assert_eq!(transcript(&[]), "");
    }
}
