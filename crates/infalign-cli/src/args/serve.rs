//! What can be typed to serve rewards to trainers.

use std::{net::SocketAddr, num::NonZero, path::PathBuf};

use clap::{ArgGroup, ValueEnum};

use super::{Judging, Machine, Place};

const LOOSE: &str = "Without a run";
const NETWORK: &str = "Network";

/// Serves transformed calibrated rewards to trainers: OpenRLHF, verl, TRL, or whatever posts to `/v1/rewards`.
///
/// With a configuration it answers from that run's calibration and reward, for one of its policies. Without one, from a calibration table and a
/// reward, or from a table alone if clients bring their raw rewards. It listens on this machine alone unless told otherwise; what it speaks is at
/// `/openapi.json`, its figures at `/metrics`. Ctrl-C answers what was taken and ends.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("from").required(true).args(["config", "calibration"]))]
#[command(after_long_help = "Examples:
  infalign serve my-run.toml --policy exp:-10
  infalign serve --calibration calibration.parquet --reward model:rm --transform exp:10
  infalign serve --calibration calibration.parquet --transform exp:10 --listen 0.0.0.0:8100 --token-file token")]
pub(crate) struct Serve {
    /// The configuration of a run that is calibrated.
    #[arg(value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Whose reward: the name of one of the run's policies.
    #[arg(long, value_name = "NAME", requires = "config")]
    pub(crate) policy: Option<String>,
    #[command(flatten)]
    pub(crate) place: Place,
    /// A calibration table, as `infalign calibrate` writes it.
    #[arg(long, value_name = "FILE", help_heading = LOOSE)]
    pub(crate) calibration: Option<PathBuf>,
    /// What gives raw rewards; without it clients bring them. See `infalign score`.
    #[arg(long, value_name = "REWARD", requires = "calibration", help_heading = LOOSE)]
    pub(crate) reward: Option<String>,
    /// Φ: see `infalign transforms`. Default: identity.
    #[arg(long, value_name = "T", requires = "calibration", help_heading = LOOSE)]
    pub(crate) transform: Option<String>,
    /// Prompts with their ids, so that a text is known by its prompt: .jsonl, .json, .txt.
    #[arg(long, value_name = "FILE", requires = "calibration", help_heading = LOOSE)]
    pub(crate) prompts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// What becomes of a prompt that was never calibrated.
    #[arg(long, value_enum, default_value_t = Unknown::Error)]
    pub(crate) unknown: Unknown,
    /// Rollouts of such a prompt. Default: the run's.
    #[arg(long, value_name = "K", requires = "config")]
    pub(crate) k: Option<NonZero<usize>>,
    /// What OpenRLHF's labels are.
    #[arg(long, value_enum, default_value_t = Label::Id)]
    pub(crate) labels: Label,
    /// Where it listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8100", help_heading = NETWORK)]
    pub(crate) listen: SocketAddr,
    /// A file with a token for each line; whoever asks must bring one. Or the variable `INFALIGN_SERVE_TOKEN`.
    #[arg(long, value_name = "FILE", help_heading = NETWORK)]
    pub(crate) token_file: Option<PathBuf>,
    /// A certificate chain (PEM): HTTPS.
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = NETWORK)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = NETWORK)]
    pub(crate) tls_key: Option<PathBuf>,
    /// What the chat template puts around a prompt in the texts of `/classify` and `/v1/embeddings`, with {prompt} in its place.
    #[arg(long, value_name = "TEXT")]
    pub(crate) conversation: Option<String>,
    /// A token that is taken off the end of a response; may be given several times. Default: those that end a turn in the usual families.
    #[arg(long, value_name = "TEXT")]
    pub(crate) end_token: Vec<String>,
    /// Responses that the reward is asked for at once, at most.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) batch: usize,
    /// Responses that may wait for the reward; beyond, the answer is 503.
    #[arg(long, value_name = "N", default_value_t = 8192)]
    pub(crate) queue: usize,
    /// Milliseconds that a batch waits for more, at most.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) batch_wait: f64,
    /// Seconds that a stopping service goes on answering what it has taken.
    #[arg(long, value_name = "N", default_value_t = 30, help_heading = NETWORK)]
    pub(crate) grace: u64,
    /// The largest body of a request in MiB.
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = NETWORK)]
    pub(crate) max_body: usize,
    /// Open connections at most.
    #[arg(long, value_name = "N", default_value_t = 8192, help_heading = NETWORK)]
    pub(crate) max_connections: usize,
    /// Puts prompts into the log: their ids, and the texts of those that have none.
    #[arg(long, help_heading = NETWORK)]
    pub(crate) log_prompts: bool,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// What becomes of a prompt that was never calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unknown {
    /// The request fails and names it.
    Error,
    /// It is ranked among the rewards of all prompts.
    Pooled,
    /// The run's base draws rollouts for it now, once.
    Rollout,
}

/// What a label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Label {
    /// The prompt's id.
    Id,
    /// The right answer.
    Answer,
}
