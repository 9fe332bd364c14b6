//! The main job of infalign: InfAlign-CTRL (arXiv 2412.19792, algorithm 1) from prompts to a report, stage by stage in a run directory.
//!
//! ```text
//! prompts ─▶ rollouts ─▶ [fit a reward model] ─▶ rewards ─▶ calibration ─▶ design ─▶ train each policy ─▶ evaluate ─▶ report
//! ```
//!
//! Each stage is done once: it is skipped when its inputs' hashes and its outputs are as recorded, and a killed run goes on where it was, to the
//! same bytes. One file each in `stages`.

mod ask;
pub mod config;
mod error;
mod estimate;
mod judges;
pub mod pairs;
mod run;
mod seeds;
mod served;
mod stages;
mod variants;

pub use config::Config;
pub use error::{Error, Result};
pub use estimate::{Estimated, Stage, estimate};
pub use run::{Around, Finished, Until, run};
pub use served::{BaseDraws, Calibrated, Wording};
pub use stages::{distill::Distilled, handover::HandedOver};
pub use variants::Variant;
