//! A batch of sequences: inputs and targets end to end, padded only where a model wants it.

/// The target of a position that is not learned.
pub const IGNORED: i32 = -100;

/// Sequences of one batch.
///
/// # Shapes
/// B sequences of lengths `L_b`; `inputs` and `targets` hold Σ `L_b` positions, sequence after
/// sequence. Position t's target is the token at t + 1, or [`IGNORED`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Token ids, (Σ L).
    pub inputs: Vec<u32>,
    /// Token ids or [`IGNORED`], (Σ L).
    pub targets: Vec<i32>,
    /// Lengths, (B), each at least 1.
    pub lengths: Vec<usize>,
}

/// A batch as a rectangle.
///
/// # Shapes
/// (rows, columns) row by row; padding stands at the end of rows and has target [`IGNORED`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Padded {
    /// Token ids, (rows, columns).
    pub inputs: Vec<u32>,
    /// Token ids or [`IGNORED`], (rows, columns).
    pub targets: Vec<i32>,
    /// Number of sequences.
    pub rows: usize,
    /// The longest length.
    pub columns: usize,
}

impl Batch {
    /// Adds a sequence of L + 1 tokens; `learned(t)` says whether the token at t ≥ 1 is a target.
    pub(super) fn push(&mut self, tokens: &[u32], learned: impl Fn(usize) -> bool) {
        let length = tokens.len() - 1;
        self.inputs.extend_from_slice(&tokens[..length]);
        let targets = (1..=length).map(|t| match learned(t) {
            true => tokens[t] as i32,
            false => IGNORED,
        });
        self.targets.extend(targets);
        self.lengths.push(length);
    }

    /// Number of targets that are learned.
    #[must_use]
    pub fn learned(&self) -> usize {
        self.targets.iter().filter(|&&t| t != IGNORED).count()
    }

    /// As a rectangle, filled up with `pad`.
    #[must_use]
    pub fn padded(&self, pad: u32) -> Padded {
        let rows = self.lengths.len();
        let columns = self.lengths.iter().copied().max().unwrap_or(0);
        let mut inputs = Vec::with_capacity(rows * columns);
        let mut targets = Vec::with_capacity(rows * columns);
        let mut start = 0;
        for (row, length) in (1..).zip(&self.lengths) {
            inputs.extend_from_slice(&self.inputs[start..start + length]);
            targets.extend_from_slice(&self.targets[start..start + length]);
            inputs.resize(row * columns, pad);
            targets.resize(row * columns, IGNORED);
            start += length;
        }
        Padded {
            inputs,
            targets,
            rows,
            columns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_next_tokens_and_padding_is_ignored() {
        let mut batch = Batch::default();
        batch.push(&[1, 2, 3, 4], |t| t >= 2);
        batch.push(&[5, 6], |_| true);
        assert_eq!(batch.inputs, [1, 2, 3, 5]);
        assert_eq!(batch.targets, [IGNORED, 3, 4, 6]);
        assert_eq!(
            (batch.lengths.as_slice(), batch.learned()),
            (&[3, 1][..], 3)
        );
        let padded = batch.padded(9);
        assert_eq!(padded.inputs, [1, 2, 3, 5, 9, 9]);
        assert_eq!(padded.targets, [IGNORED, 3, 4, 6, IGNORED, IGNORED]);
        assert_eq!((padded.rows, padded.columns), (2, 3));
    }
}
