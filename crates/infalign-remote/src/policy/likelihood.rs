//! Log-probabilities of given responses, token by token: the tokens are sent, so that nothing depends on how a text would be cut into them.

use super::{
    open::RemotePolicy,
    sample::{MissingPrompt, SampleError},
};
use crate::error::Error;

/// A response whose log-probabilities are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikelihoodJob {
    /// Names it in errors.
    pub id: String,
    /// The prompt's tokens, at least one, special ones included: nothing is put before them.
    pub prompt: Vec<u32>,
    /// The response's tokens.
    pub response: Vec<u32>,
}

/// The log-probabilities of a given response.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogProbs {
    /// Names the job.
    pub id: String,
    /// ln p of each token of the response given all before it, in nats, at most 0, of the model's own distribution
    /// ([`LogProbsOf::Model`](super::LogProbsOf::Model)).
    pub log_probs: Vec<f64>,
}

impl LikelihoodJob {
    /// Prompt and response.
    fn sequence(&self) -> Vec<u32> {
        [self.prompt.as_slice(), &self.response].concat()
    }
}

impl RemotePolicy {
    /// Hands over the log-probabilities of every response, in no order, or that it is missing.
    ///
    /// # Errors
    /// [`Error::Unable`] where this kind of server does not tell them; else as [`Self::sample`].
    pub fn log_probs<E>(
        &self,
        jobs: impl IntoIterator<Item = LikelihoodJob>,
        mut each: impl FnMut(Result<TokenLogProbs, MissingPrompt>) -> Result<(), E>,
    ) -> Result<(), SampleError<E>> {
        let Some(likelihood) = &self.dialect().likelihood else {
            return Err(Error::Unable {
                dialect: self.dialect().name,
                what: "tell the log-probabilities of given responses",
                remedy: "serve the model with vLLM or SGLang, or load it here",
            }
            .into());
        };
        self.listed(
            jobs,
            |job| (likelihood.request)(self.model(), &job.sequence()),
            |job, reply| {
                let mut all = (likelihood.read)(&reply, &job.sequence())?;
                // The first token of a sequence has none.
                Ok(all.split_off(job.prompt.len().saturating_sub(1)))
            },
            |job| job.id,
            |end| each(end.map(|(id, log_probs)| TokenLogProbs { id, log_probs })),
        )
    }
}
