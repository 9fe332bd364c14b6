//! Policies measured under inference-time procedures: fresh samples' rewards in, the typed `results.json` out.
//!
//! On held-out prompts the base and every policy give fresh responses; each judge gives every response a raw reward. A procedure runs on
//! both sides, selects by the training reward, and a judge decides which of the two selected responses wins. All figures are unbiased
//! U-statistics over subsets of the responses, with 95% intervals over prompts.
//!
//! ```
//! use std::sync::Arc;
//! use infalign::{estimate::LogProbsOf, evaluation::*, procedure::BestOf, transform::Identity};
//!
//! # fn main() -> infalign::Result<()> {
//! // One prompt, four responses of each side, one judge.
//! let (base, ours) = ([0.1f32, 0.7, 0.4, 0.2], [0.5f32, 0.9, 0.3, 0.8]);
//! let side = |rewards| Responses {
//!     rewards: vec![rewards],
//!     lengths: &[12, 40, 31, 8],
//!     truncated: &[false; 4],
//!     ..Responses::default()
//! };
//! let policy = PolicySamples {
//!     name: "identity/seed-1".to_owned(),
//!     trained_on: TrainedOn::Transform(Arc::new(Identity)),
//!     designed_for: None,
//!     seed: Some(1),
//!     kl_budget: Some(0.5),
//!     beta: None,
//!     log_probs_of: LogProbsOf::Sampler,
//!     responses: vec![side(&ours)],
//! };
//! let samples = Samples {
//!     prompts: vec!["prompt-1"],
//!     base: vec![side(&base)],
//!     policies: vec![policy],
//!     calibration: Vec::new(),
//! };
//! let question = Question {
//!     base: "base".to_owned(),
//!     judges: vec![Judge { name: "proxy".to_owned(), training: true, threshold: None }],
//!     procedures: vec![Deployed::Ranked(Arc::new(BestOf::new(2)?))],
//!     comparisons: Pairs::All,
//!     duels: Pairs::None,
//!     seed: 0,
//! };
//! let evaluation = evaluate(&samples, &question)?;
//! // Over all pairs of 2-subsets: best 0.9, 0.8, 0.5 with chances 3/6, 2/6, 1/6 against 0.7, 0.4, 0.2.
//! let win_rate = evaluation.policies[0].win_rates[0].win_rate.mean;
//! assert!((win_rate - (5.0 + 0.5) / 6.0).abs() < 1e-12);
//! # Ok(())
//! # }
//! ```
//!
//! | file | its one thing |
//! |---|---|
//! | `answer` | the shape of `results.json` |
//! | `question`, `samples` | what is asked, and of what |
//! | `evaluate`, `measured` | from samples to the answer; one policy of it |
//! | `executed`, `selection`, `win` | procedures run on samples: which responses they output, and who wins |
//! | `pairwise` | what procedures output of disjoint groups, and win rates by a judge that compares two texts |
//! | `quantile_law`, `target` | the law of u, measured; what was aimed at |
//! | `prediction`, `gap` | what the theory says, and where the distance to the optimum is lost |
//! | `behaviour`, `attack` | rewards, lengths; the jailbreak view |
//! | `diagnostics` | is the calibration right? |

mod answer;
mod attack;
mod behaviour;
mod diagnostics;
mod evaluate;
mod executed;
mod gap;
mod measured;
mod pairwise;
mod prediction;
mod quantile_law;
mod question;
mod samples;
mod selection;
mod target;
mod win;

pub use answer::{
    Behaviour, Comparison, Duel, Evaluation, Judge, MeanReward, Pairwise, PolicyResult, WinRate,
};
pub use attack::{AttackPoint, AttackSuccess};
pub use diagnostics::{CalibrationDiagnostics, NeededK, Planned, Rollouts, Spread, diagnose};
pub use evaluate::evaluate;
pub use gap::{Basis, Gap};
pub use pairwise::Outcomes;
pub use quantile_law::LawOfU;
pub use question::{Pairs, Question};
pub use samples::{CalibratedPrompt, LogProbs, PolicySamples, Responses, Samples, TrainedOn};
pub use selection::Deployed;

#[cfg(test)]
mod tests;
