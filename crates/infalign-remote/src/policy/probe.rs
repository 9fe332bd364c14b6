//! Looks at a policy before many prompts are sent: whether seeds and choices mean there what they should.

use std::collections::BTreeSet;

use super::{
    choice::{self, Choices},
    open::RemotePolicy,
    sample::PromptForm,
    sampling::Sampling,
};
use crate::{
    error::Error,
    fault::{Fault, GivenUp},
};

/// Responses with different seeds.
const SEEDS: usize = 4;
/// Tokens of each.
const TOKENS: usize = 24;

/// What a policy was found to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// How many different texts `seeds` seeds gave.
    pub distinct_texts: usize,
    /// How many seeds were tried.
    pub seeds: usize,
    /// Whether one seed gave one text when asked twice.
    pub repeats: bool,
    /// Whether tokens come with their ids.
    pub token_ids: bool,
    /// Whether tokens come with their log-probabilities.
    pub log_probs: bool,
    /// The most choices that will be asked for in one request.
    pub most_choices: usize,
    greedy: bool,
}

impl Probe {
    /// What a user should know, a sentence each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.greedy && self.distinct_texts == 1 {
            notes.push(format!(
                "{} different seeds gave one text: the server ignores seeds or temperature, or keeps replies in a cache, and responses to one prompt will not be independent",
                self.seeds
            ));
        }
        if !self.repeats {
            notes.push(
                "one seed gave two texts: responses cannot be drawn again bit for bit".to_owned(),
            );
        }
        if !self.log_probs {
            notes.push("the server gives no log-probabilities".to_owned());
        }
        if !self.token_ids {
            notes.push("the server gives no token ids".to_owned());
        }
        notes
    }
}

/// Whether the server does not take what was sent.
fn refused(end: &GivenUp) -> bool {
    matches!(
        end.fault,
        Fault::Status {
            status: 400 | 422,
            ..
        }
    )
}

impl RemotePolicy {
    /// Sends some short requests with a prompt that leaves the policy a choice, and from then on asks for as many choices at once as the
    /// server gives, and for no log-probabilities where it refuses to give any.
    ///
    /// # Errors
    /// [`Error::Setting`]; [`Error::Server`] with what the server answers to a prompt of this form.
    pub fn probe(&mut self, form: &PromptForm, sampling: &Sampling) -> Result<Probe, Error> {
        let settings = self.settings(sampling)?;
        let length = TOKENS.min(sampling.max_tokens);
        let ask = |policy: &Self, seed, count| {
            let request = policy.request(form, count, seed, length, &settings);
            let mut read = None;
            let asked = policy.client().all(
                [request],
                Clone::clone,
                |_, reply| choice::read(&reply, count, length),
                |_, end| end.map(|choices: Choices| read = Some(choices)),
            );
            asked.map(|()| read.map(|choices| choices.all).unwrap_or_default())
        };
        if let Err(end) = ask(self, 0, 1) {
            if !refused(&end) || !self.log_probs {
                return Err(Error::Server(end));
            }
            self.log_probs = false;
        }
        let mut texts = BTreeSet::new();
        let mut first = None;
        for block in 0..SEEDS {
            let seed = self.seed(sampling.seed, "a probe", block);
            let mut choices = ask(self, seed, 1).map_err(Error::Server)?;
            let Some((_, response)) = choices.pop() else {
                continue;
            };
            texts.insert(response.text.clone());
            first.get_or_insert((seed, response));
        }
        let again = match &first {
            Some((seed, _)) => ask(self, *seed, 1).map_err(Error::Server)?.pop(),
            None => None,
        };
        if self.most_choices() > 1 {
            match ask(self, 0, 2) {
                Ok(choices) if choices.len() == 2 => (),
                Ok(_) => self.most_choices = 1,
                Err(end) if refused(&end) => self.most_choices = 1,
                Err(end) => return Err(Error::Server(end)),
            }
        }
        let response = first.map(|(_, response)| response);
        Ok(Probe {
            distinct_texts: texts.len(),
            seeds: SEEDS,
            repeats: again.map(|(_, r)| r.text) == response.as_ref().map(|r| r.text.clone()),
            token_ids: response.as_ref().is_some_and(|r| r.token_ids.is_some()),
            log_probs: response.is_some_and(|r| r.token_log_probs.is_some()),
            most_choices: self.most_choices(),
            greedy: sampling.temperature == 0.0,
        })
    }
}
