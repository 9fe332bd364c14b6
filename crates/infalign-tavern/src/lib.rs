//! The small task that `infalign run` brings along: a tavern's guest book, its gold reward, its preferences, and a tiny base policy.
//!
//! A prompt names a guest and a thing (`A furious duke on the soup:`), a response is the line that the guest leaves in the book (`The soup
//! was heavenly, sadly the spoon was tiny.`). Everything is made here, from three tables and a grammar, so that it can be
//! shipped, and the truth about every response is known:
//!
//! - [`prompts`]: 96 prompts to train on and 64 held out.
//! - [`gold`]: the reward that counts, a function of the words.
//! - [`preferences`]: pairs judged by noisy annotators who fall for flattery, from which a run trains its proxy reward.
//! - [`write_policy`]: the base policy, a model folder that was trained on what [`line`](grammar::line) writes.

mod error;
mod gold;
pub mod grammar;
mod policy;
mod preferences;
mod prompts;
mod tokenizer;
mod world;

pub use error::{Error, Result};
pub use gold::{GOLD_NAME, gold};
pub use policy::{CONFIG, POLICY_FILES, write_policy};
pub use preferences::{FLATTERY_BONUS, Pair, is_flattery, preferences};
pub use prompts::{HELD_OUT, Part, Prompt, TRAINING, prompts};
pub use tokenizer::{tokenizer_config_json, tokenizer_json};
pub use world::{Kind, WORLD, World};
