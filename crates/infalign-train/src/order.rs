//! The order of the data: for every epoch a permutation that seed and epoch alone decide.
//!
//! ```text
//! key        = seed (8 bytes, little-endian) ‖ epoch (8) ‖ stream (8) ‖ "infalign"
//! π_epoch    : for i = n−1 … 1 swap π[i], π[j], j uniform on 0..=i        (Fisher–Yates)
//! the data   : π_0(0) … π_0(n−1) π_1(0) … π_1(n−1) π_2(0) …
//! batch b    : the data at places b·B … b·B + B−1
//! ```
//!
//! Fisher–Yates: Durstenfeld, CACM 7(7), 1964, algorithm 235. Uniform integers: Lemire's
//! multiply-and-reject, arXiv 1805.10941, algorithm 5, written out here so that no change of a
//! library changes an order; the generator is `ChaCha8`, whose stream is fixed by its key.
//!
//! A batch at the end of an epoch is filled up from the next epoch: nothing is left out, every item
//! is seen exactly once in each epoch, and every batch is full. (With n < B an item can stand in a
//! batch more than once.) The state is (epoch, position), so that an order can be taken up anywhere
//! without replaying what came before.
//!
//! | input | outcome |
//! |---|---|
//! | n = 0, n ≥ 2³² | an error |
//! | position = n | the beginning of the next epoch |
//! | position > n | an error: the data have changed |

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A place in the data: `position` items of `epoch` have been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Epochs that are done, 0-based number of the current one.
    pub epoch: u64,
    /// Items of the current epoch that have been taken.
    pub position: u64,
}

/// Walks through a data set of n items, epoch after epoch.
///
/// Memory: 4 bytes an item.
#[derive(Debug, Clone)]
pub struct Order {
    seed: u64,
    cursor: Cursor,
    permutation: Vec<u32>, // (n), of the current epoch
}

impl Order {
    /// The order of `items` items by `seed`, to go on from `cursor`.
    ///
    /// # Errors
    /// [`Error::OrderItems`] for no items or 2³² and more; [`Error::OrderCursor`] for a cursor
    /// beyond them.
    pub fn new(items: u64, seed: u64, cursor: Cursor) -> Result<Self> {
        let count = u32::try_from(items).ok().filter(|&n| n > 0);
        let Some(count) = count else {
            return Err(Error::OrderItems { items });
        };
        if cursor.position > items {
            return Err(Error::OrderCursor {
                position: cursor.position,
                items,
            });
        }
        Ok(Self {
            seed,
            cursor,
            permutation: permutation(count, seed, cursor.epoch),
        })
    }

    /// Where the order stands: what [`Order::new`] needs to go on.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Number of items n.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.permutation.len()
    }

    /// The next item, below n.
    pub fn next_item(&mut self) -> u32 {
        let n = self.permutation.len();
        if self.cursor.position >= n as u64 {
            self.cursor = Cursor {
                epoch: self.cursor.epoch.wrapping_add(1),
                position: 0,
            };
            self.permutation = permutation(n as u32, self.seed, self.cursor.epoch);
        }
        let item = self.permutation[self.cursor.position as usize];
        self.cursor.position += 1;
        item
    }

    /// The next `size` items.
    pub fn next_batch(&mut self, size: usize) -> Vec<u32> {
        (0..size).map(|_| self.next_item()).collect()
    }
}

/// A permutation of 0..n, the same for the same seed and epoch on every machine.
#[must_use]
pub fn permutation(n: u32, seed: u64, epoch: u64) -> Vec<u32> {
    let mut items: Vec<u32> = (0..n).collect();
    shuffle(&mut items, &mut generator(seed, epoch, 0));
    items
}

/// The generator of a stream of draws; equal keys give equal draws.
pub(crate) fn generator(seed: u64, epoch: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (slot, part) in key.chunks_exact_mut(8).zip([
        seed.to_le_bytes(),
        epoch.to_le_bytes(),
        stream.to_le_bytes(),
        *b"infalign",
    ]) {
        slot.copy_from_slice(&part);
    }
    ChaCha8Rng::from_seed(key)
}

/// Puts items into an order that the generator draws.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(i as u64 + 1, rng) as usize);
    }
}

/// Uniform on 0..bound, without bias; `bound` is at least 1.
fn below(bound: u64, rng: &mut ChaCha8Rng) -> u64 {
    let mut product = u128::from(rng.next_u64()) * u128::from(bound);
    if (product as u64) < bound {
        let rejected = bound.wrapping_neg() % bound; // 2⁶⁴ mod bound
        while (product as u64) < rejected {
            product = u128::from(rng.next_u64()) * u128::from(bound);
        }
    }
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_order_that_was_written_down() {
        // From ChaCha8 (RFC 8439's block function with 8 rounds) and the formulae above, written in
        // Python. Other machines and later versions must agree with checkpoints made before.
        assert_eq!(permutation(10, 1, 0), [5, 8, 0, 4, 9, 6, 1, 7, 2, 3]);
        assert_ne!(permutation(10, 1, 1), permutation(10, 1, 0));
        assert_ne!(permutation(10, 2, 0), permutation(10, 1, 0));
    }
    #[test]
    fn every_epoch_holds_every_item_once_and_batches_run_over_its_end() {
        let mut order = Order::new(7, 3, Cursor::default()).unwrap();
        let seen: Vec<u32> = (0..7).flat_map(|_| order.next_batch(3)).collect(); // three epochs
        for epoch in seen.chunks(7) {
            let mut items = epoch.to_vec();
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3, 4, 5, 6]);
        }
        assert_eq!(
            order.cursor(),
            Cursor {
                epoch: 2,
                position: 7
            }
        );
    }

    #[test]
    fn places_are_equally_likely() {
        // χ² over 5 places of item 0 in 20,000 epochs: 4 degrees, 18.5 has probability 0.001.
        let mut counts = [0_f64; 5];
        for epoch in 0..20_000 {
            let place = permutation(5, 11, epoch)
                .iter()
                .position(|&i| i == 0)
                .unwrap();
            counts[place] += 1.0;
        }
        let chi2: f64 = counts.iter().map(|c| (c - 4000.0).powi(2) / 4000.0).sum();
        assert!(chi2 < 18.5, "{chi2} {counts:?}");
    }

    #[test]
    fn impossible_orders() {
        let refused = |n, position| Order::new(n, 0, Cursor { epoch: 0, position }).unwrap_err();
        assert!(matches!(refused(0, 0), Error::OrderItems { items: 0 }));
        assert!(matches!(refused(1 << 33, 0), Error::OrderItems { .. }));
        assert!(matches!(
            refused(3, 4),
            Error::OrderCursor {
                position: 4,
                items: 3
            }
        ));
    }

    proptest! {
        #[test]
        fn taken_up_anywhere_it_goes_on_the_same(
            n in 1_u64..40, seed: u64, before in 0_usize..100, size in 1_usize..9,
        ) {
            let mut whole = Order::new(n, seed, Cursor::default()).unwrap();
            whole.next_batch(before);
            let mut again = Order::new(n, seed, whole.cursor()).unwrap();
            prop_assert_eq!(whole.next_batch(size), again.next_batch(size));
            prop_assert_eq!(whole.cursor(), again.cursor());
        }
    }
}
