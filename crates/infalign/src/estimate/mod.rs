//! From samples to figures: win rates, KL, calibration error, each with its standard error.

mod calibration_error;
mod kl_efficiency;
mod kolmogorov;
mod order_law;
mod over_seeds;
mod pass_at_k;
mod pit;
mod prompt_means;
mod quantile_kl;
mod rank_cells;
mod selected_reward;
mod sequence_kl;
mod summary;
mod win_rate;

pub use calibration_error::{CalibrationError, ReliabilityCell, calibration_error};
pub use kl_efficiency::kl_efficiency;
pub use order_law::OrderLaw;
pub use over_seeds::over_seeds;
pub use pass_at_k::pass_at_k;
pub use pit::Pit;
pub use prompt_means::PromptMeans;
pub(crate) use quantile_kl::kl_of_ranks;
pub use quantile_kl::{QuantileKl, quantile_kl};
pub use rank_cells::Resolution;
pub use selected_reward::{best_at_k, selected_reward, worst_at_k};
pub use sequence_kl::{LogProbsOf, SequenceKl, SequenceKlEstimator, k1, k3};
pub use summary::Estimate;
pub use win_rate::win_rate;
