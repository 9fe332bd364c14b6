//! Learning-rate schedules: a linear warm-up, then constant, linear or cosine decay to a floor.
//!
//! With t = 1, 2, …, N the number of the step **that is about to be taken**, W warm-up steps, and a
//! floor f, the learning rate is peak · λ(t):
//!
//! ```text
//! t ≤ W :  λ(t) = t / W
//! t > W :  p    = (t − W) / (N − W)
//!          constant  λ = 1
//!          linear    λ = f + (1 − f)(1 − p)
//!          cosine    λ = f + (1 − f) ½ (1 + cos πp)                  (arXiv 1608.03983, eq. 5)
//! ```
//!
//! So λ(W) = 1 and λ(N) = f exactly (linear, cosine). Frameworks that count the steps *already
//! taken* start at λ(0) = 0 and waste their first step: `LambdaLR` of `PyTorch` gives these rates
//! with `lambda done: λ(done + 1)`.
//!
//! | input | outcome |
//! |---|---|
//! | W = 0 | starts at the peak: λ(1) is the decay's first step |
//! | W ≥ N | an error, unless W = N and the decay is constant |
//! | t = 0 | as t = 1 |
//! | t > N | as t = N |
//! | a warm-up fraction | W = round(fraction · N), half up |

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The steps over which the rate rises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// A number of steps.
    Steps(u64),
    /// A fraction of all steps, in 0..1.
    Fraction(f64),
}

/// What follows the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Stays at the peak; the floor is not used.
    Constant,
    /// Falls on a line.
    Linear,
    /// Falls on half a cosine.
    Cosine,
}

/// A schedule as it is written in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The highest learning rate, positive.
    pub peak: f64,
    /// How it rises.
    pub warmup: Warmup,
    /// How it falls.
    pub decay: Decay,
    /// The last rate as a fraction of the peak, in 0..=1.
    pub floor: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            peak: 3e-4,
            warmup: Warmup::Fraction(0.02),
            decay: Decay::Cosine,
            floor: 0.1,
        }
    }
}

impl Schedule {
    /// The rates of a run of `steps` steps.
    ///
    /// # Errors
    /// [`Error::Schedule`] naming the field that is out of range.
    pub fn resolve(&self, steps: u64) -> Result<Rates> {
        let refuse = |field, value: String, allowed: &'static str| Error::Schedule {
            field,
            value,
            allowed,
        };
        if !(self.peak.is_finite() && self.peak > 0.0) {
            let allowed = "a positive number";
            return Err(refuse("peak", self.peak.to_string(), allowed));
        }
        if !(0.0..=1.0).contains(&self.floor) {
            let allowed = "a fraction of the peak, from 0 to 1";
            return Err(refuse("floor", self.floor.to_string(), allowed));
        }
        if steps == 0 {
            return Err(refuse("steps", "0".to_owned(), "at least one step"));
        }
        let warmup = match self.warmup {
            Warmup::Steps(steps) => steps,
            Warmup::Fraction(f) if (0.0..1.0).contains(&f) => (f * steps as f64).round() as u64,
            Warmup::Fraction(f) => {
                let allowed = "a fraction of all steps, from 0 to below 1";
                return Err(refuse("warmup", f.to_string(), allowed));
            }
        };
        let longest = match self.decay {
            Decay::Constant => steps,
            Decay::Linear | Decay::Cosine => steps - 1,
        };
        if warmup > longest {
            let allowed = "fewer warm-up steps than steps, so that the rate can fall";
            return Err(refuse(
                "warmup",
                format!("{warmup} of {steps} steps"),
                allowed,
            ));
        }
        Ok(Rates {
            schedule: *self,
            steps,
            warmup,
        })
    }
}

/// A schedule with its numbers of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    schedule: Schedule,
    steps: u64,
    warmup: u64,
}

impl Rates {
    /// The learning rate of step `step`, counted from 1.
    #[must_use]
    pub fn rate(&self, step: u64) -> f64 {
        self.schedule.peak * self.factor(step.clamp(1, self.steps))
    }

    /// Number of warm-up steps W.
    #[must_use]
    pub const fn warmup(&self) -> u64 {
        self.warmup
    }

