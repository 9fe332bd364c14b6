//! What can be typed to use a language model: `sample`, `score`, `devices`.

use std::path::PathBuf;

use clap::{ArgGroup, ValueEnum};

use super::{Format, Judging, machine::Machine};

/// The heading of the flags that go with a server.
const SERVER: &str = "Server";

/// Samples responses from a language model.
///
/// Every response has a seed of its own, made of --seed, its prompt's id and its index: its text does not depend on batch size, threads or the
/// prompts beside it. On a terminal text is printed, a single response as it grows; elsewhere one JSON object a line, in the order of prompts and
/// indices, whose `sampled_log_probs` are of the distribution that the tokens were drawn from and whose `untempered_log_probs` are the model's own.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign sample --model stories \"Once upon a time\"
  infalign sample --model Qwen2.5-0.5B-Instruct --chat --temperature 0 \"What is a quantile?\"
  infalign sample --model tiny --prompts prompts.jsonl --n 100 --seed 1 > rollouts.jsonl
  infalign sample --policy http://localhost:8000 --prompts prompts.jsonl --n 100 --out rollouts.parquet

Where you say nothing, the temperature, top-k, top-p, min-p and most tokens of the model's
generation_config.json are taken; what is taken is told on standard error.")]
pub(crate) struct Sample {
    /// The model's folder.
    #[arg(long, value_name = "FOLDER", required_unless_present = "policy")]
    pub(crate) model: Option<PathBuf>,
    /// A policy behind HTTP in place of a model: the address of a server that speaks OpenAI's protocol; #NAME says which of its models.
    #[arg(long, value_name = "http://…", conflicts_with_all = ["model", "adapter", "memory", "truncate", "max_batch", "chat", "raw"])]
    pub(crate) policy: Option<String>,
    /// Requests on the way at most; fewer where the server is slow.
    #[arg(long, value_name = "N", default_value_t = 64, requires = "policy", help_heading = SERVER)]
    pub(crate) in_flight: usize,
    /// Seconds for a prompt with all tries.
    #[arg(long, value_name = "X", default_value_t = 3600.0, requires = "policy", help_heading = SERVER)]
    pub(crate) deadline: f64,
    /// What the server is: vllm, sglang, llama.cpp, openai. Default: it is detected.
    #[arg(long, value_name = "KIND", requires = "policy", help_heading = SERVER)]
    pub(crate) dialect: Option<String>,
    /// A Parquet shard for the responses of a server. The same command asks only for what is missing there.
    #[arg(long, value_name = "FILE", requires = "policy", help_heading = SERVER)]
    pub(crate) out: Option<PathBuf>,
    /// A folder with a LoRA adapter, merged into the model.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) adapter: Option<PathBuf>,
    /// Prompts.
    #[arg(value_name = "PROMPT", conflicts_with = "prompts")]
    pub(crate) prompt: Vec<String>,
    /// Prompts: one a line of a text file, or JSON rows with `prompt` (a text or messages); also .gz and .zst.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompts: Option<PathBuf>,
    /// Responses per prompt.
    #[arg(
        long,
        short,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub(crate) n: usize,
    /// Most tokens of a response. Default: 256.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) max_tokens: Option<usize>,
    /// What logits are divided by; 0 always takes the likeliest token. Default: 1.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) temperature: Option<f64>,
    /// Draws from this many likeliest tokens only; 0: all. Default: 0.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) top_k: Option<usize>,
    /// Draws from the likeliest tokens that hold this probability together; 1: all. Default: 1.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) top_p: Option<f64>,
    /// Draws no token that is less likely than this fraction of the likeliest one; 0: all. Default: 0.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) min_p: Option<f64>,
    /// A text that ends a response; may be given several times.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) stop: Vec<String>,
    /// Goes on after the model's end-of-sequence tokens.
    #[arg(long)]
    pub(crate) ignore_eos: bool,
    /// Decides every draw.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Most responses that grow at once.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 64,
        allow_negative_numbers = true
    )]
    pub(crate) max_batch: usize,
    /// Memory for keys and values (500MB, 2GiB). Default: half of what the machine has available, 2GiB where it does not say.
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// What becomes of a prompt that leaves no room in the context.
    #[arg(long, value_enum, default_value_t = LongPrompts::Error)]
    pub(crate) truncate: LongPrompts,
    #[command(flatten)]
    pub(crate) dress: Dress,
    /// How to print. Default: text on a terminal, else JSON lines.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// Log-probabilities of given responses, exact KL and entropy; or their rewards, by any reward or reward model.
