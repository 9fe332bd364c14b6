//! Finite response sets: rewards with ties, and procedures that no rank can express.
//!
//! Quantile space assumes that the reward has no atoms under the base policy. Verifiable 0/1 rewards, integer judges, and the K
//! rollouts of one prompt have nothing but atoms; and a procedure such as voting looks at the answers themselves, not at their ranks.
//! Here a policy is a vector of masses and a procedure a map T from masses to masses with its vector-Jacobian product.
//!
//! | file | holds |
//! |---|---|
//! | `policy` | masses with their log-ratios to the base; KL; tilts to a price or to a KL |
//! | `set` | a procedure on a finite set, and a base policy with rewards under it: W, its gradient |
//! | `levels` | ordered levels with ties: every rank-based procedure of this crate on atoms |
//! | `voting`, `ballots` | plurality voting over N answers, by simulation and exactly |
//! | `optimum`, `climb`, `starts` | the coupled optimum with its certificate, the ascent that finds it, and from where |
//! | `check` | whether a procedure's vector-Jacobian product is its derivative |

mod ballots;
mod check;
mod climb;
mod levels;
mod optimum;
mod policy;
mod set;
mod starts;
mod voting;

pub(crate) use ballots::{MAX_VOTES, winners_of_counts};
pub use check::vjp_error;
pub use levels::{LevelProcedure, Levels};
pub use optimum::FiniteOptimum;
pub use policy::FinitePolicy;
pub use set::{FiniteProblem, FiniteProcedure};
pub use voting::Voting;
