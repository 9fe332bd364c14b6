//! Log-probabilities of a drawn token, of two kinds that must not be mixed up, and what makes logits no distribution.

use serde::{Deserialize, Serialize};

/// Log-probability, in nats, under the distribution that the token was **sampled from**: after temperature and truncation.
///
/// The right one for importance weights and policy gradients on these samples. Greedy sampling draws from a point mass: it is 0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampledLogProb(pub f32);

/// Log-probability, in nats, under the model's **untempered** softmax over the whole vocabulary: what scoring the response gives.
///
/// Equal to [`SampledLogProb`] exactly when the temperature is 1 and nothing is truncated.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogProb(pub f32);

impl SampledLogProb {
    /// The value in nats.
    #[must_use]
    pub fn nats(self) -> f32 {
        self.0
    }
}

impl LogProb {
    /// The value in nats.
    #[must_use]
    pub fn nats(self) -> f32 {
        self.0
    }
}

/// A token, and how likely it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// Its id.
    pub token: u32,
    /// Under the distribution that it was drawn from.
    pub log_prob: SampledLogProb,
    /// Under the model's untempered softmax.
    pub untempered: LogProb,
}

/// Why logits are no distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// There are none.
    #[error("there are none")]
    Empty,
    /// One is not a number.
    #[error("that of token {token} is NaN")]
    NotANumber {
        /// The first such token.
        token: usize,
    },
    /// One is +∞.
    #[error("that of token {token} is infinite")]
    Infinite {
        /// The first such token.
        token: usize,
    },
    /// No token is possible.
    #[error("all are −∞")]
    Impossible,
}

impl Unusable {
    /// What is wrong with a row of which the softmax is not finite.
    pub(super) fn find(row: &[f32]) -> Self {
        if row.is_empty() {
            Self::Empty
        } else if let Some(token) = row.iter().position(|l| l.is_nan()) {
            Self::NotANumber { token }
        } else if let Some(token) = row.iter().position(|&l| l == f32::INFINITY) {
            Self::Infinite { token }
        } else {
            Self::Impossible
        }
    }
}
