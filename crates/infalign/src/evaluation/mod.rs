//! Policies measured under inference-time procedures: fresh samples' rewards in, the typed `results.json` out.

mod answer;
mod attack;
mod diagnostics;
mod gap;
mod quantile_law;

pub use answer::{
    Behaviour, Comparison, Duel, Evaluation, Judge, MeanReward, PolicyResult, WinRate,
};
pub use attack::{AttackPoint, AttackSuccess};
pub use diagnostics::{CalibrationDiagnostics, NeededK, Spread};
pub use gap::{Basis, Gap};
pub use quantile_law::LawOfU;
