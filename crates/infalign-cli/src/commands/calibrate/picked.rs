//! Some prompts kept for the diagnostics, in bounded memory and without regard to the order of the file.
//!
//! A prompt is kept while its id's hash has its last m bits 0. Where more is kept than allowed, m grows by one and half of the prompts go:
//! a sample that depends on the ids alone.

use infalign::evaluation::CalibratedPrompt;

/// Rewards that are kept at most: 4 MiB, thousands of prompts of a hundred rewards.
const MOST: usize = 1 << 20;
/// Prompts of which as many are kept whatever their rewards.
const LEAST: usize = 64;

/// Prompts with their rewards in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Picked {
    mask: u64,
    kept: Vec<(u64, String, Vec<f32>)>,
    rewards: usize,
}

impl Picked {
    pub(super) fn insert(&mut self, hash: u64, id: &str, rewards: &[f32]) {
        if hash & self.mask != 0 {
            return;
        }
        self.kept.push((hash, id.to_owned(), rewards.to_vec()));
        self.rewards += rewards.len();
        while self.rewards > MOST && self.kept.len() > LEAST && self.mask < u64::MAX >> 1 {
            self.mask = self.mask << 1 | 1;
            self.kept.retain(|(hash, ..)| hash & self.mask == 0);
            self.rewards = self.kept.iter().map(|(.., r)| r.len()).sum();
        }
    }

    /// Each with its last `check` rewards held against the others, where that leaves any.
    pub(super) fn prompts(&self, check: usize) -> Vec<CalibratedPrompt<'_>> {
        let mut prompts = Vec::with_capacity(self.kept.len());
        for (_, id, rewards) in &self.kept {
            let k = rewards.len().checked_sub(check).filter(|k| *k > 0);
            let (rollouts, fresh) = rewards.split_at(k.unwrap_or(rewards.len()));
            prompts.push(CalibratedPrompt {
                id,
                rollouts,
                fresh,
            });
        }
        prompts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_does_not_depend_on_the_order() {
        let row = vec![0.5_f32; 1 << 10];
        let hash = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let of = |order: &mut dyn Iterator<Item = u64>| {
            let mut picked = Picked::default();
            order.for_each(|i| picked.insert(hash(i), &i.to_string(), &row));
            assert!(picked.rewards <= MOST && picked.kept.len() > LEAST);
            let mut ids: Vec<String> = picked.kept.into_iter().map(|(_, id, _)| id).collect();
            ids.sort();
            ids
        };
        assert_eq!(of(&mut (0..5000)), of(&mut (0..5000).rev()));
    }

    #[test]
    fn what_leaves_nothing_checks_nothing() {
        let mut picked = Picked::default();
        picked.insert(0, "a", &[1.0, 2.0, 3.0]);
        picked.insert(1, "b", &[1.0, 2.0]);
        let prompts = picked.prompts(2);
        assert_eq!(
            (prompts[0].rollouts, prompts[0].fresh),
            (&[1.0][..], &[2.0, 3.0][..])
        );
        assert_eq!(
            (prompts[1].rollouts, prompts[1].fresh),
            (&[1.0, 2.0][..], &[][..])
        );
    }
}
