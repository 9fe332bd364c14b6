//! A response to be rewarded, put together from what a client says and what is known of its prompt.

use std::sync::Arc;

use infalign_data::Turns;

use crate::{fault::Fault, known::Known, log::Noted, prompt::Keyed};

/// A response to be rewarded.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: Arc<str>,
    /// The client gave the id; else the prompt is known by its text, and the id is not said back.
    pub(crate) named: bool,
    pub(crate) prompt: Option<Arc<Turns>>,
    pub(crate) answer: Option<Arc<str>>,
    pub(crate) given: Given,
}

/// What the client gave of a response.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    Response(String),
    Raw(f32),
}

impl Item {
    /// By id, by prompt, or by both. What the file of prompts says of a prompt goes before what the client sends, so that the reward reads
    /// the prompt as it did when the calibration was made; the client's answer goes before that of the file.
    ///
    /// # Errors
    /// Neither id nor prompt.
    pub(crate) fn new(
        known: &Known,
        id: Option<Arc<str>>,
        prompt: Option<Keyed>,
        answer: Option<Arc<str>>,
        given: Given,
    ) -> Result<Self, Fault> {
        let named = id.is_some();
        let found = match (&id, &prompt) {
            (Some(id), _) => known.by_id(id),
            (None, Some(prompt)) => known.by_key(&prompt.key),
            (None, None) => {
                return Err(Fault::malformed(
                    "a response has neither the id of its prompt nor its text",
                ));
            }
        };
        let key = prompt.as_ref().map(|prompt| Arc::clone(&prompt.key));
        let found_id = found.map(|found| Arc::clone(&found.id));
        Ok(Self {
            id: id.or(found_id).or(key).unwrap_or_default(),
            named,
            prompt: match found {
                Some(found) => Some(Arc::clone(&found.turns)),
                None => prompt.map(|prompt| prompt.turns),
            },
            answer: answer.or_else(|| found?.answer.clone()),
            given,
        })
    }
}

/// What the log says of items.
pub(crate) fn noted(items: &[Item], with_prompts: bool) -> Noted {
    let prompts = || items.iter().map(|item| item.id.to_string()).collect();
    Noted {
        items: items.len(),
        prompts: if with_prompts { prompts() } else { Vec::new() },
    }
}
