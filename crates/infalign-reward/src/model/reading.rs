//! How a reward model reads a prompt with its response: as one conversation of its chat template, or one text after the other.
//!
//! | dress | prompt | tokens |
//! |---|---|---|
//! | chat | a text | the template's rendering of [user: prompt, assistant: response], as the hub's reward models are asked |
//! | chat | messages | the same, with the response as what follows them |
//! | raw | a text | the prompt's, with those that the tokenizer puts before a text, then the response's; the end-of-sequence token if asked for |
//! | raw | messages | refused |
//!
//! `auto` is chat where the folder has a template, else raw. The end-of-sequence token is the template's to write in a chat: there the option
//! adds one only if the rendering does not end in it already.

use infalign_data::{Message, Turns};
use infalign_lm::{ChatOptions, ChatTemplate, Folder, Tokenizer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Error, Result};

/// Whether texts go through the chat template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dress {
    /// Where the folder has one.
    #[default]
    Auto,
    /// Always.
    Chat,
    /// Never.
    Raw,
}

impl Dress {
    /// As it is typed behind the folder.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Auto => "",
            Self::Chat => ":chat",
            Self::Raw => ":raw",
        }
    }
}

/// Makes tokens of prompts with responses, for one model.
#[derive(Debug, Clone)]
pub struct Reading {
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    eos: Option<u32>,
    context: usize,
    /// Whether a response that is too long loses its end, in place of an error.
    cuts: bool,
}

impl Reading {
    /// For the model of a folder; `eos` ends every sequence with the end-of-sequence token.
    ///
    /// # Errors
    /// No tokenizer; `chat` without a template; `eos` without such a token.
    pub fn new(folder: &Folder, dress: Dress, eos: bool) -> Result<Self> {
        let lacks = |why: &str| Error::NoRewardModel {
            folder: folder.path().to_owned(),
            why: why.to_owned(),
        };
        let template = match (dress, folder.chat_template()) {
            (Dress::Raw, _) | (Dress::Auto, None) => None,
            (_, Some(template)) => Some(template.clone()),
            (Dress::Chat, None) => {
                return Err(lacks(
                    "it has no chat template; add chat_template.jinja to it, or leave `:chat` out",
                ));
            }
        };
        let end = folder.tokens().eos.first().copied();
        if eos && end.is_none() {
            return Err(lacks("it names no end-of-sequence token; leave `:eos` out"));
        }
        Ok(Self {
            tokenizer: folder.tokenizer()?.clone(),
            template,
            eos: end.filter(|_| eos),
            context: folder.spec().max_positions,
            cuts: false,
        })
    }

    /// Reads as much of a response as the context takes, if it takes the prompt and more: for responses that a policy has drawn. A few sampled
    /// tokens that are no text, as halves of letters, can be many tokens when they are read.
    #[must_use]
    pub const fn cutting(mut self) -> Self {
        self.cuts = true;
        self
    }

    /// Whether conversations go through a template here.
    #[must_use]
    pub const fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// For a model of another context.
    #[cfg(test)]
    pub(super) const fn with_context(mut self, context: usize) -> Self {
        self.context = context;
        self
    }

    /// Prompt and response as the model reads them; at least one token, no more than its context.
    ///
    /// # Errors
    /// Messages without a template; nothing to read; more than the context takes.
    pub fn tokens(&self, prompt: &Turns, response: &Turns) -> Result<Vec<u32>> {
        let refused = |why: String| Error::Unreadable { why };
        let mut tokens = self.whole(prompt, response)?;
        let n = tokens.len();
        if n == 0 {
            return Err(refused(
                "prompt and response are empty; there is nothing to read".to_owned(),
            ));
        }
        if n <= self.context {
            return Ok(tokens);
        }
        if self.cuts && self.whole(prompt, &Turns::Text(String::new()))?.len() < self.context {
            tokens.truncate(self.context);
            if let (Some(eos), Some(last)) = (self.eos, tokens.last_mut()) {
                *last = eos;
            }
            return Ok(tokens);
        }
        Err(refused(format!(
            "prompt and response have {n} tokens together, but the model's context is {}; shorten them",
            self.context
        )))
    }

    /// All tokens, however many.
    fn whole(&self, prompt: &Turns, response: &Turns) -> Result<Vec<u32>> {
        let mut tokens = match (&self.template, prompt, response) {
            (Some(template), ..) => {
                let all: Vec<Value> = messages(prompt, "user")
                    .into_iter()
                    .chain(messages(response, "assistant"))
                    .collect();
                let text = template.render(&all, &ChatOptions::default())?;
                self.tokenizer.encode(&text, false)?
            }
            (None, Turns::Text(prompt), Turns::Text(response)) => {
                let mut tokens = self.tokenizer.encode(prompt, true)?;
                tokens.extend(self.tokenizer.encode(response, false)?);
                tokens
            }
            (None, ..) => {
                return Err(Error::Unreadable { why: "the row holds messages, but the model reads texts; add chat_template.jinja to its folder, or give texts".to_owned() });
            }
        };
        if let Some(eos) = self.eos
            && tokens.last() != Some(&eos)
        {
            tokens.push(eos);
        }
        Ok(tokens)
    }
}

/// Messages as templates take them; a text is one of `role`.
fn messages(turns: &Turns, role: &str) -> Vec<Value> {
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    match turns {
        Turns::Text(text) => vec![message(role, text)],
        Turns::Messages(all) => all
            .iter()
            .map(|Message { role, content }| message(role, content))
            .collect(),
    }
}
