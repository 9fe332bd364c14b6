//! The spread of counts: exact quantiles from how often each value came.
//!
//! The quantile q of n values is the ⌈q·n⌉-th lowest: a value that is there.

use std::collections::BTreeMap;

use serde::Serialize;

/// Quantiles of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// The lowest.
    pub min: u64,
    /// A quarter is not above.
    pub q25: u64,
    /// Half is not above.
    pub median: u64,
    /// Three quarters are not above.
    pub q75: u64,
    /// 99% are not above.
    pub q99: u64,
    /// The highest.
    pub max: u64,
    /// Their mean.
    pub mean: f64,
}

/// How often each value came.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<u64, u64>);

impl Counts {
    pub(super) fn insert(&mut self, value: u64) {
        *self.0.entry(value).or_default() += 1;
    }

    /// `None` when nothing came.
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    pub(super) fn finish(&self) -> Option<Spread> {
        let (&min, _) = self.0.first_key_value()?;
        let (&max, _) = self.0.last_key_value()?;
        let count: u64 = self.0.values().sum();
        let sum: f64 = self.0.iter().map(|(&v, &n)| v as f64 * n as f64).sum();
        let quantile = |percent: u64| {
            // ⌈percent·count/100⌉ without overflow
            let rank = u128::from(percent) * u128::from(count);
            let rank = rank.div_ceil(100);
            let mut below = 0_u128;
            let found = self.0.iter().find(|(_, n)| {
                below += u128::from(**n);
                below >= rank
            });
            found.map_or(max, |(&value, _)| value)
        };
        Some(Spread {
            count,
            min,
            q25: quantile(25),
            median: quantile(50),
            q75: quantile(75),
            q99: quantile(99),
            max,
            mean: sum / count as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values() {
        let mut counts = Counts::default();
        assert!(counts.finish().is_none());
        for value in [7, 1, 3, 3, 9] {
            counts.insert(value);
        }
        let expected = Spread {
            count: 5,
            min: 1,
            q25: 3, // ⌈1.25⌉ = the 2nd of 1 3 3 7 9
            median: 3,
            q75: 7, // ⌈3.75⌉ = the 4th
            q99: 9,
            max: 9,
            mean: 4.6,
        };
        assert_eq!(counts.finish(), Some(expected));
    }
}
