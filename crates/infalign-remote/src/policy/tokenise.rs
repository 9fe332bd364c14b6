//! The tokens of given texts as the server's tokeniser cuts them: what log-probabilities of texts are asked for with.

use infalign_data::Turns;
use serde_json::{Value, json};

use super::{
    choice::{list, tokens_of},
    open::RemotePolicy,
    sample::{MissingPrompt, SampleError},
};
use crate::{error::Error, wire::Request};

impl RemotePolicy {
    /// Hands over the tokens of every text or conversation with its id, in no order, or that it is missing. `special_tokens` puts the
    /// tokeniser's own before a text: true for a prompt that no template has made, false for a response. Messages become a prompt by the
    /// server's chat template, up to where the assistant speaks.
    ///
    /// The tokens of a prompt and those of a response, one after the other, are what the model saw when it drew the response; those of the
    /// joined text need not be.
    ///
    /// # Errors
    /// [`Error::Unable`] where this kind of server does not offer it; else as [`Self::sample`].
    pub fn tokenise<E>(
        &self,
        texts: impl IntoIterator<Item = (String, Turns)>,
        special_tokens: bool,
        mut each: impl FnMut(Result<(String, Vec<u32>), MissingPrompt>) -> Result<(), E>,
    ) -> Result<(), SampleError<E>> {
        // Both kinds that tell log-probabilities of given tokens have this page.
        if self.dialect().likelihood.is_none() {
            return Err(Error::Unable {
                dialect: self.dialect().name,
                what: "cut texts into tokens",
                remedy: "serve the model with vLLM or SGLang, or load it here",
            }
            .into());
        }
        self.listed(
            texts,
            |(_, turns)| {
                let body = match turns {
                    Turns::Text(text) => {
                        json!({"model": self.model(), "prompt": text, "add_special_tokens": special_tokens})
                    }
                    Turns::Messages(all) => {
                        json!({"model": self.model(), "messages": all, "add_generation_prompt": true})
                    }
                };
                Request::post("/tokenize", body)
            },
            |_, reply: Value| {
                let ids = list(&reply, "/tokens")?.ok_or("it has no list `tokens`")?;
                tokens_of(ids)
            },
            |(id, _)| id,
            &mut each,
        )
    }
}
