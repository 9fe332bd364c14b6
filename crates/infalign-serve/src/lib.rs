//! The reward service that trainers ask: over HTTP come responses, or raw rewards, and back go calibrated, transformed rewards.
//!
//! ```text
//! OpenRLHF  POST /get_reward     ┐                              ┌─▶ table, added, rollouts ─┐
//! vLLM      POST /classify       ├─▶ prompt + response ─▶ rows ─┤                           ├─▶ Ĉ ─▶ Φ(Ĉ) ─▶ answer
//! SGLang    POST /v1/embeddings  │                              └─▶ queue ─▶ reward ─▶ raw ─┘
//! anybody   POST /v1/rewards     ┘
//! ```
//!
//! The mathematics is that of crate `infalign`, the calibration a `Lookup` of `infalign-data`. Models stay outside: the program hands in
//! what gives raw rewards ([`Rewarder`]) and what draws rollouts ([`Roller`]). A reward is a function of the pair (prompt, response) and of
//! the transform alone, never of the batch in which it was asked for.
//!
//! ```no_run
//! use infalign_serve::{Parts, Settings, run, switch};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let parts = Parts {
//!     calibration: Some(infalign_data::Lookup::open("calibration.safetensors")?),
//!     ..Parts::default()
//! };
//! let (_switch, stopped) = switch(); // `_switch.stop()`, from a handler of signals, ends the service
//! run(Settings::default(), parts, |address| println!("listening on {address}"), stopped)?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod auth;
mod body;
mod calibrations;
mod connection;
mod error;
mod fault;
mod gate;
mod item;
mod known;
mod log;
mod metrics;
mod prompt;
mod queue;
mod rolling;
mod routes;
mod seam;
mod service;
mod settings;
mod shaping;
mod split;
mod state;
mod stream;
mod threads;
mod tls;

pub use auth::Tokens;
pub use error::{Error, Result};
pub use known::KnownPrompt;
pub use log::{Line, Log};
pub use prompt::prompt_key;
pub use seam::{Asked, Opening, Rewarder, Roller};
pub use service::{Service, Switch, run, switch};
pub use settings::{Batching, Labels, Limits, Parts, Settings, Tls, Unknown};
pub use split::Conversation;
