//! The answer of a run in one sentence per procedure and budget: what the method wins, and what it adds to its two baselines.
//!
//! The arm that answers is chosen before anything is measured: the one that was designed for the procedure and is predicted to win
//! most. Choosing by the measured figure would flatter it. A baseline is the arm of the same budget trained on `raw` (plain RLHF) or
//! on `identity` (calibration alone).
//!
//! | case | sentence |
//! |---|---|
//! | the interval of a difference lies above 0 | so many points more than the baseline |
//! | it lies below 0 | so many points *less*: said as plainly |
//! | it holds 0, or is unknown | does not show an advantage |
//! | no arm was designed for any procedure | the best predicted arm that is more than a baseline |

use infalign::{estimate::Estimate, evaluation::Evaluation};

use super::{
    arm::{Arm, difference},
    words::{bounded, code, counted, listed, points_with_interval},
};
use crate::figures::percent;

/// KLs further apart than this share of the larger one are not the same budget.
pub(crate) const KL_APART: f64 = 0.05;

/// What a run says about one procedure at one budget.
pub(crate) struct Answer {
    /// `yes`, `no` or `open`: whether the method's advantage over both baselines is shown, is contradicted, or neither.
    pub(crate) verdict: &'static str,
    /// The sentences, as HTML.
    pub(crate) text: String,
}

