//! Puts a trained policy exactly on its KL budget, so that policies are compared at equal KL.
//!
//! ```text
//! θ(s) = θ_p + s (θ − θ_p),        s such that the held-out KL of θ(s) is the budget
//! ```
//!
//! `θ_p` are the base's weights. KL is about quadratic in s near 1, so a secant in (ln s, ln KL) needs two or three measurements; all of them use the
//! same random draws, so the measured KL is smooth in s. The controller comes close, and landing mends a few per cent; s far from 1 is refused as
//! `landed: false`, because far from 1 the line leaves what training found; the policy is then the nearest that was seen.

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
    let at = |share: f64| {
        if share == 1.0 {
            Ok(policy.clone())
        } else {
            policy.between(base, share)
        }
    };
    let [(_, kl_before), (share, kl_after)] = search(budget, |share| {
        let HeldOutKl { kl, .. } =
            held_out_kl(&mut at(share)?, base, prompts, samples.clone(), draws)?;
        Ok(kl.mean.max(1e-9))
    })?;
    let landing = Landing {
        share,
        kl_before,
        kl_after,
        landed: (budget / kl_after).ln().abs() < 2.0 * NEAR,
    };
    Ok((at(share)?, landing))
}

/// (s, KL) as trained, and where the KL came nearest to the budget.
fn search(budget: f64, mut measure: impl FnMut(f64) -> Result<f64>) -> Result<[(f64, f64); 2]> {
    let off = |at: (f64, f64)| (budget / at.1).ln();
    let before = (1.0, measure(1.0)?);
    let (mut at, mut nearest) = (before, before);
    let mut slope = 2.0; // d ln KL / d ln s
    for _ in 0..TRIES {
        let error = off(at);
        if error.abs() < NEAR {
            break;
        }
        let share = (at.0.ln() + error / slope).exp().clamp(LEAST, MOST);
        if share == at.0 {
            break;
        }
        let kl = measure(share)?;
        // Two noisy points near each other tell little about the slope, so it stays near the quadratic's.
        let found = (kl / at.1).ln() / (share / at.0).ln();
        if found.is_finite() {
            slope = found.clamp(1.5, 3.0);
        }
        at = (share, kl);
        if off(at).abs() < off(nearest).abs() {
            nearest = at;
        }
    }
    Ok([before, nearest])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_quadratic_is_met_at_once() {
        let [before, nearest] = search(0.5, |s| Ok(0.6 * s * s)).unwrap();
        assert_eq!(before, (1.0, 0.6));
        assert!((nearest.1 / 0.5 - 1.0).abs() < NEAR, "{nearest:?}");
    }

    /// KL along a line that leaves what training found: the policy stays as it was trained rather than going further from the budget.
    #[test]
    fn a_line_that_leads_away_is_not_followed() {
        let away = |s: f64| if s > 1.1 { 1.5 } else { 0.24 };
        let [before, nearest] = search(0.5, |s| Ok(away(s))).unwrap();
        assert_eq!(nearest, before);
        let [before, nearest] = search(0.5, |s| Ok(1.1 - 0.001 * s)).unwrap();
        assert_eq!(nearest, before);
    }
}
