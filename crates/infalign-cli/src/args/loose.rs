//! Flags of the commands that work on loose files: rewards, samples, verdicts, without a configuration or a model.

use std::{num::NonZero, path::PathBuf};

use super::{Columns, Judging, Stage};

/// The heading of the flags that go with `--rewards`.
const REWARDS: &str = "Rewards alone";

/// The main job as far as rewards, calibration and design: what would be trained, and what it should win. Or, with `--rewards`, rewards alone.
///
/// With `--rewards` neither configuration nor model is needed: files of base rewards become the calibration table that everything else reads,
/// and its diagnostics: whether Ĉ is uniform, whether it is right, how the spread of rewards differs between prompts, how much ties, and how
/// many rollouts the design needs. The files stream by, so that memory stays flat where each row is a prompt (Parquet, .npy).
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign calibrate my-run.toml
  infalign calibrate --rewards rewards.parquet
  infalign calibrate --rewards shard-*.parquet --out calibration.parquet --check 8 --plots plots
  infalign calibrate --rewards rewards.npy --procedure best-of:16 --kl 1 --format json")]
pub(crate) struct Calibrate {
    #[command(flatten)]
    pub(crate) stage: Stage,
    /// Rewards of the base: one row per prompt with a list, or one row per response (Parquet, JSONL, CSV; .gz and .zst), or .npy of [prompts, K].
    /// Further files are further shards.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "config", help_heading = REWARDS)]
    pub(crate) rewards: Vec<PathBuf>,
    #[command(flatten, next_help_heading = REWARDS)]
    pub(crate) columns: Columns,
    /// Where the calibration table goes (Parquet); without it, only the diagnostics are made.
    #[arg(long, value_name = "FILE", requires = "rewards", help_heading = REWARDS)]
    pub(crate) out: Option<PathBuf>,
    /// How many rewards of each prompt, its last, the diagnostics hold against the others. The table keeps all.
    #[arg(long, value_name = "N", default_value_t = 2, allow_negative_numbers = true, help_heading = REWARDS)]
    pub(crate) check: usize,
    /// The base policy's name, for the table.
    #[arg(long, value_name = "NAME", requires = "rewards", help_heading = REWARDS)]
    pub(crate) base: Option<String>,
    /// What deployment does, for the rollouts that the design needs; may be given several times. Default: best-of:4 and worst-of:4.
    #[arg(long = "procedure", value_name = "P", requires = "rewards", help_heading = REWARDS)]
    pub(crate) procedures: Vec<String>,
    /// The design's KL budget in nats.
    #[arg(long, value_name = "X", default_value_t = 0.5, allow_negative_numbers = true, help_heading = REWARDS)]
    pub(crate) kl: f64,
    /// Transforms to be designed for, separated by commas. Default: what `infalign design` recommends.
    #[arg(long, value_name = "T,…", value_delimiter = ',', requires = "rewards", help_heading = REWARDS)]
    pub(crate) transforms: Vec<String>,
    /// A folder for pictures: an SVG of each diagnostic.
    #[arg(long, value_name = "DIR", requires = "rewards", help_heading = REWARDS)]
    pub(crate) plots: Option<PathBuf>,
}

/// The heading of the flags that go with `--samples` and `--verdicts`.
const FILES: &str = "Files of samples or verdicts";

/// The main job as far as fresh samples, their rewards and `results.json`. Or, with `--samples` or `--verdicts`, files of any tool.
///
/// With `--samples` no model is needed: responses of policies and of the base, from any file that `infalign data inspect` knows, are rewarded by
/// judges (or bring their rewards), each procedure is executed on them, and its inference-time win rates against the base come with 95% intervals
/// over prompts, paired comparisons between policies, `results.json` and the report. Prompts are matched by their text, else by their id.
/// With `--verdicts` a judge has already compared responses pairwise: AlpacaEval's annotations, Arena-Hard's judgments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign evaluate my-run.toml
  infalign evaluate --samples ours.jsonl --base base.jsonl
  infalign evaluate --samples dpo=dpo.parquet --samples rloo=rloo.parquet --base sft.parquet --judge model:rm --judge length --out compared
  infalign evaluate --samples ours.jsonl --base base.jsonl --judge model:safety --procedure worst-of:8 --threshold 0
  infalign evaluate --samples ours.jsonl --base base.jsonl --judge model:rm --compare 'judge:http://localhost:8000#Qwen/Qwen3-8B' --out compared
  infalign evaluate --verdicts annotations.json --format json")]
pub(crate) struct Evaluate {
    #[command(flatten)]
    pub(crate) stage: Stage,
    /// A policy that another trainer made: see `infalign run`.
    #[arg(long, value_name = "NAME=PLACE")]
    pub(crate) trained: Vec<String>,
    /// Responses of a policy, with a name for it; may be given several times.
    #[arg(long, value_name = "[NAME=]FILE", requires = "base", conflicts_with_all = ["config", "verdicts"], help_heading = FILES)]
    pub(crate) samples: Vec<String>,
    /// Responses of the base.
    #[arg(long, value_name = "[NAME=]FILE", requires = "samples", help_heading = FILES)]
    pub(crate) base: Option<String>,
    /// Leaves rows of these files out that cannot be used, and counts them, instead of stopping at the first.
    #[arg(long, requires = "samples", help_heading = FILES)]
    pub(crate) skip_bad_rows: bool,
    /// A reward that judges, the first also selects; `recorded` are the rewards in the files. May be given several times. Default: recorded.
    #[arg(long = "judge", value_name = "REWARD", requires = "samples", help_heading = FILES)]
    pub(crate) judges: Vec<String>,
    /// A judge (`judge:http://…`) that compares what each policy and the base output, text against text, in both orders; may be given several times.
    #[arg(long, value_name = "JUDGE", requires = "samples", help_heading = FILES)]
    pub(crate) compare: Vec<String>,
    /// The most pairs of a prompt that it compares under a procedure; each takes N responses of both sides. Default: 1.
    #[arg(long, value_name = "N", requires = "compare", help_heading = FILES)]
    pub(crate) compare_pairs: Option<NonZero<usize>>,
    /// What it is asked: a file with `{prompt}`, `{response_a}` and `{response_b}` in it. Default: a rubric that comes along.
    #[arg(long, value_name = "FILE", requires = "compare", help_heading = FILES)]
    pub(crate) pair_rubric: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// What deployment does; may be given several times. Default: standard, best-of and worst-of for every --n.
    #[arg(long = "procedure", value_name = "P", requires = "samples", help_heading = FILES)]
    pub(crate) procedures: Vec<String>,
    /// The N of best-of and worst-of, separated by commas. Default: 2,4,8,16 as far as there are responses.
    #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "samples", conflicts_with = "procedures", help_heading = FILES)]
    pub(crate) n: Vec<usize>,
    /// Raw rewards of the first judge below this are an attack's success: adds the jailbreak view.
    #[arg(long, value_name = "X", allow_negative_numbers = true, requires = "samples", help_heading = FILES)]
    pub(crate) threshold: Option<f64>,
    /// A calibration of the base by the first judge: adds its diagnostics.
    #[arg(long, value_name = "FILE", requires = "samples", help_heading = FILES)]
    pub(crate) calibration: Option<PathBuf>,
    /// A folder for results.json and report.html.
    #[arg(long, value_name = "DIR", help_heading = FILES)]
    pub(crate) out: Option<PathBuf>,
    /// Verdicts of a judge: AlpacaEval's annotations or Arena-Hard's judgments; further files are further models or judges.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "config", help_heading = FILES)]
    pub(crate) verdicts: Vec<PathBuf>,
}
