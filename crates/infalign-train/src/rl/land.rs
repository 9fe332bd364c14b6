//! Puts a trained policy exactly on its KL budget, so that policies are compared at equal KL.
//!
//! ```text
//! θ(s) = θ_p + s (θ − θ_p),        s such that the held-out KL of θ(s) is the budget
//! ```
//!
//! `θ_p` are the base's weights. KL is about quadratic in s near 1, so a secant in (ln s, ln KL) needs two or three measurements; all of them use the
//! same random draws, so the measured KL is smooth in s. The controller comes close, and landing mends a few per cent; s far from 1 is refused as
//! `landed: false`, because far from 1 the line leaves what training found.

use infalign_lm::Decoder;
use serde::{Deserialize, Serialize};

use super::{Draws, HeldOutKl, Prompt, held_out_kl};
use crate::error::Result;

/// How near is near enough, as a share of the budget.
const NEAR: f64 = 0.01;
/// Measurements at most.
const TRIES: usize = 5;
/// How far s may go from 1.
const LEAST: f64 = 0.6;
const MOST: f64 = 1.5;

/// What landing did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Landing {
    /// s.
    pub share: f64,
    /// Held-out KL as trained, in nats.
    pub kl_before: f64,
    /// Held-out KL at s, by the same draws.
    pub kl_after: f64,
    /// Whether the budget was reached within s ∈ [0.6, 1.5].
    pub landed: bool,
}

/// The policy on the line from `base` through `policy` whose KL is `budget`.
///
/// # Errors
/// As [`held_out_kl`].
pub(super) fn land(
    policy: &Decoder,
    base: &Decoder,
    budget: f64,
    prompts: &[&Prompt],
    samples: std::ops::Range<usize>,
    draws: Draws<'_>,
) -> Result<(Decoder, Landing)> {
    let measure = |model: &Decoder| -> Result<f64> {
        let HeldOutKl { kl, .. } =
            held_out_kl(&mut model.clone(), base, prompts, samples.clone(), draws)?;
        Ok(kl.mean.max(1e-9))
    };
    let kl_before = measure(policy)?;
    let mut at = (1.0_f64, kl_before);
    let mut slope = 2.0; // d ln KL / d ln s
    let mut model = policy.clone();
    for _ in 0..TRIES {
        let error = (budget / at.1).ln();
        if error.abs() < NEAR {
            break;
        }
        let share = (at.0.ln() + error / slope).exp().clamp(LEAST, MOST);
        if share == at.0 {
            break;
        }
        let next = policy.between(base, share)?;
        let kl = measure(&next)?;
        // Two noisy points near each other tell little about the slope, so it stays near the quadratic's.
        let found = (kl / at.1).ln() / (share / at.0).ln();
        if found.is_finite() {
            slope = found.clamp(1.5, 3.0);
        }
        at = (share, kl);
        model = next;
    }
    let landing = Landing {
        share: at.0,
        kl_before,
        kl_after: at.1,
        landed: (budget / at.1).ln().abs() < 2.0 * NEAR,
    };
    Ok((model, landing))
}
