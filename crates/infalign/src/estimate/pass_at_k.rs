//! pass@k: the probability that at least one of k responses is correct, from n samples.
//!
//! ```text
//! pass@k = 1 − C(n−c, k) / C(n, k) = 1 − Π_{i=n−c+1}^{n} (1 − k/i)
//! ```
//!
//! for c correct among n (Chen et al. 2021, arXiv 2107.03374, equation 1): unbiased for 1 − (1−q)^k,
//! as C(n−c, k)/C(n, k) is the share of k-subsets without a correct response. The product has c
//! factors in \[0,1\] and loses no digits.
//!
//! | case | result |
//! |---|---|
//! | n = 0 or k = 0 | [`Error::OutOfRange`] |
//! | c > n | [`Error::OutOfRange`] |
//! | k > n | [`Error::TooFewSamples`] |
//! | c = 0 | 0 |
//! | fewer than k wrong | 1 |

use crate::{Error, Result};

/// Unbiased pass@k of one prompt with `correct` of `n` samples correct.
///
/// # Errors
/// [`Error::OutOfRange`] for n = 0, k = 0 or `correct` > n, [`Error::TooFewSamples`] for k > n.
pub fn pass_at_k(correct: usize, n: usize, k: usize) -> Result<f64> {
    Error::range("number of samples", n as f64, n > 0, "at least 1")?;
    Error::range("k", k as f64, k > 0, "at least 1")?;
    Error::range(
        "correct samples",
        correct as f64,
        correct <= n,
        "at most the samples",
    )?;
    if k > n {
        let procedure = format!("pass@{k}");
        return Err(Error::TooFewSamples {
            procedure,
            needed: k,
            have: n,
            side: "policy",
        });
    }
    if n - correct < k {
        return Ok(1.0);
    }
    let none: f64 = (n - correct + 1..=n)
        .map(|i| 1.0 - k as f64 / i as f64)
        .product();
    Ok(1.0 - none)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;

    fn binomial(n: usize, k: usize) -> f64 {
        if k > n {
            0.0
        } else {
            (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product()
        }
    }

    #[test]
    fn it_is_unbiased() {
        for (n, q) in [(5, 0.3), (12, 0.04), (20, 0.9)] {
            for k in 1..=n {
                let mean: f64 = (0..=n)
                    .map(|c| {
                        let chance = binomial(n, c)
                            * f64::powi(q, c as i32)
                            * f64::powi(1.0 - q, (n - c) as i32);
                        chance * pass_at_k(c, n, k).unwrap()
                    })
                    .sum();
                let exact = 1.0 - f64::powi(1.0 - q, k as i32);
                assert!(
                    (mean - exact).abs() < 1e-12,
                    "n = {n}, k = {k}: {mean}, {exact}"
                );
            }
        }
    }

    #[test]
    fn edges() {
        assert_eq!(pass_at_k(0, 10, 5), Ok(0.0));
        assert_eq!(pass_at_k(6, 10, 5), Ok(1.0));
        assert_eq!(pass_at_k(1, 10, 10), Ok(1.0));
        assert_eq!(pass_at_k(3, 10, 1), Ok(1.0 - 0.7));
        for bad in [pass_at_k(0, 0, 1), pass_at_k(1, 4, 0), pass_at_k(5, 4, 2)] {
            assert!(matches!(bad, Err(Error::OutOfRange { .. })));
        }
        let few = pass_at_k(1, 4, 5);
        assert!(matches!(
            few,
            Err(Error::TooFewSamples {
                needed: 5,
                have: 4,
                ..
            })
        ));
    }
}