///
/// Rows are {"prompt", "response"} or {"prompt", "responses": […]}, or the lines that `infalign sample` prints, whose tokens are then taken as they
/// are; rewards read any file that `infalign data inspect` knows. With --reference the exact KL(π‖p) over the vocabulary is summed over the response's tokens. The figures do not depend on what is scored
/// together.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign score --model tiny --data rollouts.jsonl
  infalign score --model policy --reference base --data rollouts.jsonl --per-token > scored.jsonl
  infalign score --model reward-model --data rollouts.jsonl > rewards.jsonl
  infalign score --policy http://localhost:8000 --data rollouts.jsonl
  infalign score --reward 'lexicon:valences.tsv' --data alpaca-outputs.json --out rewarded.parquet
  infalign score --reward 'judge:http://localhost:8000#Qwen/Qwen3-8B' --rubric rubric.txt --data outputs.jsonl --out rated.parquet
  infalign run --rollouts rewards.jsonl")]
#[command(group = ArgGroup::new("by").required(true).args(["model", "policy", "reward"]))]
pub(crate) struct Score {
    /// The model's folder: a language model, or a reward model (the same as --reward model:FOLDER).
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: Option<PathBuf>,
    /// A policy behind HTTP in place of a model (vLLM, SGLang); #NAME says which of its models.
    #[arg(long, value_name = "http://…", conflicts_with_all = ["chat", "raw", "eos", "per_token", "temperature", "out", "skip_bad_rows"])]
    pub(crate) policy: Option<String>,
    /// A reward in place of a model: length, lexicon:FILE, regex:PATTERN, answer, exec:COMMAND, model:FOLDER, a server (vllm:http://…), judge:http://…, sum(…).
    #[arg(long, value_name = "REWARD")]
    pub(crate) reward: Option<String>,
    /// Writes prompts, responses and their rewards into a file (.parquet, .jsonl, .csv), one row per prompt, instead of printing them.
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub(crate) out: Option<PathBuf>,
    /// A folder with a LoRA adapter of the model.
    #[arg(long, value_name = "FOLDER", requires = "model")]
    pub(crate) adapter: Option<PathBuf>,
    /// The model that the KL is taken against; the same folder as --model means the model without its adapter.
    #[arg(long, value_name = "FOLDER", requires = "model")]
    pub(crate) reference: Option<PathBuf>,
    /// Prompts with responses: .jsonl or .json; also .gz and .zst.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Under a reward: leaves rows out that cannot be used, and counts them, instead of stopping at the first.
    #[arg(long)]
    pub(crate) skip_bad_rows: bool,
    /// What the logits of both models are divided by.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub(crate) temperature: f32,
    /// Adds the end-of-sequence token to responses given as texts, as when they are complete.
    #[arg(long)]
    pub(crate) eos: bool,
    /// Adds the figures of every token.
    #[arg(long)]
    pub(crate) per_token: bool,
    #[command(flatten)]
    pub(crate) dress: Dress,
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// How to print. Default: a table on a terminal, else JSON lines.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// Where models can run: what this build and this machine offer.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign devices
  infalign devices --format json")]
pub(crate) struct Devices {
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Whether prompts go through the chat template.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Dress {
    /// Puts prompts through the model's chat template. Default: where it has one.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) chat: bool,
    /// Leaves prompts as they are.
    #[arg(long)]
    pub(crate) raw: bool,
}

/// What becomes of a prompt that leaves no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LongPrompts {
    /// Nothing is sampled, and the prompt is named.
    Error,
    /// It loses its beginning, so that `--max-tokens` new tokens fit.
    Left,
}
