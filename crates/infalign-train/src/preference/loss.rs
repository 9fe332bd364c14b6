//! The Bradley–Terry loss of a preference, with margins, ties, label smoothing and centring, and its derivatives.
//!
//! ```text
//! x    = r_c − r_r − m          (m = 0 for a tie)
//! p    = 1 − ε for a preference, ½ for a tie
//! ℓ    = −p log σ(x) − (1 − p) log σ(−x) + λ (r_c + r_r)²
//!      = softplus(x) − p x + λ (r_c + r_r)²,     softplus(x) = max(x, 0) + log(1 + e^{−|x|})
//! ∂ℓ/∂r_c = σ(x) − p + 2λ (r_c + r_r),      ∂ℓ/∂r_r = −(σ(x) − p) + 2λ (r_c + r_r)
//! ```
//!
//! Bradley and Terry, Biometrika 39, 1952; for reward models Ouyang et al., arXiv 2203.02155, eq. 1, with the margin m of Llama 2, arXiv
//! 2307.09288, eq. 2. A tie counts as half a preference either way, the cross-entropy with target ½ (as in the ties of Elo): unlike Rao and
//! Kupper's model (JASA 62, 1967) it adds no parameter, and its minimum is `r_c = r_r`. ε is label smoothing (conservative DPO, Mitchell 2023):
//! the share of labels taken to be wrong. λ centres the rewards, which preferences leave free by a constant of each prompt: Eisenstein et al.,
//! arXiv 2312.09244, section 4 (λ = 0.01 there).
//!
//! | case | loss |
//! |---|---|
//! | x → ∞ with p = 1 | 0, from e^{−x} without cancellation |
//! | x → −∞ with p = 1 | −x |
//! | p < 1 | bounded below by the entropy of p |
//! | NaN or ±∞ rewards | not a number: the optimiser refuses the step |

/// What a preference says, without its texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Said {
    /// m.
    pub(super) margin: f64,
    /// Neither is preferred.
    pub(super) tie: bool,
}

/// The constants of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Constants {
    /// ε, in \[0, ½).
    pub(super) smoothing: f64,
    /// λ, 0 or more.
    pub(super) centring: f64,
}

/// `ℓ, ∂ℓ/∂r_c, ∂ℓ/∂r_r`.
pub(super) fn loss(
    chosen: f64,
    rejected: f64,
    said: Said,
    constants: Constants,
) -> (f64, f64, f64) {
    let (margin, p) = match said.tie {
        true => (0.0, 0.5),
        false => (said.margin, 1.0 - constants.smoothing),
    };
    let x = chosen - rejected - margin;
    let sum = chosen + rejected;
    let cross = if p == 1.0 {
        softplus(-x)
    } else {
        softplus(x) - p * x
    };
    let slope = if p == 1.0 {
        -sigmoid(-x)
    } else {
        sigmoid(x) - p
    };
    let centre = 2.0 * constants.centring * sum;
    (
        cross + constants.centring * sum * sum,
        slope + centre,
        centre - slope,
    )
}

/// log(1 + eˣ).
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// 1 / (1 + e^{−x}).
pub(super) fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 {
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} and {b}");
    }

    #[test]
    fn derivatives_are_those_of_finite_differences() {
        // Central differences of step h err by h²/6·|ℓ'''| + eps·|ℓ|/h; with h = 1e−5 and |ℓ'''| < 1, |ℓ| < 100 below 3e−9.
        let h = 1e-5;
        for (c, r) in [(0.3, -0.2), (-4.0, 2.0), (6.0, -5.0), (0.0, 0.0)] {
            for (margin, tie) in [(0.0, false), (0.7, false), (0.7, true)] {
                for (smoothing, centring) in [(0.0, 0.0), (0.1, 0.0), (0.0, 0.01), (0.2, 0.3)] {
                    let said = Said { margin, tie };
                    let constants = Constants {
                        smoothing,
                        centring,
                    };
                    let value = |c, r| loss(c, r, said, constants).0;
                    let (_, dc, dr) = loss(c, r, said, constants);
                    close(dc, (value(c + h, r) - value(c - h, r)) / (2.0 * h), 3e-9);
                    close(dr, (value(c, r + h) - value(c, r - h)) / (2.0 * h), 3e-9);
                }
            }
        }
    }

    #[test]
    fn closed_values_and_ends() {
        let none = Constants {
            smoothing: 0.0,
            centring: 0.0,
        };
        let prefers = Said {
            margin: 0.0,
            tie: false,
        };
        close(loss(1.0, 1.0, prefers, none).0, 2.0_f64.ln(), 1e-15);
        let margin = Said {
            margin: 2.0,
            tie: false,
        };
        close(loss(2.0, 0.0, margin, none).0, 2.0_f64.ln(), 1e-15);
        // 50 apart: e^{−50} to its last digits, and no rounding to 0.
        let (value, slope, _) = loss(50.0, 0.0, prefers, none);
        close(value / (-50.0_f64).exp(), 1.0, 1e-15);
        close(slope / -(-50.0_f64).exp(), 1.0, 1e-15);
        close(loss(-800.0, 0.0, prefers, none).0, 800.0, 0.0);
        // A tie: least where both are equal, whatever the margin, and the same from both sides.
        let tie = Said {
            margin: 3.0,
            tie: true,
        };
        close(loss(5.0, 5.0, tie, none).1, 0.0, 0.0);
        close(
            loss(1.0, 0.0, tie, none).0,
            loss(0.0, 1.0, tie, none).0,
            1e-15,
        );
        // Smoothing: the least loss is at σ(x) = 1 − ε.
        let smooth = Constants {
            smoothing: 0.1,
            centring: 0.0,
        };
        close(loss(9.0_f64.ln(), 0.0, prefers, smooth).1, 0.0, 1e-15);
    }
}
