//! What reward servers are asked and answer: one dialect to a file, and the registry.

mod llama_cpp;
mod llama_factory;
mod openrlhf;
mod sglang;
mod tei;
mod vllm;
mod vllm_pooling;
mod vllm_score;

use std::{borrow::Cow, fmt, ops::Range};

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
    /// As messages, the prompt's and the response, which the server puts through the model's chat template.
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
    /// Whether scripts answer at any path, so that one in the address is asked as it stands.
    pub any_path: bool,
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

    /// The prompts for a model that reads two texts: conversations turn by turn.
    fn queries(&self) -> Vec<Cow<'_, str>> {
        self.asked.iter().map(Asked::shown).collect()
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
                        && (!self.one_prompt || asked[batch.start].shown() == a.shown()) =>
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
mod tests;
