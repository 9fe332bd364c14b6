//! What a caller chooses about sampling, under the names that vLLM and OpenAI gave the settings, and what log-probabilities then are of.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// How a server is to draw tokens and when a response ends. All settings are sent, also those at their defaults: servers have defaults of
/// their own (vLLM and SGLang take the model's `generation_config.json`, llama.cpp top-k 40).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// What logits are divided by, at least 0; 0 is greedy.
    pub temperature: f64,
    /// Only this many likeliest tokens; 0: all.
    pub top_k: usize,
    /// The smallest set of likeliest tokens that holds this probability, in (0, 1]; 1: all.
    pub top_p: f64,
    /// No token less likely than this fraction of the likeliest one's probability, in [0, 1]; 0: all.
    pub min_p: f64,
    /// The most tokens of a response, at least 1.
    pub max_tokens: usize,
    /// Texts that end a response; they are not part of it.
    pub stop: Vec<String>,
    /// Tokens that end a response besides the model's own.
    pub stop_token_ids: Vec<u32>,
    /// Goes on after the model's end-of-sequence tokens.
    pub ignore_eos: bool,
    /// Whether the server puts special tokens (a BOS) before a text prompt; `None`: as the server does by itself. `Some(false)` for texts that
    /// a chat template has made, since they have them already. Token ids and messages are not concerned.
    pub add_special_tokens: Option<bool>,
    /// The run's seed: with the prompt's id and the block it gives the seed of every request.
    pub seed: u64,
}

impl Default for Sampling {
    /// The model's own distribution, at most 256 tokens, seed 0.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            max_tokens: 256,
            stop: Vec::new(),
            stop_token_ids: Vec::new(),
            ignore_eos: false,
            add_special_tokens: None,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first one that is outside its range.
    pub fn validate(&self) -> Result<()> {
        let in_range = [
            (
                "temperature",
                self.temperature,
                self.temperature >= 0.0,
                "0 (greedy) or more",
            ),
            (
                "top_p",
                self.top_p,
                self.top_p > 0.0 && self.top_p <= 1.0,
                "above 0 and at most 1 (1: off)",
            ),
            (
                "min_p",
                self.min_p,
                (0.0..=1.0).contains(&self.min_p),
                "from 0 (off) to 1",
            ),
        ];
        for (field, found, holds, allowed) in in_range {
            if !(holds && found.is_finite()) {
                return Err(bad(field, &found, allowed));
            }
        }
        if self.max_tokens == 0 {
            return Err(bad("max_tokens", &0, "at least 1"));
        }
        if self.stop.iter().any(String::is_empty) {
            return Err(bad(
                "stop",
                &"an empty text",
                "texts of at least one character",
            ));
        }
        Ok(())
    }

    /// Whether tokens are drawn from all of the vocabulary.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        self.top_k == 0 && self.top_p == 1.0 && self.min_p == 0.0
    }

    /// Whether tokens are drawn from the model's own distribution.
    #[must_use]
    pub fn is_untempered(&self) -> bool {
        self.temperature == 1.0 && self.is_unfiltered()
    }

    /// What every server knows. Stop texts are left out where there are none.
    pub(super) fn common(&self) -> Map<String, Value> {
        let mut all = Map::new();
        all.insert("temperature".into(), json!(self.temperature));
        all.insert("top_p".into(), json!(self.top_p));
        if !self.stop.is_empty() {
            all.insert("stop".into(), json!(self.stop));
        }
        all
    }

    /// That what not every server can do was not asked for: `settings` names what this kind of server lacks.
    pub(super) fn without(&self, lacks: &[&'static str]) -> Result<()> {
        let off = Self::default();
        let asked = [
            ("top_k", self.top_k != off.top_k),
            ("min_p", self.min_p != off.min_p),
            ("stop_token_ids", !self.stop_token_ids.is_empty()),
            ("ignore_eos", self.ignore_eos),
            ("add_special_tokens", self.add_special_tokens.is_some()),
        ];
        match asked
            .iter()
            .find(|(name, asked)| *asked && lacks.contains(name))
        {
            Some((name, _)) => Err(bad(
                name,
                &"set",
                "its default: this kind of server does not offer the setting (name another dialect if it does)",
            )),
            None => Ok(()),
        }
    }
}

fn bad(field: &'static str, found: &dyn ToString, allowed: &'static str) -> Error {
    Error::Setting {
        field,
        found: found.to_string(),
        allowed,
    }
}

/// What log-probabilities that a server gave are of. KL figures need [`LogProbsOf::Sampler`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogProbsOf {
    /// The distribution that the responses were drawn from, temperature and truncation included.
    Sampler,
    /// The model's own distribution: untempered, over all of the vocabulary.
    Model,
    /// It is not known, or is neither.
    Unknown,
}

/// What a kind of server reports, whatever is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reports {
    /// The model's log-softmax.
    Model,
    /// The log-softmax of the logits divided by the temperature, before anything is cut off.
    Tempered,
    /// Nobody says.
    Untold,
}

impl Reports {
    /// What that is of, under `sampling`. Where nothing is tempered or cut off, all is one.
    pub(super) fn under(self, sampling: &Sampling) -> LogProbsOf {
        match self {
            _ if sampling.is_untempered() => LogProbsOf::Sampler,
            Self::Model => LogProbsOf::Model,
            Self::Tempered if sampling.temperature > 0.0 && sampling.is_unfiltered() => {
                LogProbsOf::Sampler
            }
            Self::Tempered | Self::Untold => LogProbsOf::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_log_probabilities_are_of() {
        let plain = Sampling::default();
        let warm = Sampling {
            temperature: 0.7,
            ..plain.clone()
        };
        let cut = Sampling {
            top_k: 20,
            ..plain.clone()
        };
        for (reports, expected) in [
            (
                Reports::Model,
                [LogProbsOf::Sampler, LogProbsOf::Model, LogProbsOf::Model],
            ),
            (
                Reports::Tempered,
                [
                    LogProbsOf::Sampler,
                    LogProbsOf::Sampler,
                    LogProbsOf::Unknown,
                ],
            ),
            (
                Reports::Untold,
                [
                    LogProbsOf::Sampler,
                    LogProbsOf::Unknown,
                    LogProbsOf::Unknown,
                ],
            ),
        ] {
            assert_eq!([&plain, &warm, &cut].map(|s| reports.under(s)), expected);
        }
    }

    #[test]
    fn a_setting_outside_its_range_is_named() {
        let text = |change: fn(&mut Sampling)| {
            let mut all = Sampling::default();
            change(&mut all);
            all.validate()
                .map_or_else(|e| e.to_string(), |()| "valid".to_owned())
        };
        assert_eq!(text(|_| ()), "valid");
        assert_eq!(
            text(|s| s.temperature = -1.0),
            "`temperature` is -1; allowed is 0 (greedy) or more"
        );
        assert!(text(|s| s.temperature = f64::INFINITY).starts_with("`temperature`"));
        assert!(text(|s| s.top_p = f64::NAN).starts_with("`top_p`"));
        assert!(text(|s| s.min_p = 2.0).starts_with("`min_p`"));
        assert!(text(|s| s.max_tokens = 0).starts_with("`max_tokens`"));
        assert!(text(|s| s.stop = vec![String::new()]).starts_with("`stop`"));
    }
}