    /// Number of steps N.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    fn factor(&self, step: u64) -> f64 {
        if step <= self.warmup {
            return step as f64 / self.warmup as f64;
        }
        let progress = (step - self.warmup) as f64 / (self.steps - self.warmup) as f64;
        let floor = self.schedule.floor;
        match self.schedule.decay {
            Decay::Constant => 1.0,
            Decay::Linear => floor + (1.0 - floor) * (1.0 - progress),
            Decay::Cosine => {
                let wave = (std::f64::consts::PI * progress).cos();
                floor + (1.0 - floor) * 0.5 * (1.0 + wave)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn schedule(warmup: Warmup, decay: Decay, floor: f64) -> Schedule {
        Schedule {
            peak: 3e-3,
            warmup,
            decay,
            floor,
        }
    }

    fn close(a: f64, b: f64) {
        // A product of four factors and a cosine, each rounded once: a few units in the last place.
        assert!((a - b).abs() <= 8.0 * f64::EPSILON * 3e-3, "{a} and {b}");
    }

    #[test]
    fn the_rates_of_the_parity_fixtures() {
        // torch: 20 steps, 5 of warm-up, cosine to 10%; `learning_rates` of the fixtures' curves.
        let expected = [
            0.000_600_000_000_000_000_1,
            0.001_200_000_000_000_000_1,
            0.001_800_000_000_000_000_2,
            0.002_400_000_000_000_000_2,
            0.003,
            0.002_970_499_260_990_637_7,
            0.002_883_286_367_817_511,
            0.002_742_172_942_406_179,
            0.002_553_326_318_584_458_6,
            0.002_325_000_000_000_000_2,
            0.002_067_172_942_406_179,
            0.001_791_113_425_411_332_2,
            0.001_508_886_574_588_668_2,
            0.001_232_827_057_593_821_3,
            0.000_975_000_000_000_000_4,
            0.000_746_673_681_415_541_8,
            0.000_557_827_057_593_821_3,
            0.000_416_713_632_182_488_74,
            0.000_329_500_739_009_362_37,
            0.000_300_000_000_000_000_03,
        ];
        let rates = schedule(Warmup::Steps(5), Decay::Cosine, 0.1)
            .resolve(20)
            .unwrap();
        for (step, &rate) in (1..).zip(&expected) {
            close(rates.rate(step), rate);
        }
    }

    #[test]
    fn closed_values() {
        let linear = schedule(Warmup::Steps(2), Decay::Linear, 0.2)
            .resolve(10)
            .unwrap();
        for (step, factor) in [(1, 0.5), (2, 1.0), (6, 0.6), (10, 0.2), (11, 0.2), (0, 0.5)] {
            close(linear.rate(step), 3e-3 * factor);
        }
        let cosine = schedule(Warmup::Steps(0), Decay::Cosine, 0.0)
            .resolve(4)
            .unwrap();
        let half = std::f64::consts::FRAC_1_SQRT_2;
        for (step, factor) in [
            (1, 0.5 + half / 2.0),
            (2, 0.5),
            (3, 0.5 - half / 2.0),
            (4, 0.0),
        ] {
            close(cosine.rate(step), 3e-3 * factor);
        }
        let constant = schedule(Warmup::Steps(3), Decay::Constant, 0.5)
            .resolve(3)
            .unwrap();
        close(constant.rate(3), 3e-3);
        close(constant.rate(1), 1e-3);
    }

    #[test]
    fn fractions_become_steps() {
        let warmup = |f, n| {
            schedule(Warmup::Fraction(f), Decay::Linear, 0.0)
                .resolve(n)
                .unwrap()
                .warmup()
        };
        assert_eq!(
            (warmup(0.1, 100), warmup(0.025, 100), warmup(0.0, 100)),
            (10, 3, 0)
        );
        assert_eq!(warmup(0.1, 1), 0);
    }

    #[test]
    fn fields_out_of_range_are_named() {
        let good = schedule(Warmup::Steps(1), Decay::Cosine, 0.1);
        let message = |s: Schedule, steps| s.resolve(steps).unwrap_err().to_string();
        for (bad, steps, says) in [
            (Schedule { peak: 0.0, ..good }, 5, "peak"),
            (
                Schedule {
                    peak: f64::NAN,
                    ..good
                },
                5,
                "peak",
            ),
            (Schedule { floor: 1.5, ..good }, 5, "floor"),
            (
                Schedule {
                    floor: f64::NAN,
                    ..good
                },
                5,
                "floor",
            ),
            (
                Schedule {
                    warmup: Warmup::Fraction(1.0),
                    ..good
                },
                5,
                "warmup",
            ),
            (
                Schedule {
                    warmup: Warmup::Fraction(f64::NAN),
                    ..good
                },
                5,
                "warmup",
            ),
            (
                Schedule {
                    warmup: Warmup::Steps(5),
                    ..good
                },
                5,
                "warmup",
            ),
            (good, 1, "warmup"),
            (good, 0, "steps"),
        ] {
            let message = message(bad, steps);
            assert!(
                message.starts_with(&format!("schedule.{says}")),
                "{message}"
            );
        }
    }

    #[test]
    fn written_and_read() {
        let all = [Warmup::Steps(7), Warmup::Fraction(0.5)];
        for warmup in all {
            let schedule = schedule(warmup, Decay::Linear, 0.25);
            let json = serde_json::to_string(&schedule).unwrap();
            assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
        }
        assert!(serde_json::from_str::<Schedule>("{\"peek\": 1}").is_err());
    }
}
