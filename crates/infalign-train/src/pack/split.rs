//! Which documents are held out for validation: decided by seed and position alone.
//!
//! Document i is held out when hash(seed, i) < fraction · 2⁶⁴, where the hash is `SplitMix64`
//! (Steele, Lea & Flood, OOPSLA 2014, with the finaliser's constants of Vigna) of the two. More
//! documents at the end of a file change nothing about those before them.
//!
//! | input | outcome |
//! |---|---|
//! | fraction 0 | nothing is held out |
//! | no hash is small enough | the document with the smallest is held out |
//! | all are | the document with the largest is kept for training |
//! | one document, fraction > 0 | an error |

use crate::error::{Error, Result};

/// A division of documents into training and validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    seed: u64,
    threshold: f64,
    held_out: Option<u64>,
    kept: Option<u64>,
}

impl Split {
    /// Of `documents` documents.
    pub(super) fn new(documents: u64, fraction: f64, seed: u64) -> Result<Self> {
        if !(0.0..1.0).contains(&fraction) {
            return Err(Error::Setting {
                field: "validation",
                value: fraction.to_string(),
                allowed: "a fraction of the documents, from 0 to below 1",
            });
        }
        let mut split = Self {
            seed,
            threshold: fraction * 2_f64.powi(64),
            held_out: None,
            kept: None,
        };
        if fraction > 0.0 {
            if documents < 2 {
                return Err(Error::OneDocument);
            }
            split.held_out = (0..documents).min_by_key(|&i| hash(seed, i));
            split.kept = (0..documents).max_by_key(|&i| hash(seed, i));
        }
        Ok(split)
    }

    /// Whether the document is for validation.
    pub(super) fn holds_out(&self, document: u64) -> bool {
        if self.held_out == Some(document) {
            return true;
        }
        self.kept != Some(document) && (hash(self.seed, document) as f64) < self.threshold
    }
}

fn hash(seed: u64, document: u64) -> u64 {
    mix(mix(seed).wrapping_add(document))
}

const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn count(documents: u64, fraction: f64) -> usize {
        let split = Split::new(documents, fraction, 5).unwrap();
        (0..documents).filter(|&i| split.holds_out(i)).count()
    }

    #[test]
    fn splitmix_as_published() {
        // The first two outputs of the reference generator seeded with 0.
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(mix(0x9E37_79B9_7F4A_7C15), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn about_the_fraction_is_held_out_and_never_none_nor_all() {
        // Binomial(20,000, 0.01): 200 ± 14; five standard deviations.
        assert!((130..=270).contains(&count(20_000, 0.01)));
        assert_eq!(count(100, 0.0), 0);
        assert_eq!(count(50, 1e-12), 1);
        assert_eq!(count(50, 1.0 - 1e-12), 49);
        assert_eq!(count(2, 0.5), 1);
    }

    #[test]
    fn later_documents_change_nothing() {
        let (short, long) = (
            Split::new(500, 0.1, 5).unwrap(),
            Split::new(900, 0.1, 5).unwrap(),
        );
        assert!((0..500).all(|i| short.holds_out(i) == long.holds_out(i)));
        let other = Split::new(500, 0.1, 6).unwrap();
        assert!((0..500).any(|i| short.holds_out(i) != other.holds_out(i)));
    }

    #[test]
    fn impossible_splits() {
        assert!(matches!(Split::new(1, 0.1, 0), Err(Error::OneDocument)));
        for fraction in [-0.1, 1.0, f64::NAN] {
            assert!(matches!(
                Split::new(9, fraction, 0),
                Err(Error::Setting { .. })
            ));
        }
    }
}
