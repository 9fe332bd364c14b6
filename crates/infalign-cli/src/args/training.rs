//! What can be typed to train a language model: `pretrain`, `sft`, and the flags that they share.

use std::path::PathBuf;

use clap::{ArgGroup, ValueEnum};
use infalign_train::{Decay as Falling, Truncate as Cutting};

use super::{Format, machine::Machine};

/// Trains a language model on texts: from a configuration, or on from a model.
///
/// Texts are documents of text files (separated by lines `<|endoftext|>`) or of JSON rows; they are packed end to end into rows of the context's
/// length. DIR ends as a folder that transformers opens, with metrics.jsonl, TensorBoard's files and checkpoints beside the model. Ctrl-C
/// saves; the same command started again goes on where it was and ends with the same bytes.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("start").required(true).args(["config", "model"]))]
#[command(after_long_help = "Examples:
  infalign pretrain --config config.json --train-tokenizer 4096 --data stories.jsonl --out tiny
  infalign pretrain --config config.json --tokenizer gpt2 --data a.txt b.txt.zst --out small \\
    --steps 2000 --batch-size 32 --accumulate 4
  infalign pretrain --model Qwen2.5-0.5B --data laws.txt --out laws --learning-rate 1e-5

A configuration is the hub's config.json: `model_type`, `hidden_size`, `num_hidden_layers`, …
Its `vocab_size` and special tokens may be left out: the tokenizer fills them in.")]
pub(crate) struct Pretrain {
    /// A config.json: begins with fresh weights.
    #[arg(long, value_name = "FILE", requires = "words")]
    pub(crate) config: Option<PathBuf>,
    /// A model's folder: goes on from its weights, with its tokenizer.
    #[arg(long, value_name = "FOLDER", conflicts_with = "words")]
    pub(crate) model: Option<PathBuf>,
    /// A folder with a tokenizer.json.
    #[arg(long, value_name = "FOLDER", group = "words")]
    pub(crate) tokenizer: Option<PathBuf>,
    /// Trains a byte-level BPE tokenizer of so many tokens on the texts (the first 256 MiB of them).
    #[arg(
        long,
        value_name = "SIZE",
        group = "words",
        allow_negative_numbers = true
    )]
    pub(crate) train_tokenizer: Option<usize>,
    /// Texts: .txt, .jsonl, .json; also .gz and .zst.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) data: Vec<PathBuf>,
    /// Column of JSON rows that holds the text.
    #[arg(long, value_name = "NAME", default_value = "text")]
    pub(crate) text_column: String,
    #[command(flatten)]
    pub(crate) training: Training,
}

/// Fine-tunes a model on prompts with completions, or on conversations.
///
/// Rows are {"prompt", "completion"} texts or {"messages": [{"role", "content"}, …]}, which go through the model's chat template. Only completions
/// (of messages: the assistant's turns) are learned. DIR ends as a folder that transformers opens, or peft with --lora-r. Ctrl-C saves; the same
/// command started again goes on where it was and ends with the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign sft --model tiny --data answers.jsonl --out tiny-sft
  infalign sft --model Qwen2.5-0.5B --data chats.jsonl --out adapter --lora-r 16 --epochs 2
  infalign sft --model Qwen2.5-0.5B --data chats.jsonl --out merged --lora-r 16 --merge")]
