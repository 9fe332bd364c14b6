//! A language model as judge: ratings of responses by a rubric, and verdicts on pairs.
//!
//! ```text
//! rubric, texts ─fence─▶ question ─┬─ verdict known: from the file ─────────────────────────────▶ rating, or A, B, tie
//!                                  └─ /v1/chat/completions ─▶ last line ─strictly parsed─▶ kept ─▶
//!                                            ▲                     │
//!                                            └── asked for the line again, at most `again` times
//! ```
//!
//! Every verdict is kept by the SHA-256 of all that decides it (model, rubric, texts, sampling), so that a run that was killed asks only for
//! what is missing. A reply without a verdict is never a number: it is counted and listed.
//!
//! The texts to be judged are fenced by lines that they cannot contain, and the judge is told that what is between them is not addressed to it.
//! That keeps a text from passing for the end of itself or for the rubric. It does not keep a model from being persuaded by what it reads: a
//! policy trained against a judge finds such texts.

mod ask;
mod cache;
mod fence;
mod options;
mod pairwise;
mod pointwise;
mod rubric;
mod spec;
mod verdict;

pub use options::{JudgeOptions, Scale};
pub use pairwise::{Comparisons, Counts, Pair};
pub use pointwise::Ratings;
pub use rubric::Rubric;
pub use spec::JudgeSpec;
pub use verdict::Verdict;

use super::{Error, Result};
use crate::{Client, Endpoint, Key, Patience};
use cache::Cache;

/// A language model that judges.
#[derive(Debug)]
pub struct Judge {
    name: String,
    model: String,
    options: JudgeOptions,
    client: Client,
    cache: Cache,
}

/// A reply that held no verdict, also when it was asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unparsed {
    /// The response or pair, from 0.
    pub row: usize,
    /// Its prompt.
    pub prompt_id: String,
    /// What the reply's last line lacks. Without the reply's text.
    pub why: String,
}

impl Judge {
    /// Checks the options, finds the model's name where none was given, and reads the verdicts that are there.
    ///
    /// # Errors
    /// [`Error::Setting`] and [`Error::Rubric`] for an option; [`Error::Silent`] for a server that does not name its models,
    /// [`Error::Malformed`] for one that has several; [`Error::Cache`]; what a [`Client`] needs.
    pub fn open(
        spec: &JudgeSpec,
        key: Option<Key>,
        patience: Patience,
        options: JudgeOptions,
    ) -> Result<Self> {
        options.validate()?;
        let endpoint = Endpoint::parse(&spec.address)?.with_key(key);
        let client = Client::new(endpoint, patience)?;
        let model = match &spec.model {
            Some(model) => model.clone(),
            None => only_model(spec, &client)?,
        };
        Ok(Self {
            name: spec.to_string(),
            model,
            cache: Cache::open(options.cache.as_deref())?,
            options,
            client,
        })
    }

    /// The text that opens it again.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model that judges.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Everything that decides its ratings, for fingerprints: the address, the model, and the SHA-256 of rubric, scale, draws and sampling.
    #[must_use]
    pub fn identity(&self) -> String {
        self.identified(&self.options.of_ratings())
    }

    /// Everything that decides its comparisons: the address, the model, and the SHA-256 of the rubric of pairs and sampling.
    #[must_use]
    pub fn identity_of_pairs(&self) -> String {
        self.identified(&self.options.of_pairs())
    }

    fn identified(&self, options: &str) -> String {
        format!("{} serves {} {options}", self.name, self.model)
    }
}

fn only_model(spec: &JudgeSpec, client: &Client) -> Result<String> {
    let models = client.models().map_err(|source| Error::Silent {
        server: client.endpoint().base().to_owned(),
        source,
    })?;
    match models.as_slice() {
        [only] => Ok(only.id.clone()),
        several => {
            let ids: Vec<&str> = several.iter().take(8).map(|m| m.id.as_str()).collect();
            Err(Error::Malformed {
                given: spec.to_string(),
                why: format!(
                    "the server offers {} models ({}…); name the one that judges behind #",
                    several.len(),
                    ids.join(", ")
                ),
                example: spec::EXAMPLE,
            })
        }
    }
}

#[cfg(test)]
mod tests;
