//! Settings on which a reward model depends besides its beginning and its pairs.

use infalign_lm::AdamWConfig;
use serde::{Deserialize, Serialize};

use super::loss::Constants;
use crate::{
    Decay, Rates, Schedule, Warmup,
    error::{Error, Result},
};

/// Everything on which the result depends besides model and pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Updates of the weights.
    pub steps: u64,
    /// Pairs of a step.
    pub batch_size: usize,
    /// Parts in which a step's pairs are computed, one after the other; divides `batch_size`.
    pub accumulate: usize,
    /// ε: the share of preferences taken to be the wrong way round, in \[0, ½).
    pub label_smoothing: f64,
    /// λ of the penalty `λ (r_c + r_r)²`, 0 or more.
    pub centring: f64,
    /// Steps between two looks at the held-out pairs.
    pub validation_every: u64,
    /// Decides a fresh head and the order of the pairs.
    pub seed: u64,
    /// Learning rate.
    pub schedule: Schedule,
    /// The optimiser.
    pub adamw: AdamWConfig,
}

impl Default for Settings {
    /// For a body that is trained already: a small rate that falls on a line. A tiny model wants 10⁻³ and more.
    fn default() -> Self {
        Self {
            steps: 1000,
            batch_size: 16,
            accumulate: 1,
            label_smoothing: 0.0,
            centring: 0.01, // arXiv 2312.09244
            validation_every: 100,
            seed: 0,
            schedule: Schedule {
                peak: 2e-5,
                warmup: Warmup::Fraction(0.05),
                decay: Decay::Linear,
                floor: 0.1,
            },
            adamw: AdamWConfig {
                weight_decay: 0.0,
                ..AdamWConfig::default()
            },
        }
    }
}

impl Settings {
    /// Checks everything; the learning rates.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Schedule`], or the optimiser's complaint.
    pub fn resolve(&self) -> Result<Rates> {
        let refuse = |field, value: String, allowed| Error::Setting {
            field,
            value,
            allowed,
        };
        for (field, value) in [
            ("batch_size", self.batch_size as u64),
            ("accumulate", self.accumulate as u64),
            ("validation_every", self.validation_every),
        ] {
            if value == 0 {
                return Err(refuse(field, "0".to_owned(), "at least 1"));
            }
        }
        if !self.batch_size.is_multiple_of(self.accumulate) {
            let value = format!("{} for a batch of {}", self.accumulate, self.batch_size);
            let allowed = "a number that divides the batch size";
            return Err(refuse("accumulate", value, allowed));
        }
        if !(0.0..0.5).contains(&self.label_smoothing) {
            let value = self.label_smoothing.to_string();
            let allowed = "from 0 to below 0.5, where nothing would be learned";
            return Err(refuse("label_smoothing", value, allowed));
        }
        if !(self.centring.is_finite() && self.centring >= 0.0) {
            return Err(refuse("centring", self.centring.to_string(), "0 or more"));
        }
        self.adamw.validate()?;
        self.schedule.resolve(self.steps)
    }

    pub(super) fn constants(&self) -> Constants {
        Constants {
            smoothing: self.label_smoothing,
            centring: self.centring,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        let good = Settings::default();
        assert!(good.resolve().is_ok());
        for (bad, says) in [
            (
                Settings {
                    batch_size: 0,
                    ..good
                },
                "batch_size is 0; expected at least 1",
            ),
            (
                Settings {
                    accumulate: 3,
                    ..good
                },
                "accumulate is 3 for a batch of 16; expected a number that divides the batch size",
            ),
            (
                Settings {
                    label_smoothing: 0.5,
                    ..good
                },
                "label_smoothing is 0.5; expected from 0 to below 0.5, where nothing would be learned",
            ),
            (
                Settings {
                    label_smoothing: f64::NAN,
                    ..good
                },
                "label_smoothing is NaN; expected from 0 to below 0.5, where nothing would be learned",
            ),
            (
                Settings {
                    centring: -1.0,
                    ..good
                },
                "centring is -1; expected 0 or more",
            ),
        ] {
            assert_eq!(bad.resolve().unwrap_err().to_string(), says);
        }
    }
}
