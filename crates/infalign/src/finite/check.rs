//! Whether a procedure's vector-Jacobian product is the derivative of its map: the test that a user's own should pass first.

use super::{
    policy::{checked_masses, same_length},
    set::FiniteProcedure,
};
use crate::Result;

/// Relative step of the difference quotient: its error is of the order of the square, with N² in front for N draws.
const STEP: f64 = 1e-5;

/// The largest difference between `vjp` and central difference quotients of `Σ_z T(π)(z) c(z)`, over the directions that scale one
/// mass by 1 ± ε and the others so that the sum stays, per unit of ε. About 10⁻⁹ N² for a correct procedure of N draws.
///
/// # Errors
/// [`crate::Error::Empty`], [`crate::Error::BadValue`], [`crate::Error::Masses`], [`crate::Error::Lengths`].
pub fn vjp_error(
    procedure: &dyn FiniteProcedure,
    policy: &[f64],
    cotangent: &[f64],
) -> Result<f64> {
    let policy = checked_masses("policy masses", policy, true)?;
    same_length("policy masses", &policy, "cotangent", cotangent)?;
    let product = procedure.vjp(&policy, cotangent);
    same_length("policy masses", &policy, "the procedure's output", &product)?;
    let mean: f64 = product.iter().zip(&policy).map(|(r, p)| r * p).sum();
    let total = |y: usize, step: f64| -> f64 {
        let moved: Vec<f64> = policy
            .iter()
            .enumerate()
            .map(|(z, p)| p * (1.0 + step * (f64::from(z == y) - policy[y])))
            .collect();
        let output = procedure.apply(&moved);
        output.iter().zip(cotangent).map(|(t, c)| t * c).sum()
    };
    let errors = policy.iter().enumerate().map(|(y, p)| {
        let quotient = (total(y, STEP) - total(y, -STEP)) / (2.0 * STEP);
        (quotient - p * (product[y] - mean)).abs()
    });
    Ok(errors.fold(0.0, f64::max))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "masses are valid")]

    use super::*;

    /// T(π) ∝ π², whose product is given with or without its normaliser's part.
    #[derive(Debug)]
    struct Square {
        whole: bool,
    }

    impl FiniteProcedure for Square {
        fn apply(&self, policy: &[f64]) -> Vec<f64> {
            let sum: f64 = policy.iter().map(|p| p * p).sum();
            policy.iter().map(|p| p * p / sum).collect()
        }

        fn vjp(&self, policy: &[f64], cotangent: &[f64]) -> Vec<f64> {
            let sum: f64 = policy.iter().map(|p| p * p).sum();
            let output = self.apply(policy);
            let mean: f64 = output.iter().zip(cotangent).map(|(t, c)| t * c).sum();
            let mean = if self.whole { mean } else { 0.0 };
            let places = policy.iter().zip(cotangent);
            places.map(|(p, c)| 2.0 * p * (c - mean) / sum).collect()
        }
    }

    #[test]
    fn a_wrong_product_is_noticed() {
        let error = |whole| vjp_error(&Square { whole }, &[0.2, 0.3, 0.5], &[1.0, 0.0, 2.0]);
        assert!(error(true).unwrap() < 1e-9);
        assert!(error(false).unwrap() > 0.05);
    }

    #[test]
    fn lists_must_belong_together() {
        let square = Square { whole: true };
        assert!(vjp_error(&square, &[0.5, 0.5], &[1.0]).is_err());
        assert!(vjp_error(&square, &[], &[]).is_err());
        assert!(vjp_error(&square, &[0.5, f64::NAN], &[1.0, 2.0]).is_err());
    }
}
