//! β, the price of KL: fixed, or moved until the held-out KL is the budget.
//!
//! ```text
//! e_s = ln(K̂_s · ρ / budget),        K̂: running mean of the step's exact KL (training prompts), ρ: held-out KL / K̂ when last measured
//! β_{s+1} = β_s · exp(gain · clip(e_s, ±1))        once the policy has had `hold` steps to answer to the first β
//! charged in step s + 1:  β_{s+1} · exp(brake · max(e_s, 0))
//! ```
//!
//! The first β should be `design`'s for the budget: then the controller has only to mend what the policy class and the optimiser miss. From a
//! β far off it needs its whole run to arrive. A policy that wastes most of its KL overshoots at design's β, which counts on all of it being spent
//! on reward; the brake answers at once, and only above the budget.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What KL costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Price {
    /// β stays.
    Beta(f64),
    /// β follows the held-out KL.
    Budget(Budget),
}

/// A KL budget and how it is approached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Held-out sequence KL in nats.
    pub kl: f64,
    /// The first β.
    pub beta: f64,
    /// Steps before β moves.
    pub hold: u64,
    /// How fast it moves: the change of ln β in a step at an error of a factor e.
    pub gain: f64,
    /// How much more KL costs above the budget, at once: the power of K̂ρ/budget by which β is multiplied; 0 or more.
    pub brake: f64,
}

impl Price {
    /// The β of the first step.
    #[must_use]
    pub const fn first(&self) -> f64 {
        match self {
            Self::Beta(beta) => *beta,
            Self::Budget(budget) => budget.beta,
        }
    }

    /// The budget, if there is one.
    #[must_use]
    pub fn budget(&self) -> Option<f64> {
        self.of_budget().map(|budget| budget.kl)
    }

    const fn of_budget(&self) -> Option<&Budget> {
        match self {
            Self::Beta(_) => None,
            Self::Budget(budget) => Some(budget),
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let positive = |field, value: f64| {
            if value > 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(Error::Setting {
                field,
                value: value.to_string(),
                allowed: "a positive number",
            })
        };
        positive("beta", self.first())?;
        if let Self::Budget(budget) = self {
            positive("kl", budget.kl)?;
            positive("gain", budget.gain)?;
            if !(budget.brake >= 0.0 && budget.brake.is_finite()) {
                return Err(Error::Setting {
                    field: "brake",
                    value: budget.brake.to_string(),
                    allowed: "0 or more",
                });
            }
        }
        Ok(())
    }
}

/// Share of a new KL in the running mean.
const SMOOTHING: f64 = 0.15;

/// β as it moves. The whole of it is in checkpoints, to the bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Controller {
    /// β of the next step.
    pub beta: f64,
    /// K̂; none before the first step.
    pub kl: Option<f64>,
    /// ρ.
    pub ratio: f64,
}

impl Controller {
    pub(super) const fn new(price: &Price) -> Self {
        Self {
            beta: price.first(),
            kl: None,
            ratio: 1.0,
        }
    }

    /// ln of the running KL over the budget; 0 before the first step.
    fn error(&self, budget: &Budget) -> f64 {
        self.kl.map_or(0.0, |kl| (kl * self.ratio / budget.kl).ln())
    }

    /// What the next step's KL costs: β, and more of it above the budget.
    pub(super) fn charged(&self, price: &Price) -> f64 {
        price.of_budget().map_or(self.beta, |budget| {
            self.beta * (budget.brake * self.error(budget).max(0.0)).exp()
        })
    }

    /// Takes in the KL of step `step` (from 1).
    pub(super) fn step(&mut self, price: &Price, step: u64, kl: f64) {
        // Sampled: a mean of few can be slightly negative only by rounding.
        let kl = kl.max(1e-9);
        let mean = self.kl.map_or(kl, |old| old + SMOOTHING * (kl - old));
        self.kl = Some(mean);
        if let Price::Budget(budget) = price
            && step >= budget.hold
        {
            let error = self.error(budget).clamp(-1.0, 1.0);
            self.beta *= (budget.gain * error).exp();
        }
    }

    /// Takes in a held-out measurement. Few samples know ρ to a tenth, so it moves by halves.
    pub(super) fn held_out(&mut self, kl: f64) {
        if let Some(mean) = self.kl {
            let ratio = (kl.max(1e-9) / mean).clamp(0.5, 2.0);
            self.ratio = (self.ratio * ratio).sqrt();
        }
    }

    pub(super) fn bits(&self) -> [Option<u64>; 3] {
        [
            Some(self.beta.to_bits()),
            self.kl.map(f64::to_bits),
            Some(self.ratio.to_bits()),
        ]
    }

    pub(super) fn from_bits(bits: [Option<u64>; 3]) -> Option<Self> {
        Some(Self {
            beta: f64::from_bits(bits[0]?),
            kl: bits[1].map(f64::from_bits),
            ratio: f64::from_bits(bits[2]?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Price = Price::Budget(Budget {
        kl: 0.5,
        beta: 0.1,
        hold: 3,
        gain: 0.05, // `train.gain`'s default
        brake: 0.0,
    });

    #[test]
    fn a_fixed_price_stays() {
        let mut c = Controller::new(&Price::Beta(0.2));
        for step in 1..50 {
            c.step(&Price::Beta(0.2), step, 3.0);
        }
        assert_eq!(c.beta, 0.2);
    }

    #[test]
    fn a_budget_is_reached_where_the_kl_answers_to_the_price() {
        // A policy whose KL is (0.3 / β)² of what it was asked, and that follows slowly.
        let mut c = Controller::new(&BUDGET);
        let mut kl = 0.0;
        for step in 1..400 {
            let target: f64 = 0.5 * (0.3 / c.beta).powi(2);
            kl += 0.1 * (target - kl);
            c.step(&BUDGET, step, kl);
            if step % 20 == 0 {
                c.held_out(1.2 * kl);
            }
        }
        assert!((1.2 * kl / 0.5 - 1.0).abs() < 0.02, "{kl} at {}", c.beta);
    }

    #[test]
    fn the_brake_answers_at_once_and_only_above_the_budget() {
        let braked = Price::Budget(Budget {
            kl: 0.5,
            beta: 0.1,
            hold: 100,
            gain: 0.05,
            brake: 2.0,
        });
        let mut c = Controller::new(&braked);
        assert_eq!(c.charged(&braked), 0.1);
        c.step(&braked, 1, 0.25);
        assert_eq!(c.charged(&braked), 0.1);
        c.kl = Some(1.0);
        assert!((c.charged(&braked) - 0.4).abs() < 1e-12); // (1.0 / 0.5)²
        assert_eq!((c.beta, c.charged(&BUDGET)), (0.1, 0.1));
    }

    #[test]
    fn bits_are_all_there_is() {
        let mut c = Controller::new(&BUDGET);
        assert_eq!(Controller::from_bits(c.bits()), Some(c));
        c.step(&BUDGET, 1, 0.7);
        c.held_out(0.9);
        assert_eq!(Controller::from_bits(c.bits()), Some(c));
    }

    #[test]
    fn prices_are_positive() {
        for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let said = Price::Beta(beta).validate().map_err(|e| e.to_string());
            assert_eq!(
                said,
                Err(format!("beta is {beta}; expected a positive number"))
            );
        }
    }
}
