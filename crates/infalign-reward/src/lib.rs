//! Raw rewards of responses behind one seam: a model, a rule, a program of the user's, or a weighted sum of them.
//!
//! ```text
//! "0.7*model:rm"  ─parse─▶ RewardSpec ─open─▶ Box<dyn Reward> ─rewards(asked)─▶ RawReward of each
//! ```
//!
//! Raw rewards live on any scale; what training sees is made of them by calibration (crate `infalign`), under other names and types.
//!
//! A new kind of reward is one file here with an [`Entry`], one line in [`REGISTRY`], one in the match of [`RewardSpec`]'s parser, and one in
//! [`RewardSpec::open`].

mod answer;
mod error;
mod exec;
mod final_answer;
mod length;
mod lexicon;
mod model;
mod pattern;
mod remote;
mod reward;
mod spec;
mod sum;

pub use answer::AnswerReward;
pub use error::{Error, Result};
pub use exec::{ExecLimits, ExecReward};
pub use final_answer::FinalAnswer;
pub use length::LengthReward;
pub use lexicon::{LexiconReward, Over};
pub use model::{Dress, ModelReward, Reading, check_head, model_files};
pub use pattern::PatternReward;
pub use remote::{JudgeReward, RemoteOpening, ServerReward, open_judge};
pub use reward::{Asked, RawReward, Reward, checked};
pub use spec::{Entry, Opening, REGISTRY, RewardSpec};
pub use sum::{SumReward, Term};
