//! From samples to figures: win rates, KL, calibration error, each with its standard error.

mod order_law;
mod prompt_means;
mod summary;
mod win_rate;

pub use order_law::OrderLaw;
pub use prompt_means::PromptMeans;
pub use summary::Estimate;
pub use win_rate::win_rate;
