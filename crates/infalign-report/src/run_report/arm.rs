//! Arms of a run: policies that differ only in the seed of their training, summed up as one by [`over_seeds`].
//!
//! Two policies of one reward, designed-for, budget and seed are arms of their own, under their own names.

use infalign::{
    estimate::{Estimate, over_seeds},
    evaluation::{Evaluation, PolicyResult, WinRate},
};

/// Policies that differ only in their seed.
#[derive(Debug, Clone)]
pub(crate) struct Arm<'a> {
    /// What the page calls it: as short as is unambiguous in this run.
    pub(crate) label: String,
    /// The same beside arms of its own budget only.
    pub(crate) short: String,
    /// What it was trained on; gives the colour.
    pub(crate) reward: &'a str,
    /// One policy per seed, in the order of the results (never empty).
    pub(crate) policies: Vec<&'a PolicyResult>,
}

impl<'a> Arm<'a> {
    /// The arms of an evaluation, in the order in which they first occur.
    pub(crate) fn all(evaluation: &'a Evaluation) -> Vec<Self> {
        let mut groups: Vec<Vec<&PolicyResult>> = Vec::new();
        for policy in &evaluation.policies {
            let same = |group: &&mut Vec<&PolicyResult>| {
                alike(group[0], policy) && group.iter().all(|other| other.seed != policy.seed)
            };
            match groups.iter_mut().find(same) {
                Some(group) if policy.seed.is_some() => group.push(policy),
                _ => groups.push(vec![policy]),
            }
        }
        let firsts: Vec<&PolicyResult> = groups.iter().map(|group| group[0]).collect();
        groups
            .into_iter()
            .map(|policies| Self {
                label: label(policies[0], &firsts, true),
                short: label(policies[0], &firsts, false),
                reward: &policies[0].reward,
                policies,
            })
            .collect()
    }

    /// The KL that training was asked to spend.
    pub(crate) fn budget(&self) -> Option<f64> {
        self.policies[0].kl_budget
    }

    /// The procedure that the reward was designed for.
    pub(crate) fn designed_for(&self) -> Option<&'a str> {
        self.policies[0].designed_for.as_deref()
    }

    /// Whether calibration and transform are more than `raw` and `identity`: what the method adds.
    pub(crate) fn is_transformed(&self) -> bool {
        self.reward != "raw" && self.reward != "identity"
    }

    /// An estimate of every policy, summed up over seeds; `None` where one lacks it.
    pub(crate) fn pooled(
        &self,
        figure: impl Fn(&'a PolicyResult) -> Option<Estimate>,
    ) -> Option<Estimate> {
        let all: Option<Vec<Estimate>> =
            self.policies.iter().map(|policy| figure(policy)).collect();
        over_seeds(&all?).ok()
    }

    /// Mean of a figure over seeds, without interval; `None` where a policy lacks it.
    pub(crate) fn mean(&self, figure: impl Fn(&'a PolicyResult) -> Option<f64>) -> Option<f64> {
        let all: Option<Vec<f64>> = self.policies.iter().map(|policy| figure(policy)).collect();
        all.map(|all| all.iter().sum::<f64>() / all.len() as f64)
    }

    /// Win rate against the base. Like the estimates it sums up, cut to \[0,1\].
    pub(crate) fn win_rate(&self, procedure: &str, judge: &str) -> Option<Estimate> {
        self.pooled(|policy| rate(policy, procedure, judge).map(|rate| rate.win_rate))
            .map(|won| won.within(0.0, 1.0))
    }

    /// Predicted win rate at the budget, by the training reward.
    pub(crate) fn predicted(&self, procedure: &str, judge: &str) -> Option<f64> {
        self.mean(|policy| rate(policy, procedure, judge).and_then(|rate| rate.predicted))
    }

    /// KL spent, measured.
    pub(crate) fn kl(&self) -> Option<Estimate> {
        self.pooled(kl)
    }
}

/// The entry of a policy for a procedure and judge.
pub(crate) fn rate<'a>(
    policy: &'a PolicyResult,
    procedure: &str,
    judge: &str,
) -> Option<&'a WinRate> {
    policy
        .win_rates
        .iter()
        .find(|rate| rate.procedure == procedure && rate.judge == judge)
}

/// The sequence KL of a policy: exact per position where it was recorded, else k1.
pub(crate) fn kl(policy: &PolicyResult) -> Option<Estimate> {
    policy.kl.map(|kl| kl.rao_blackwell.unwrap_or(kl.k1))
}

/// How much more often `a` wins than `b`: paired by prompt, seed by seed where both have it. `None` where no pair was compared.
pub(crate) fn difference(
    evaluation: &Evaluation,
    (a, b): (&Arm<'_>, &Arm<'_>),
    procedure: &str,
    judge: &str,
) -> Option<Estimate> {
    let mut differences = Vec::new();
    for (i, left) in a.policies.iter().enumerate() {
        let same_seed = b.policies.iter().find(|right| right.seed == left.seed);
        let Some(right) = same_seed.or_else(|| b.policies.get(i)) else {
            continue;
        };
        let found = evaluation.comparisons.iter().find_map(|comparison| {
            if comparison.procedure != procedure || comparison.judge != judge {
                None
            } else if comparison.left == left.name && comparison.right == right.name {
                Some(comparison.difference)
            } else if comparison.left == right.name && comparison.right == left.name {
                Some(negative(comparison.difference))
            } else {
                None
            }
        });
        differences.extend(found);
    }
    over_seeds(&differences).ok()
}

fn negative(estimate: Estimate) -> Estimate {
    Estimate {
        mean: -estimate.mean,
        low: -estimate.high,
        high: -estimate.low,
        ..estimate
    }
}

/// Whether two policies differ in no more than the seed.
fn alike(a: &PolicyResult, b: &PolicyResult) -> bool {
    a.reward == b.reward
        && a.designed_for == b.designed_for
        && a.kl_budget == b.kl_budget
        && stem(a) == stem(b)
}

/// The name without its seed, the last number equal to it: `projection-s3` of seed 3 gives `projection-s`. Names that do not hold their
/// seed say nothing here: the fields alone tell such policies apart.
fn stem(policy: &PolicyResult) -> String {
    let Some(seed) = policy.seed.map(|seed| seed.to_string()) else {
        return policy.name.clone();
    };
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    policy
        .name
        .rmatch_indices(&seed)
        .map(|(at, _)| (&policy.name[..at], &policy.name[at + seed.len()..]))
        .find(|(before, after)| !digit(before.chars().next_back()) && !digit(after.chars().next()))
        .map_or_else(String::new, |(before, after)| format!("{before}{after}"))
}

/// The reward, with the procedure where it is designed for several, with the budget where it comes at several and that is not said
/// elsewhere; else the name.
fn label(policy: &PolicyResult, all: &[&PolicyResult], with_budget: bool) -> String {
    let same: Vec<&&PolicyResult> = all.iter().filter(|p| p.reward == policy.reward).collect();
    let mut label = policy.reward.clone();
    if same
        .iter()
        .any(|other| other.designed_for != policy.designed_for)
        && let Some(procedure) = &policy.designed_for
    {
        label.push_str(&format!(" for {procedure}"));
    }
    if with_budget
        && same.iter().any(|other| other.kl_budget != policy.kl_budget)
        && let Some(budget) = policy.kl_budget
    {
        label.push_str(&format!(" at KL {budget}"));
    }
    let unique = same.iter().all(|other| {
        core::ptr::eq(**other, policy)
            || other.designed_for != policy.designed_for
            || other.kl_budget != policy.kl_budget
    });
    if unique { label } else { policy.name.clone() }
}
