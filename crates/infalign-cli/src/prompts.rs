//! From prompts as they are given to the tokens that a model begins with.

use infalign_data::{Message, Turns};
use infalign_lm::{ChatOptions, ChatTemplate, Folder, Tokenizer};
use serde_json::{Value, json};

use crate::{
    args::Dress,
    error::{Error, Result},
    print,
};

/// How prompts become tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prompting<'a> {
    tokenizer: &'a Tokenizer,
    template: Option<&'a ChatTemplate>,
    /// Whether texts go through the template, too.
    chat: bool,
}

impl<'a> Prompting<'a> {
    /// As the flags and the folder say.
    pub(crate) fn new(folder: &'a Folder, dress: Dress) -> Result<Self> {
        let template = folder.chat_template();
        if dress.chat && template.is_none() {
            return Err(Error::Usage(format!(
                "--chat: {} has no chat template; add chat_template.jinja to it, or leave --chat out",
                folder.path().display()
            )));
        }
        if !dress.chat && !dress.raw && template.is_some() {
            print::note(
                "prompts go through the model's chat template; --raw leaves them as they are",
            );
        }
        Ok(Self {
            tokenizer: folder.tokenizer()?,
            template,
            chat: !dress.raw && template.is_some(),
        })
    }

    /// The tokenizer.
    pub(crate) const fn tokenizer(&self) -> &'a Tokenizer {
        self.tokenizer
    }

    /// A prompt's tokens: a text's with those that the tokenizer puts before it, a conversation's as its template writes it.
    pub(crate) fn tokens(&self, prompt: &Turns) -> Result<Vec<u32>> {
        let messages = match prompt {
            Turns::Text(text) if !self.chat => return Ok(self.tokenizer.encode(text, true)?),
            Turns::Text(text) => vec![Message {
                role: "user".to_owned(),
                content: text.clone(),
            }],
            Turns::Messages(messages) => messages.clone(),
        };
        let template = self.template.ok_or_else(|| {
            Error::Usage(
                "the prompt holds messages, but the model has no chat template; add chat_template.jinja to its folder, or give texts".to_owned(),
            )
        })?;
        let value = |m: &Message| json!({"role": m.role, "content": m.content});
        let messages: Vec<Value> = messages.iter().map(value).collect();
        let options = ChatOptions {
            add_generation_prompt: true,
            ..ChatOptions::default()
        };
        Ok(self
            .tokenizer
            .encode(&template.render(&messages, &options)?, false)?)
    }
}
