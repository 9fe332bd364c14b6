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
