//! Policies behind HTTP: sampling responses and asking for the log-probabilities of given ones, over what OpenAI's interface became.
//!
//! ```text
//! prompts ─▶ sample: blocks of choices ─▶ Client::all ─▶ choices ─▶ a whole Rollout, or a MissingPrompt with its last fault
//! ```
//!
//! What differs between kinds of server is in [`Dialect`]: one file each in `dialect/`, one line in [`DIALECTS`].

mod assemble;
mod choice;
mod dialect;
mod likelihood;
mod listed;
mod open;
mod probe;
mod sample;
mod sampling;
mod seed;
mod tokenise;

pub use dialect::{DIALECTS, Dialect};
pub use likelihood::{LikelihoodJob, TokenLogProbs};
pub use open::{Description, RemotePolicy};
pub use probe::Probe;
pub use sample::{MissingPrompt, Prompt, PromptForm, RemoteResponse, Rollout, SampleError};
pub use sampling::{LogProbsOf, Sampling};
