//! Which order statistic of m samples a procedure outputs when it draws without replacement.
//!
//! A procedure T that keeps the j-th smallest of N draws, applied to N of m samples chosen without
//! replacement, outputs the i-th smallest of the m with probability (MATH.md §6)
//!
//! ```text
//! P_i = C(i−1, j−1) C(m−i, N−j) / C(m, N)          i = j … m−N+j, else 0
//! ```
//!
//! Best-of-N is j = N, worst-of-N is j = 1, plain sampling is N = 1. `P_i` is the negative
//! hypergeometric law; averaged over the m samples it makes every statistic of T's output a
//! U-statistic, hence unbiased. Nothing is rounded through large binomials: the ratio
//!
//! ```text
//! P_{i+1} / P_i = i (m−i−N+j) / ((i−j+1) (m−i))
//! ```
//!
//! is followed from the mode outwards and the result is normalised, so that each `P_i` is right to
//! about m·ε relatively and the far tails underflow to zero harmlessly.
//!
//! | case | result |
//! |---|---|
//! | m = 0, N = 0, j = 0, j > N | [`Error::OutOfRange`] |
//! | N > m | [`Error::TooFewSamples`]: an unbiased estimate does not exist |
//! | N = m | all mass on i = j |
//! | mixture weights negative, NaN, or not summing to 1 | [`Error::BadValue`], [`Error::OutOfRange`] |

use crate::{Error, Result};

/// The probability that T outputs the i-th smallest of m samples, for every i.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderLaw {
    /// `mass[i]` is the probability of the (i+1)-th smallest sample.
    mass: Vec<f64>,
    /// `below[i]` is the probability of the i smallest samples together; m + 1 values from 0 to 1.
    below: Vec<f64>,
}

impl OrderLaw {
    /// One plain sample: every order statistic alike.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when m = 0.
    pub fn plain(m: usize) -> Result<Self> {
        Self::named("standard".into(), 1, 1, m)
    }

    /// The largest of N.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when N or m is 0, [`Error::TooFewSamples`] when N > m.
    pub fn best_of(n: usize, m: usize) -> Result<Self> {
        Self::named(format!("best-of:{n}"), n, n, m)
    }

    /// The smallest of N.
    ///
    /// # Errors
    /// As [`OrderLaw::best_of`].
    pub fn worst_of(n: usize, m: usize) -> Result<Self> {
        Self::named(format!("worst-of:{n}"), 1, n, m)
    }

    /// The j-th smallest of N, 1 ≤ j ≤ N.
    ///
    /// # Errors
    /// As [`OrderLaw::best_of`], and [`Error::OutOfRange`] when j is not in 1..=N.
    pub fn order(j: usize, n: usize, m: usize) -> Result<Self> {
        Self::named(format!("order:{j}/{n}"), j, n, m)
    }

    /// A procedure drawn anew, with these weights, each time that one is needed.
    ///
    /// Used on both sides of a win rate this is the mixture of MATH.md §2: policy and base draw
    /// their procedure from the same weights, independently of each other. For an N that both
    /// sides share, average the win rates of the parts instead.
    ///
    /// # Errors
    /// [`Error::Empty`] without parts; [`Error::BadValue`] for a weight that is not in \[0,1\];
    /// [`Error::OutOfRange`] when the weights do not sum to 1 (within 1e−9); [`Error::Lengths`] when
    /// the parts are for different m.
    pub fn mixture(parts: &[(f64, Self)]) -> Result<Self> {
        let Some((_, first)) = parts.first() else {
            return Err(Error::Empty { name: "mixture" });
        };
        let mut mass = vec![0.0; first.samples()];
        for (index, (weight, law)) in parts.iter().enumerate() {
            if !(0.0..=1.0).contains(weight) {
                let (name, allowed) = ("mixture weights", "in [0, 1]");
                return Err(Error::BadValue {
                    name,
                    index,
                    value: *weight,
                    allowed,
                });
            }
            if law.samples() != mass.len() {
                return Err(Error::Lengths {
                    left: "first law of the mixture",
                    left_len: mass.len(),
                    right: "a later one",
                    right_len: law.samples(),
                });
            }
            for (total, p) in mass.iter_mut().zip(&law.mass) {
                *total += weight * p;
            }
        }
        let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
        Error::range(
            "sum of mixture weights",
            total,
            (total - 1.0).abs() <= 1e-9,
            "1",
        )?;
        Ok(Self::normalised(mass))
    }