pub(crate) struct Sft {
    /// The model's folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: PathBuf,
    /// Examples: .jsonl or .json; also .gz and .zst.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// What becomes of an example that is longer than the context.
    #[arg(long, value_enum, default_value_t = Truncate::Error)]
    pub(crate) truncate: Truncate,
    /// Leaves rows out that cannot be used, and counts them, instead of stopping at the first.
    #[arg(long)]
    pub(crate) skip_bad_rows: bool,
    #[command(flatten)]
    pub(crate) training: Training,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Training {
    /// Output folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Updates of the weights.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "epochs",
        allow_negative_numbers = true
    )]
    pub(crate) steps: Option<u64>,
    /// Times that every row is seen, in place of steps; may be a fraction. Default: 1.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) epochs: Option<f64>,
    /// Sequences of a step.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        allow_negative_numbers = true
    )]
    pub(crate) batch_size: usize,
    /// Computes a step's sequences in so many parts, one after the other: less memory, the same gradient to rounding.
    #[arg(
        long,
        value_name = "PARTS",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub(crate) accumulate: usize,
    /// Most tokens of a sequence. Default: the model's context, at most 1024.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) context: Option<usize>,
    /// Highest learning rate. Default: 3e-4 for pretrain, 2e-5 for sft, 2e-4 with --lora-r.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) learning_rate: Option<f64>,
    /// Steps over which the rate rises: a number (100), or a fraction of all steps (0.02).
    #[arg(
        long,
        value_name = "N|X",
        default_value = "0.02",
        allow_negative_numbers = true
    )]
    pub(crate) warmup: String,
    /// How the rate falls.
    #[arg(long, value_enum, default_value_t = Decay::Cosine)]
    pub(crate) decay: Decay,
    /// The last rate as a fraction of the highest.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.1,
        allow_negative_numbers = true
    )]
    pub(crate) floor: f64,
    /// AdamW's β₁.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.9,
        allow_negative_numbers = true
    )]
    pub(crate) beta1: f64,
    /// AdamW's β₂.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.95,
        allow_negative_numbers = true
    )]
    pub(crate) beta2: f64,
    /// AdamW's ε.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1e-8,
        allow_negative_numbers = true
    )]
    pub(crate) eps: f64,
    /// Weight decay of matrices.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.1,
        allow_negative_numbers = true
    )]
    pub(crate) weight_decay: f64,
    /// The longest gradient, as its global norm; 0 leaves it as it is.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    pub(crate) clip: f64,
    /// Fraction of documents or examples held out, on which a loss is measured; 0: none. Default: 0.01, at least one.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) validation: Option<f64>,
    /// Steps between two losses on what is held out. Default: a tenth of all.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) validation_every: Option<u64>,
    /// The most held-out rows that are looked at.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 256,
        allow_negative_numbers = true
    )]
    pub(crate) validation_rows: usize,
    /// Steps between two checkpoints. Default: a tenth of all; at least every ten minutes in any case.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) save_every: Option<u64>,
    /// How many checkpoints stay.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        allow_negative_numbers = true
    )]
    pub(crate) keep: usize,
    /// Computes layers again for their gradients instead of keeping what they need: less memory, more time, the same result.
    #[arg(long)]
    pub(crate) checkpoint_activations: bool,
    /// Trains low-rank adapters of this rank (LoRA) instead of the weights; DIR ends as peft's folder.
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub(crate) lora_r: Option<usize>,
    /// LoRA's α: adapters are scaled by α / r. Default: 2 r.
    #[arg(
        long,
        value_name = "X",
        requires = "lora_r",
        allow_negative_numbers = true
    )]
    pub(crate) lora_alpha: Option<f64>,
    /// Matrices that get adapters: names as in the model's files (`q_proj,v_proj`), or all-linear.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "lora_r", default_values = ["all-linear"])]
    pub(crate) lora_targets: Vec<String>,
    /// Merges adapters into the weights: DIR ends as a whole model.
    #[arg(long, requires = "lora_r")]
    pub(crate) merge: bool,
    /// Decides fresh weights, the order of the data, and what is held out.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Starts afresh where DIR holds another run.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// How a learning rate falls after its rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decay {
    /// Half a cosine.
    Cosine,
    /// A line.
    Linear,
    /// Not at all.
    Constant,
}

impl Decay {
    pub(crate) const fn falling(self) -> Falling {
        match self {
            Self::Cosine => Falling::Cosine,
            Self::Linear => Falling::Linear,
            Self::Constant => Falling::Constant,
        }
    }
}

/// What becomes of a row that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Truncate {
    /// The run stops and names it.
    Error,
    /// It loses its beginning.
    Left,
    /// It loses its end.
    Right,
    /// It is left out.
    Drop,
}

impl Truncate {
    pub(crate) const fn cutting(self) -> Cutting {
        match self {
            Self::Error => Cutting::Error,
            Self::Left => Cutting::Left,
            Self::Right => Cutting::Right,
            Self::Drop => Cutting::Drop,
        }
    }
}
