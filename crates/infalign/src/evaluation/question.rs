//! What an evaluation is asked.

use super::{Deployed, Judge};
use crate::{Error, Result, registry};

/// What to measure.
#[derive(Debug, Clone)]
pub struct Question {
    /// Name of the base policy.
    pub base: String,
    /// Who decides wins, in the order of the samples' rewards: the training reward first.
    pub judges: Vec<Judge>,
    /// Procedures of deployment.
    pub procedures: Vec<Deployed>,
    /// Which policies to compare with each other by their win rates against the base.
    pub comparisons: Pairs,
    /// Which policies to let win against each other.
    pub duels: Pairs,
    /// Seed of the breaking of ties; the responses come with their own.
    pub seed: u64,
}

/// Pairs of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pairs {
    /// No pair.
    None,
    /// Every pair, the one listed earlier on the right: what comes later is compared with what came before.
    All,
    /// These, by name: (left, right).
    Of(Vec<(String, String)>),
}

impl Pairs {
    /// The pairs as positions among `names`.
    pub(super) fn among(&self, names: &[&str]) -> Result<Vec<(usize, usize)>> {
        let find = |name: &String| {
            names
                .iter()
                .position(|n| n == name)
                .ok_or_else(|| Error::Unknown {
                    kind: "policy",
                    given: name.clone(),
                    nearest: registry::nearest(name, names),
                    known: names.join(", "),
                })
        };
        match self {
            Self::None => Ok(Vec::new()),
            Self::All => {
                let later = |right| (right + 1..names.len()).map(move |left| (left, right));
                Ok((0..names.len()).flat_map(later).collect())
            }
            Self::Of(pairs) => pairs
                .iter()
                .map(|(l, r)| Ok((find(l)?, find(r)?)))
                .collect(),
        }
    }
}

impl Question {
    /// Something to measure, judges told apart by name, and thresholds that are numbers.
    pub(super) fn check(&self) -> Result<()> {
        if self.procedures.is_empty() {
            let name = "the list of procedures";
            return Err(Error::Empty { name });
        }
        for (i, judge) in self.judges.iter().enumerate() {
            if self.judges[..i].iter().any(|j| j.name == judge.name) {
                let (kind, name) = ("judge", judge.name.clone());
                return Err(Error::Duplicate { kind, name });
            }
            if let Some(threshold) = judge.threshold {
                let (name, allowed) = ("threshold of a judge", "a finite number");
                Error::range(name, threshold, threshold.is_finite(), allowed)?;
            }
        }
        Ok(())
    }
}