    /// The number m of samples that the law is for.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.mass.len()
    }

    /// P(output is the (i+1)-th smallest), i from 0; m values that sum to 1.
    #[must_use]
    pub fn mass(&self) -> &[f64] {
        &self.mass
    }

    /// P(output is among the i smallest), i from 0 to m; m + 1 values from 0 to 1.
    #[must_use]
    pub fn below(&self) -> &[f64] {
        &self.below
    }

    fn named(procedure: String, j: usize, n: usize, m: usize) -> Result<Self> {
        Error::range("number of samples", m as f64, m > 0, "at least 1")?;
        Error::range("N", n as f64, n > 0, "at least 1")?;
        Error::range("J", j as f64, (1..=n).contains(&j), "from 1 to N")?;
        if n > m {
            let side = "policy or base";
            return Err(Error::TooFewSamples {
                procedure,
                needed: n,
                have: m,
                side,
            });
        }
        let ratio = |i: usize| {
            let (i, j, n, m) = (i as f64, j as f64, n as f64, m as f64);
            i * (m - i - n + j) / ((i - j + 1.0) * (m - i))
        };
        let (first, last) = (j, m - n + j);
        // The law is log-concave: the mode is where the ratio first falls to 1.
        let mode = first + (first..last).take_while(|&i| ratio(i) > 1.0).count();
        let mut mass = vec![0.0; m];
        mass[mode - 1] = 1.0;
        for i in mode..last {
            mass[i] = mass[i - 1] * ratio(i);
        }
        for i in (first..mode).rev() {
            mass[i - 1] = mass[i] / ratio(i);
        }
        Ok(Self::normalised(mass))
    }

    fn normalised(mut mass: Vec<f64>) -> Self {
        let total: f64 = mass.iter().sum();
        for p in &mut mass {
            *p /= total;
        }
        let mut below = Vec::with_capacity(mass.len() + 1);
        below.push(0.0);
        let mut sum = 0.0;
        for p in &mass {
            sum += p;
            below.push(sum);
        }
        below[mass.len()] = 1.0;
        Self { mass, below }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use statrs::function::factorial::ln_binomial;

    fn binomial(n: usize, k: usize) -> f64 {
        if k > n {
            0.0
        } else {
            (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product()
        }
    }

    #[test]
    fn the_law_is_the_negative_hypergeometric_one() {
        for m in 1..=12 {
            for n in 1..=m {
                for j in 1..=n {
                    let law = OrderLaw::order(j, n, m).unwrap();
                    for i in 1..=m {
                        let exact =
                            binomial(i - 1, j - 1) * binomial(m - i, n - j) / binomial(m, n);
                        assert!(
                            (law.mass()[i - 1] - exact).abs() < 1e-14,
                            "{j}/{n} of {m} at {i}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn named_laws_are_orders() {
        assert_eq!(
            OrderLaw::best_of(4, 9).unwrap(),
            OrderLaw::order(4, 4, 9).unwrap()
        );
        assert_eq!(
            OrderLaw::worst_of(4, 9).unwrap(),
            OrderLaw::order(1, 4, 9).unwrap()
        );
        for p in OrderLaw::plain(7).unwrap().mass() {
            assert!((p - 1.0 / 7.0).abs() < 1e-16);
        }
        let mut mirrored = OrderLaw::worst_of(4, 9).unwrap().mass().to_vec();
        mirrored.reverse();
        for (x, y) in mirrored.iter().zip(OrderLaw::best_of(4, 9).unwrap().mass()) {
            assert!((x - y).abs() < 1e-15);
        }
    }

    #[test]
    fn large_samples_agree_with_log_binomials() {
        let (j, n, m) = (700, 1024, 8192);
        let law = OrderLaw::order(j, n, m).unwrap();
        let c = |n: usize, k: usize| ln_binomial(n as u64, k as u64);
        for i in (j..=m - n + j).step_by(37) {
            let log = c(i - 1, j - 1) + c(m - i, n - j) - c(m, n);
            let got = law.mass()[i - 1];
            // ln C(8192, ·) carries about 8192·ln 8192·ε ≈ 2e−11.
            assert!(
                (got - log.exp()).abs() <= 1e-9 * log.exp() + 1e-300,
                "at {i}"
            );
        }
        let mean: f64 = law
            .mass()
            .iter()
            .zip(1..)
            .map(|(p, i)| p * f64::from(i))
            .sum();
        let exact = j as f64 * (m + 1) as f64 / (n + 1) as f64;
        assert!((mean - exact).abs() < 1e-8, "{mean} against {exact}");
    }

    #[test]
    fn edges() {
        assert_eq!(OrderLaw::best_of(3, 3).unwrap().mass(), [0.0, 0.0, 1.0]);
        assert_eq!(OrderLaw::order(2, 3, 3).unwrap().mass(), [0.0, 1.0, 0.0]);
        let too_few = OrderLaw::best_of(8, 4).unwrap_err();
        assert!(
            matches!(
                too_few,
                Error::TooFewSamples {
                    needed: 8,
                    have: 4,
                    ..
                }
            ),
            "{too_few}"
        );
        for bad in [
            OrderLaw::plain(0),
            OrderLaw::best_of(0, 4),
            OrderLaw::order(0, 2, 4),
        ] {
            assert!(matches!(bad, Err(Error::OutOfRange { .. })));
        }
        assert!(matches!(
            OrderLaw::order(3, 2, 4),
            Err(Error::OutOfRange { .. })
        ));
    }

    #[test]
    fn a_mixture_is_the_weighted_sum() {
        let (one, four) = (
            OrderLaw::plain(6).unwrap(),
            OrderLaw::best_of(4, 6).unwrap(),
        );
        let law = OrderLaw::mixture(&[(0.25, one.clone()), (0.75, four.clone())]).unwrap();
        for i in 0..6 {
            let exact = 0.25 * one.mass()[i] + 0.75 * four.mass()[i];
            assert!((law.mass()[i] - exact).abs() < 1e-15);
        }
        assert!(matches!(OrderLaw::mixture(&[]), Err(Error::Empty { .. })));
        let half = [(0.5, one.clone())];
        assert!(matches!(
            OrderLaw::mixture(&half),
            Err(Error::OutOfRange { .. })
        ));
        let nan = [(f64::NAN, one.clone()), (1.0, four)];
        assert!(matches!(
            OrderLaw::mixture(&nan),
            Err(Error::BadValue { index: 0, .. })
        ));
        let uneven = [(0.5, one), (0.5, OrderLaw::plain(3).unwrap())];
        assert!(matches!(
            OrderLaw::mixture(&uneven),
            Err(Error::Lengths { .. })
        ));
    }
}
