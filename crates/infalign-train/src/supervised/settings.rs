//! What a supervised run is told: everything on which its result depends besides model and data.

use infalign_lm::AdamWConfig;
use serde::{Deserialize, Serialize};

use crate::{
    Rates, Schedule,
    error::{Error, Result},
};

/// Everything on which the result depends besides model and data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Updates of the weights.
    pub steps: u64,
    /// Sequences of a step.
    pub batch_size: usize,
    /// Parts in which a step's sequences are computed, one after the other; divides `batch_size`.
    pub accumulate: usize,
    /// Steps between two losses on the held-out rows.
    pub validation_every: u64,
    /// The most held-out rows that are looked at, the first ones.
    pub validation_rows: usize,
    /// Decides the order of the data.
    pub seed: u64,
    /// Learning rate.
    pub schedule: Schedule,
    /// The optimiser.
    pub adamw: AdamWConfig,
}

impl Settings {
    /// Checks everything; the learning rates.
    ///
    /// # Errors
    /// [`Error::Setting`], [`Error::Schedule`], or the optimiser's complaint.
    pub fn resolve(&self) -> Result<Rates> {
        let least_one = [
            ("batch_size", self.batch_size as u64),
            ("accumulate", self.accumulate as u64),
            ("validation_every", self.validation_every),
            ("validation_rows", self.validation_rows as u64),
        ];
        for (field, value) in least_one {
            if value == 0 {
                return Err(Error::Setting {
                    field,
                    value: "0".to_owned(),
                    allowed: "at least 1",
                });
            }
        }
        if !self.batch_size.is_multiple_of(self.accumulate) {
            return Err(Error::Setting {
                field: "accumulate",
                value: format!("{} for a batch of {}", self.accumulate, self.batch_size),
                allowed: "a number that divides the batch size",
            });
        }
        self.adamw.validate()?;
        self.schedule.resolve(self.steps)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const GOOD: Settings = Settings {
        steps: 10,
        batch_size: 8,
        accumulate: 2,
        validation_every: 5,
        validation_rows: 4,
        seed: 0,
        schedule: Schedule {
            peak: 1e-3,
            warmup: crate::Warmup::Steps(2),
            decay: crate::Decay::Cosine,
            floor: 0.1,
        },
        adamw: AdamWConfig {
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            clip: None,
        },
    };

    #[test]
    fn parts_must_divide_the_batch() {
        assert!(GOOD.resolve().is_ok());
        let said = |s: Settings| s.resolve().unwrap_err().to_string();
        let uneven = said(Settings {
            accumulate: 3,
            ..GOOD
        });
        assert_eq!(
            uneven,
            "accumulate is 3 for a batch of 8; expected a number that divides the batch size"
        );
        let none = said(Settings {
            batch_size: 0,
            ..GOOD
        });
        assert_eq!(none, "batch_size is 0; expected at least 1");
    }
}
