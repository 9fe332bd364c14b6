//! Which rows of a batch pass through a decoder: every token, or a beginning that sequences share only once.

use std::{ops::Range, sync::Arc};

use burn::Tensor;
use infalign_kernels::attention::{Group, TILE};

use crate::ops::embedding::embedding;

/// Rows as a decoder computes them.
#[derive(Debug, Clone)]
pub(crate) struct Computed {
    /// The token of every row.
    pub(crate) tokens: Arc<[u32]>,
    /// Its position in its sequence, from 0.
    pub(crate) positions: Arc<[u32]>,
    /// Which rows see each other.
    pub(crate) groups: Arc<[Group]>,
    /// The row of every token of the batch, where they are not the same.
    rows: Option<Arc<[u32]>>,
}

impl Computed {
    /// Every token has a row.
    pub(crate) fn alone(tokens: &Arc<[u32]>, offsets: &[usize]) -> Self {
        Self {
            tokens: tokens.clone(),
            positions: (offsets.windows(2))
                .flat_map(|w| 0..number(w[1] - w[0]))
                .collect(),
            groups: Group::each(offsets).into(),
            rows: None,
        }
    }

    /// Beginnings that sequences next to each other share have their rows once; `None` if there are none.
    pub(crate) fn shared(tokens: &[u32], offsets: &[usize]) -> Option<Self> {
        let sequences: Vec<&[u32]> = (offsets.windows(2)).map(|w| &tokens[w[0]..w[1]]).collect();
        let runs = runs(&sequences);
        if runs.iter().all(|(shared, _)| *shared == 0) {
            return None;
        }
        let (mut computed, mut positions, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        let mut rows: Vec<u32> = Vec::with_capacity(tokens.len());
        for (shared, run) in runs {
            let first = number(computed.len());
            let mut add = |tokens: &[u32], from: usize| {
                let row = number(computed.len());
                computed.extend_from_slice(tokens);
                positions.extend(number(from)..number(from + tokens.len()));
                row..row + number(tokens.len())
            };
            let run = &sequences[run];
            add(&run[0][..shared], 0);
            for sequence in run {
                rows.extend(first..first + number(shared));
                rows.extend(add(&sequence[shared..], shared));
            }
            groups.push(Group {
                shared,
                own: run.iter().map(|s| s.len() - shared).collect(),
            });
        }
        Some(Self {
            tokens: computed.into(),
            positions: positions.into(),
            groups: groups.into(),
            rows: Some(rows.into()),
        })
    }

    /// Rows that were computed as those of the batch's tokens.
    pub(crate) fn of_batch(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.rows {
            Some(rows) => embedding(&x, rows, 1.0),
            None => x,
        }
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("batches hold fewer than 2³² rows")
}

/// Tokens, in whole tiles, that two sequences begin with.
pub(crate) fn alike(a: &[u32], b: &[u32]) -> usize {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    same / TILE * TILE
}

/// Runs of sequences with the beginning that each run shares, such that the fewest rows are left.
fn runs(sequences: &[&[u32]]) -> Vec<(usize, Range<usize>)> {
    let next: Vec<usize> = sequences.windows(2).map(|w| alike(w[0], w[1])).collect();
    // saved[n] is the most that the first n sequences can save, and last[n] their last run then: (shared, its first sequence).
    let mut saved = vec![0];
    let mut last = vec![(0, 0)];
    for n in 1..=sequences.len() {
        let mut best = (saved[n - 1], (0, n - 1));
        let mut shared = usize::MAX;
        for first in (0..n - 1).rev() {
            shared = shared.min(next[first]);
            if shared == 0 {
                break;
            }
            let rows = saved[first] + shared * (n - 1 - first);
            if rows > best.0 {
                best = (rows, (shared, first));
            }
        }
        saved.push(best.0);
        last.push(best.1);
    }
    let mut runs = Vec::new();
    let mut end = sequences.len();
    while end > 0 {
        let (shared, first) = last[end];
        runs.push((shared, first..end));
        end = first;
    }
    runs.reverse();
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(sequences: &[Vec<u32>]) -> (Vec<u32>, Vec<usize>) {
        let mut offsets = vec![0];
        offsets.extend(sequences.iter().scan(0, |at, s| {
            *at += s.len();
            Some(*at)
        }));
        (sequences.concat(), offsets)
    }

    /// A prompt and responses that differ from their first token on.
    fn samples(prompt: usize, responses: &[usize]) -> Vec<Vec<u32>> {
        let with = |(n, len): (usize, &usize)| {
            (0..prompt)
                .map(|t| t as u32)
                .chain((0..*len).map(|t| (1000 * (n + 1) + t) as u32))
                .collect()
        };
        responses.iter().enumerate().map(with).collect()
    }

    #[test]
    fn a_prompt_has_its_rows_once() {
        let (tokens, offsets) = batch(&samples(70, &[5, 3, 9]));
        let computed = Computed::shared(&tokens, &offsets).expect("64 tokens are shared");
        let group = Group {
            shared: 64,
            own: vec![11, 9, 15],
        };
        assert_eq!(computed.groups[..], [group]);
        assert_eq!(computed.tokens.len(), 64 + 11 + 9 + 15);
        assert_eq!(computed.positions[64 + 11], 64);
    }

    #[test]
    fn prompts_that_are_short_or_not_alike_are_not_shared() {
        for sequences in [
            samples(31, &[5, 3]),
            vec![vec![1; 64], vec![2; 64]],
            samples(90, &[4]),
        ] {
            let (tokens, offsets) = batch(&sequences);
            assert!(Computed::shared(&tokens, &offsets).is_none());
        }
    }

    #[test]
    fn runs_leave_the_fewest_rows() {
        let groups = [
            samples(320, &[1, 2, 3]),
            samples(32, &[500]),
            samples(160, &[9, 8]),
            vec![vec![7; 50]; 2],
        ];
        let sequences = groups.concat();
        let of_sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let expected = [(320, 0..3), (0, 3..4), (160, 4..6), (32, 6..8)];
        assert_eq!(runs(&of_sequences), expected);
    }

    proptest! {
        /// Every token of the batch finds a row with its token, its position and, in front of it in its group, its whole sequence.
        #[test]
        fn every_token_has_its_row(
            sequences in prop::collection::vec(
                (prop::sample::select(vec![0_usize, 20, 32, 40, 64, 100]), 0_u32..3, 1_usize..40), 1..8)
        ) {
            let sequences: Vec<Vec<u32>> = sequences
                .iter()
                .map(|(shared, kind, own)| {
                    (0..*shared as u32).chain((0..*own as u32).map(|t| 1000 * (kind + 1) + t)).collect()
                })
                .collect();
            let (tokens, offsets) = batch(&sequences);
            if let Some(computed) = Computed::shared(&tokens, &offsets) {
                let rows = computed.rows.clone().expect("rows");
                prop_assert_eq!(rows.len(), tokens.len());
                for (w, sequence) in offsets.windows(2).zip(&sequences) {
                    for (t, (row, token)) in rows[w[0]..w[1]].iter().zip(sequence).enumerate() {
                        prop_assert_eq!(computed.tokens[*row as usize], *token);
                        prop_assert_eq!(computed.positions[*row as usize], t as u32);
                    }
                }
                let held: usize = computed.groups.iter().map(Group::rows).sum();
                prop_assert_eq!(held, computed.tokens.len());
                prop_assert!(held < tokens.len());
            }
        }
    }
}
