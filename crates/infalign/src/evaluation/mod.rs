//! Policies measured under inference-time procedures: fresh samples' rewards in, the typed `results.json` out.
//!
//! On held-out prompts the base and every policy give fresh responses; each judge gives every response a raw reward. A procedure runs on
//! both sides, selects by the training reward, and a judge decides which of the two selected responses wins. All figures are unbiased
//! U-statistics over subsets of the responses, with 95% intervals over prompts.
//!
//! | file | its one thing |
//! |---|---|
//! | `answer` | the shape of `results.json` |
//! | `question`, `samples` | what is asked, and of what |
//! | `evaluate`, `measured` | from samples to the answer; one policy of it |
//! | `executed`, `selection`, `win` | procedures run on samples: which responses they output, and who wins |
//! | `quantile_law` | the law of u, measured and aimed at |
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
mod prediction;
mod quantile_law;
mod question;
mod samples;
mod selection;
mod win;

pub use answer::{
    Behaviour, Comparison, Duel, Evaluation, Judge, MeanReward, PolicyResult, WinRate,
};
pub use attack::{AttackPoint, AttackSuccess};
pub use diagnostics::{CalibrationDiagnostics, NeededK, Planned, Rollouts, Spread, diagnose};
pub use evaluate::evaluate;
pub use gap::{Basis, Gap};
pub use quantile_law::LawOfU;
pub use question::{Pairs, Question};
pub use samples::{CalibratedPrompt, LogProbs, PolicySamples, Responses, Samples, TrainedOn};
pub use selection::Deployed;

#[cfg(test)]
mod tests;
