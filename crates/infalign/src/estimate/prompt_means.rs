//! Averages the samples of each prompt first, then takes prompts as the independent unit.
//!
//! | case | result |
//! |---|---|
//! | nothing inserted | [`crate::Error::Empty`] at `finish` |
//! | prompts with different numbers of samples | each prompt counts once |
//! | NaN or ±∞ | [`crate::Error::BadValue`] at `insert`, naming the prompt |

use std::collections::BTreeMap;

use super::Estimate;
use crate::{Error, Result};

/// Sums and counts per prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptMeans {
    prompts: BTreeMap<usize, (f64, usize)>,
}

impl PromptMeans {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one sample of a prompt, named by any number that is its own.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a value that is not finite; the index is the prompt.
    pub fn insert(&mut self, prompt: usize, value: f64) -> Result<()> {
        if !value.is_finite() {
            let (name, allowed) = ("samples of prompt", "finite");
            return Err(Error::BadValue {
                name,
                index: prompt,
                value,
                allowed,
            });
        }
        let (sum, count) = self.prompts.entry(prompt).or_default();
        *sum += value;
        *count += 1;
        Ok(())
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Self) {
        for (&prompt, &(sum, count)) in &other.prompts {
            let mine = self.prompts.entry(prompt).or_default();
            mine.0 += sum;
            mine.1 += count;
        }
    }

    /// Whether no sample has been inserted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// One mean per prompt, in the order of the prompts' numbers.
    #[must_use]
    pub fn means(&self) -> Vec<f64> {
        self.prompts
            .values()
            .map(|&(sum, count)| sum / count as f64)
            .collect()
    }

    /// The mean over prompts.
    ///
    /// # Errors
    /// As [`Estimate::from_values`].
    pub fn finish(&self) -> Result<Estimate> {
        Estimate::from_values(&self.means())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;

    #[test]
    fn a_prompt_counts_once_however_many_samples_it_has() {
        let mut all = PromptMeans::new();
        for value in [1.0, 2.0, 3.0] {
            all.insert(7, value).unwrap();
        }
        let mut later = PromptMeans::new();
        later.insert(1, 6.0).unwrap();
        later.insert(7, 6.0).unwrap();
        all.merge(&later);
        assert_eq!(all.means(), [6.0, 3.0]);
        assert_eq!(all.finish(), Estimate::from_values(&[6.0, 3.0]));
    }

    #[test]
    fn edges() {
        let mut means = PromptMeans::new();
        assert!(matches!(means.finish(), Err(Error::Empty { .. })));
        let bad = means.insert(3, f64::NAN);
        assert!(matches!(bad, Err(Error::BadValue { index: 3, .. })));
        assert!(means.means().is_empty());
    }
}
