//! Training runs of language models: the order of the data, schedules, metrics, checkpoints and resuming.

mod checkpoints;
mod driver;
mod error;
mod interrupt;
pub mod order;
mod output;
mod pack;
mod policy;
pub mod preference;
pub mod rl;
pub mod schedule;
pub mod supervised;
pub mod telemetry;

pub use checkpoints::{Checkpoint, Checkpoints, RunState};
pub use driver::{Habits, Outcome, Surroundings};
pub use error::{Error, Result};
pub use interrupt::{INTERRUPTED, Interrupt, Request};
pub use order::{Cursor, Order};
pub use output::{ADAPTER_FILES, MODEL_FILES, write_adapter, write_model, write_reward_model};
pub use pack::{
    Batch, HubTokenizer, IGNORED, PackOptions, PackedRows, Padded, Segment, SftBatches, SftOptions,
    SftRows, TokenCache, Tokenize, Truncate, build_caches, segments, sft_rows,
};
pub use policy::{Base, Lora, Policy};
pub use schedule::{Decay, Rates, Schedule, Warmup};
pub use telemetry::{Metrics, Sink, Telemetry};
