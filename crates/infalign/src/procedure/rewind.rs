//! Rewind-and-repeat: redraw until the reward reaches the base's quantile τ, at most M draws, and keep the last.
//!
//! Not rank-based: the threshold is a reward, so the policy's pass rate 1 − a, a = F(τ), enters. Derived by conditioning on
//! whether one of the first M−1 draws passed: with s = (1 − a^M)/(1 − a) = Σ_{k<M} aᵏ, the expected number of draws,
//!
//! | | u ≤ τ | u > τ |
//! |---|---|---|
//! | H(u) | a^{M−1} F(u) | a^M + (F(u) − a) s |
//! | ∂H/∂F | a^{M−1} | s |
//! | ∂H/∂a | (M−1) a^{M−2} F(u) | M a^{M−1} + (F(u) − a) s′ − s |
//!
//! with s′ = ds/da = (s − M a^{M−1})/(1 − a).

use std::fmt;

use rand::Rng;

use super::{At, Procedure, draws};
use crate::{Error, Quantile, Result, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "rewind",
    syntax: "rewind:TAU/M",
    example: "rewind:0.7/4",
    summary: "redraw until the reward reaches the base's quantile TAU, at most M draws, keep the last",
};

/// Rejection with a threshold and a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rewind {
    tau: [f64; 1],
    m: usize,
}

impl Rewind {
    /// Redraw until the base's quantile `tau`, at most `m` draws.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 < τ < 1 and 1 ≤ m ≤ 4096.
    pub fn new(tau: f64, m: usize) -> Result<Self> {
        let ok = tau > 0.0 && tau < 1.0;
        Error::range(
            "TAU of rewind:TAU/M",
            tau,
            ok,
            "a number strictly between 0 and 1",
        )?;
        draws("M of rewind:TAU/M", m).map(|m| Self { tau: [tau], m })
    }

    fn below_threshold(&self, at: &At<'_>) -> bool {
        at.u.below() <= self.tau[0]
    }

    /// a^{M−1}.
    fn exhausted(&self, a: Quantile) -> f64 {
        a.power((self.m - 1) as f64).below()
    }

    /// s and s′.
    fn expected_draws(&self, a: Quantile) -> (f64, f64) {
        let m = self.m as f64;
        let miss = a.above();
        if m * miss < 1e-4 {
            // Σ k(1−e)^{k−1} to second order in e = 1 − a, where the quotients cancel.
            let s = m - 0.5 * m * (m - 1.0) * miss;
            let slope = 0.5 * m * (m - 1.0) * (1.0 - 2.0 * (m - 2.0) / 3.0 * miss);
            return (s, slope);
        }
        let s = a.power(m).above() / miss;
        (s, (s - m * self.exhausted(a)) / miss)
    }
}

impl fmt::Display for Rewind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rewind:{}/{}", self.tau[0], self.m)
    }
}

impl Procedure for Rewind {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        let a = at.anchors[0];
        if self.below_threshold(at) {
            let below = self.exhausted(a) * at.f.below();
            Quantile::from_masses(below, 1.0 - below)
        } else {
            let above = self.expected_draws(a).0 * at.f.above();
            Quantile::from_masses(1.0 - above, above)
        }
    }

    fn density(&self, at: &At<'_>) -> f64 {
        let a = at.anchors[0];
        if self.below_threshold(at) {
            self.exhausted(a)
        } else {
            self.expected_draws(a).0
        }
    }

    fn density_slope(&self, _: &At<'_>) -> f64 {
        0.0
    }

    fn anchors(&self) -> &[f64] {
        &self.tau
    }

    fn anchor_slope(&self, _: usize, at: &At<'_>) -> f64 {
        let a = at.anchors[0];
        if self.m == 1 {
            return 0.0;
        }
        let m = self.m as f64;
        if self.below_threshold(at) {
            (m - 1.0) * a.power(m - 2.0).below() * at.f.below()
        } else {
            let (s, slope) = self.expected_draws(a);
            m * self.exhausted(a) + (a.above() - at.f.above()) * slope - s
        }
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, _: &mut dyn Rng) -> Option<f64> {
        let mut last = draw();
        for _ in 1..self.m {
            if last >= self.tau[0] {
                break;
            }
            last = draw();
        }
        Some(last)
    }
}