/// The arm that answers for a procedure at a budget, with its baselines.
pub(crate) struct Headline<'a, 'b> {
    /// The procedure.
    pub(crate) procedure: &'b str,
    /// The answering arm.
    pub(crate) arm: &'b Arm<'a>,
    /// Plain RLHF and calibration alone, where the run has them, each with the words for it.
    pub(crate) baselines: Vec<(&'b Arm<'a>, &'static str)>,
}

impl<'a, 'b> Headline<'a, 'b> {
    /// One per procedure that something was designed for, and budget; in the order of the procedures, budgets rising.
    pub(crate) fn all(evaluation: &'b Evaluation, arms: &'b [Arm<'a>]) -> Vec<Self> {
        let training = &*evaluation.judges[0].name;
        let designed: Vec<Self> = Self::among(evaluation, arms, training, |arm, procedure| {
            arm.designed_for() == Some(procedure) && arm.is_transformed()
        });
        if !designed.is_empty() {
            return designed;
        }
        Self::among(evaluation, arms, training, |arm, procedure| {
            arm.is_transformed() || procedure == "standard" && arm.reward == "identity"
        })
    }

    fn among(
        evaluation: &'b Evaluation,
        arms: &'b [Arm<'a>],
        training: &str,
        answers: impl Fn(&Arm<'_>, &str) -> bool,
    ) -> Vec<Self> {
        let mut headlines = Vec::new();
        for procedure in &evaluation.procedures {
            for budget in budgets(arms) {
                let here = || arms.iter().filter(|arm| arm.budget() == budget);
                let mut best: Option<(&Arm<'a>, f64)> = None;
                for arm in here().filter(|arm| answers(arm, procedure)) {
                    if arm.win_rate(procedure, training).is_none() {
                        continue;
                    }
                    let promise = arm.predicted(procedure, training).unwrap_or(0.0);
                    if best.is_none_or(|(_, most)| promise > most) {
                        best = Some((arm, promise));
                    }
                }
                let Some((arm, _)) = best else { continue };
                let baselines = [
                    ("raw", "plain RLHF on the raw reward"),
                    ("identity", "calibration alone"),
                ]
                .into_iter()
                .filter_map(|(reward, words)| {
                    let own = |other: &&&Arm<'_>| other.designed_for() == Some(procedure);
                    let all: Vec<&Arm<'a>> = here()
                        .filter(|other| other.reward == reward && arm.reward != reward)
                        .collect();
                    let found = all.iter().find(own).or_else(|| all.first());
                    found.map(|baseline| (*baseline, words))
                })
                .collect();
                headlines.push(Self {
                    procedure,
                    arm,
                    baselines,
                });
            }
        }
        headlines
    }

    /// The sentences.
    pub(crate) fn answer(&self, evaluation: &Evaluation) -> Option<Answer> {
        let judge = &*evaluation.judges[0].name;
        let rate = self.arm.win_rate(self.procedure, judge)?;
        let mut text = format!(
            "Under {}{}, the policy trained on {} beats the base in {} of comparisons{}",
            code(self.procedure),
            self.arm
                .kl()
                .map(|kl| format!(" at KL {:.2}", kl.mean))
                .unwrap_or_default(),
            code(self.arm.reward),
            percent(rate.mean),
            if bounded(&rate) {
                format!(
                    " (95% interval {:.1}–{:.1})",
                    100.0 * rate.low,
                    100.0 * rate.high
                )
            } else {
                " (no interval from one prompt)".to_owned()
            }
        );
        let found: Vec<(Option<Estimate>, &str)> = self
            .baselines
            .iter()
            .map(|(arm, words)| {
                (
                    difference(evaluation, (self.arm, arm), self.procedure, judge),
                    *words,
                )
            })
            .collect();
        let shown = |e: &Estimate| e.low > 0.0;
        let lost = |e: &Estimate| e.high < 0.0;
        let parts = |keep: &dyn Fn(&Estimate) -> bool, how: &str| -> Vec<String> {
            found
                .iter()
                .filter_map(|(e, words)| e.filter(keep).map(|e| (e, words)))
                .map(|(e, words)| {
                    // Both ends have one sign here: `how` says it.
                    let (near, far) =
                        (e.low.abs().min(e.high.abs()), e.low.abs().max(e.high.abs()));
                    format!(
                        "{} points ({}–{}) {how} than {words}",
                        unsigned(e.mean),
                        unsigned(near),
                        unsigned(far)
                    )
                })
                .collect()
        };
        let (more, less) = (parts(&shown, "more"), parts(&lost, "less"));
        if !more.is_empty() {
            text.push_str(&format!(", {}", listed(&more)));
        }
        if !less.is_empty() {
            let but = if more.is_empty() { "" } else { " but" };
            text.push_str(&format!(",{but} {}", listed(&less)));
        }
        text.push('.');
        let open: Vec<String> = found
            .iter()
            .filter(|(e, _)| !e.is_some_and(|e| shown(&e) || lost(&e)))
            .map(|(e, words)| match e {
                Some(e) => format!("{words}: {}", points_with_interval(e)),
                None => format!("{words}: the two were not compared prompt by prompt"),
            })
            .collect();
        if !open.is_empty() {
            text.push_str(&format!(
                " At this size{} it does not show an advantage over {}.",
                self.seeds_in_sentence(),
                listed(&open)
            ));
        }
        if self.baselines.is_empty() {
            text.push_str(" The run holds no baseline (<code>raw</code> or <code>identity</code>) at this budget.");
        }
        text.push_str(&self.other_judges(evaluation));
        text.push_str(&self.kl_apart());
        let verdict = if found.is_empty() || !open.is_empty() && less.is_empty() {
            "open"
        } else if less.is_empty() {
            "yes"
        } else {
            "no"
        };
        Some(Answer { verdict, text })
    }

    /// What rewards say that training never saw.
    fn other_judges(&self, evaluation: &Evaluation) -> String {
        let mut text = String::new();
        for judge in evaluation.judges.iter().filter(|judge| !judge.training) {
            let Some(rate) = self.arm.win_rate(self.procedure, &judge.name) else {
                continue;
            };
            text.push_str(&format!(
                " By {}, which training never saw, it wins {}",
                code(&judge.name),
                percent(rate.mean)
            ));
            if bounded(&rate) {
                text.push_str(&format!(
                    " ({:.1}–{:.1})",
                    100.0 * rate.low,
                    100.0 * rate.high
                ));
            }
            let differences: Vec<String> = self
                .baselines
                .iter()
                .filter_map(|(arm, words)| {
                    difference(evaluation, (self.arm, arm), self.procedure, &judge.name)
                        .map(|e| format!("{} against {words}", points_with_interval(&e)))
                })
                .collect();
            if !differences.is_empty() {
                text.push_str(&format!(": {}", listed(&differences)));
            }
            text.push('.');
        }
        text
    }

    /// A caveat where the arms did not spend the same KL.
    fn kl_apart(&self) -> String {
        let Some(own) = self.arm.kl() else {
            return String::new();
        };
        let apart: Vec<String> = self
            .baselines
            .iter()
            .filter_map(|(arm, words)| arm.kl().map(|kl| (kl.mean, words)))
            .filter(|(kl, _)| (kl - own.mean).abs() > KL_APART * own.mean.max(*kl))
            .map(|(kl, words)| format!("{words} {kl:.2}"))
            .collect();
        if apart.is_empty() {
            return String::new();
        }
        format!(
            " <strong>Not at equal KL</strong>: this policy spent {:.2} nats, {}; compare with the prediction at the measured KL below.",
            own.mean,
            listed(&apart)
        )
    }

    fn seeds_in_sentence(&self) -> String {
        match self.arm.policies.len() {
            1 => " and with one seed".to_owned(),
            seeds => format!(" and with {}", counted(seeds, "seed", "seeds")),
        }
    }
}

/// A difference in points without its sign.
fn unsigned(difference: f64) -> String {
    format!("{:.1}", 100.0 * difference.abs())
}

/// The budgets of the arms, rising; those without a budget first.
pub(crate) fn budgets(arms: &[Arm<'_>]) -> Vec<Option<f64>> {
    let mut budgets: Vec<Option<f64>> = arms.iter().map(Arm::budget).collect();
    let key = |budget: &Option<f64>| budget.unwrap_or(f64::NEG_INFINITY);
    budgets.sort_by(|a, b| key(a).total_cmp(&key(b)));
    budgets.dedup();
    budgets
}
