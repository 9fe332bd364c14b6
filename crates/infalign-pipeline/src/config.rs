//! `infalign run`'s configuration: one strict record that is the TOML file, its JSON Schema, and the `--set` keys.
//!
//! Every field has a default; an empty file is the embedded task. Paths are relative to the file that names them, and stay as they were typed:
//! where a configuration lies is no part of a run.

mod check;
mod idle;
mod read;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use infalign_remote::reward::{JudgeOptions, Rubric, Scale};
use infalign_reward::RewardSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
pub(crate) use check::{DESIGNED, RAW};
pub use read::{parse, read};

/// A run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The run's seed: every draw follows from it.
    pub seed: u64,
    /// The base policy.
    pub policy: PolicyConfig,
    /// How it is spoken to where it is a server.
    pub server: ServerConfig,
    /// What it is asked.
    pub prompts: PromptsConfig,
    /// How responses are drawn, while training and while measuring.
    pub sampling: SamplingConfig,
    /// Who gives rewards.
    pub reward: RewardConfig,
    /// What language models that judge are told.
    pub judge: JudgeConfig,
    /// How many rollouts tell a reward's quantiles.
    pub calibration: CalibrationConfig,
    /// Which policies are trained, and for what.
    pub design: DesignConfig,
    /// How they are trained.
    pub train: TrainConfig,
    /// How they are measured.
    pub evaluate: EvaluateConfig,
    /// The folder of the file, where relative paths begin.
    #[serde(skip)]
    root: PathBuf,
}

/// The base policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// A model folder as on the Hugging Face hub, or the address of a server that speaks OpenAI's protocol (`http://…`, with `#NAME` where it
    /// serves several models); `tavern` is the tiny policy that infalign brings along.
    pub model: String,
    /// What another trainer loads where `model` is a server: a model of the hub, or a folder.
    pub weights: String,
    /// Rank of low-rank adapters (LoRA); 0 trains all weights.
    pub lora_rank: usize,
    /// α of the adapters; their product is scaled by α / rank.
    pub lora_alpha: f64,
}

/// How servers are spoken to: `dialect` and `key` are the policy's, `in_flight` and `deadline` also those of reward servers and judges, whose key is
/// always that of `INFALIGN_API_KEY`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// What the server is: `auto`, `vllm`, `sglang`, `llama.cpp` or `openai`.
    pub dialect: String,
    /// The environment variable that holds the policy's key, where its server asks for one.
    pub key: String,
    /// Requests on the way at most; fewer where the server is slow.
    pub in_flight: usize,
    /// Seconds for a request with all tries; as long, a server is waited for that is not there, as while it starts again.
    pub deadline: f64,
}

/// What the policy is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PromptsConfig {
    /// A file of prompts (see `infalign data inspect`); `tavern` are the embedded task's.
    pub file: String,
    /// A file of held-out prompts; without it the last `held_out` of `file` are held out.
    pub held_out_file: Option<PathBuf>,
    /// Prompts held out where no file of them is given; of the embedded task's 64, the first ones.
    pub held_out: usize,
    /// The most prompts that are trained on; 0 is all.
    pub limit: usize,
}

/// How responses are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingConfig {
    /// What logits are divided by, above 0.
    pub temperature: f64,
    /// The most tokens of a response.
    pub max_tokens: usize,
    /// Texts that end a response.
    pub stop: Vec<String>,
}

/// Who gives rewards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RewardConfig {
    /// The training reward (`model:FOLDER`, `length`, `lexicon:FILE`, `regex:PATTERN`, `answer`, `exec:COMMAND`, a server such as
    /// `vllm:http://…`, `judge:http://…`, sums of them); `fit` is a reward model that the run trains first, `gold` the embedded task's own.
    pub train_on: String,
    /// Further rewards that only judge.
    pub judges: Vec<String>,
    /// The reward model that `fit` trains.
    pub fit: FitConfig,
    /// The jailbreak view: for each reward named here (as in `train_on` or `judges`), how often the worst of N responses falls below the number.
    pub thresholds: BTreeMap<String, f64>,
}

/// What language models that judge are told, as rewards (`judge:http://…`) and in `evaluate.compare`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JudgeConfig {
    /// A file with what is asked about one response, with `{prompt}` and `{response}` (and `{answer}`) in it; empty for the rubric that comes along.
    pub rubric: String,
    /// The same about two, with `{response_a}` and `{response_b}`: for `evaluate.compare`.
    pub pair_rubric: String,
    /// The worst and the best rating.
    pub scale: [f64; 2],
    /// Ratings of a response, whose mean is its reward; more than one only at a temperature above 0.
    pub draws: u32,
    /// From 0, at which a judge says the same again, to 2.
    pub temperature: f64,
    /// The most tokens of a reply; a judge that thinks needs room for it.
    pub max_tokens: u32,
}

/// A reward model that the run trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FitConfig {
    /// A file of preferences; `tavern` are the embedded task's noisy annotators, who judge the base's own responses.
    pub preferences: String,
    /// The causal model whose body it begins with; empty for the policy's.
    pub model: String,
    /// Preferences used at most; of `tavern`, drawn.
    pub pairs: usize,
    /// Passes over them.
    pub epochs: f64,
    /// Pairs of a step.
    pub batch_size: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
}

/// How many rollouts tell a reward's quantiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationConfig {
    /// K: rollouts of the base per training prompt.
    pub rollouts: usize,
    /// Further rollouts of each prompt, by which the calibration is checked.
    pub check: usize,
    /// Prompts in a shard of rollouts: what a killed run draws again at most.
    pub shard: usize,
}

/// Which policies are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DesignConfig {
    /// What deployment does: `best-of:4`, `worst-of:4`, …
    pub procedures: Vec<String>,
    /// KL budgets in nats.
    pub kl: Vec<f64>,
    /// Forms of the reward: `raw`, any transform, `optimal` and `designed` (the one that `infalign design` recommends) for each procedure.
    pub rewards: Vec<String>,
    /// Seeds of training.
    pub seeds: Vec<u64>,
}

/// How policies are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Who trains: `infalign`, or another trainer for which everything is written: `trl`, `openrlhf`, `verl`, `axolotl`, or `sft` on the base's own
    /// rollouts, drawn by the optimum's density.
    pub trainer: Trainer,
    /// `rloo`, `ppo`, `grpo` or `projection`.
    pub objective: String,
    /// How the KL enters the loss: `exact`, `k1` or `k3`.
    pub kl: String,
    /// Steps from fresh samples.
    pub steps: u64,
    /// Prompts of a step.
    pub prompts: usize,
    /// Responses to each.
    pub samples: usize,
    /// Parts in which a step is computed; divides `prompts`.
    pub accumulate: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps over which it rises, as a share of all.
    pub warmup: f64,
    /// The last learning rate as a share of the highest.
    pub floor: f64,
    /// The gradient's norm is cut here, in nats; 0 leaves it.
    pub clip: f64,
    /// How fast β answers to the KL; see `infalign train`.
    pub gain: f64,
    /// How much more KL costs above its budget, at once: β times (KL/budget) to this power. 0 leaves it to `gain`; 2 holds policies that waste KL.
    pub brake: f64,
    /// A fixed β instead of the budget's controller.
    pub beta: Option<f64>,
    /// Whether the trained policy is put exactly on its budget, by a line from the base through it.
    pub land: bool,
    /// Steps between two held-out measurements of the KL.
    pub held_out_every: u64,
    /// Passes over a step's samples (`rloo`, `grpo`, `ppo`); 0 is the objective's own.
    pub epochs: usize,
    /// So many first steps project the known optimum from the base's rollouts, as the objective `projection` does, before the objective's own begin.
    pub warm_start: u64,
    /// Keeps only every layer's input and computes the layer again: less memory, more time, the same bits.
    pub recompute: bool,
    /// Steps between two checkpoints.
    pub save_every: u64,
}

/// Who trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trainer {
    /// This program.
    #[default]
    Infalign,
    /// TRL's `RLOOTrainer`.
    Trl,
    /// OpenRLHF.
    Openrlhf,
    /// verl.
    Verl,
    /// Axolotl.
    Axolotl,
    /// Supervised fine-tuning, by TRL.
    Sft,
}

/// How policies are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateConfig {
    /// Fresh responses of each policy, and of the base, to every held-out prompt.
    pub samples: usize,
    /// Procedures that are executed, `voting:N` among them; empty for those of the design with N = 1, 2, 4, 8, 16 of their kinds.
    pub procedures: Vec<String>,
    /// How an answer is taken from a response for voting: a regular expression with one group; without it as reward `answer` does.
    pub answers: Option<String>,
    /// A policy by its name or its form of the reward, against which the others of its KL and seed are measured beside the base.
    pub against: Option<String>,
    /// Judges (`judge:http://…`) that compare what each policy and the base output under best-of-N, worst-of-N and the like, text against text, in both
    /// orders.
    pub compare: Vec<String>,
    /// The most pairs of a held-out prompt that they compare under a procedure: each takes N fresh responses of both sides.
    pub compare_pairs: usize,
    /// Held-out prompts whose responses stand in the report to read.
    pub shown: usize,
}

/// Whether a place is a server's.
pub(crate) fn is_address(place: &str) -> bool {
    place.starts_with("http://") || place.starts_with("https://")
}

/// The embedded task's name, wherever it can stand.
pub const TAVERN: &str = "tavern";
/// The embedded task's gold reward.
pub const GOLD: &str = "gold";
/// The reward model that the run trains.
pub const FIT: &str = "fit";

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            model: TAVERN.to_owned(),
            weights: String::new(),
            lora_rank: 0,
            lora_alpha: 32.0,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            dialect: "auto".to_owned(),
            key: "INFALIGN_API_KEY".to_owned(),
            in_flight: 64,
            deadline: 600.0,
        }
    }
}

impl Default for PromptsConfig {
    fn default() -> Self {
        Self {
            file: TAVERN.to_owned(),
            held_out_file: None,
            held_out: 64,
            limit: 0,
        }
    }
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            max_tokens: 32,
            stop: Vec::new(),
        }
    }
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self {
            train_on: FIT.to_owned(),
            judges: vec![GOLD.to_owned()],
            fit: FitConfig::default(),
            thresholds: BTreeMap::new(),
        }
    }
}

impl Default for JudgeConfig {
    fn default() -> Self {
        let options = JudgeOptions::default();
        Self {
            rubric: String::new(),
            pair_rubric: String::new(),
            scale: [options.scale.least, options.scale.most],
            draws: options.draws,
            temperature: options.temperature,
            max_tokens: options.max_tokens,
        }
    }
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            preferences: TAVERN.to_owned(),
            model: String::new(),
            pairs: 3000,
            epochs: 2.0,
            batch_size: 32,
            learning_rate: 1e-3,
        }
    }
}

impl Default for CalibrationConfig {
    fn default() -> Self {
        Self {
            rollouts: 100,
            check: 16,
            shard: 16,
        }
    }
}

impl Default for DesignConfig {
    fn default() -> Self {
        Self {
            procedures: vec!["worst-of:4".to_owned()],
            kl: vec![0.5],
            rewards: ["raw", "identity", "designed"].map(str::to_owned).into(),
            seeds: vec![0],
        }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            trainer: Trainer::Infalign,
            objective: "rloo".to_owned(),
            kl: "exact".to_owned(),
            steps: 120,
            prompts: 16,
            samples: 16,
            accumulate: 1,
            learning_rate: 2e-3,
            warmup: 0.05,
            floor: 0.1,
            clip: 1.0,
            gain: 0.05,
            brake: 0.0,
            beta: None,
            land: true,
            held_out_every: 20,
            epochs: 0,
            warm_start: 0,
            recompute: false,
            save_every: 20,
        }
    }
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            samples: 32,
            procedures: Vec::new(),
            answers: None,
            against: None,
            compare: Vec::new(),
            compare_pairs: 1,
            shown: 8,
        }
    }
}

/// The JSON Schema of a configuration.
#[must_use]
pub fn schema() -> serde_json::Value {
    serde_json::to_value(schemars::schema_for!(Config)).unwrap_or_default()
}

impl JudgeConfig {
    /// Everything but the rubrics.
    fn sampling(&self) -> JudgeOptions {
        JudgeOptions {
            scale: Scale {
                least: self.scale[0],
                most: self.scale[1],
            },
            draws: self.draws,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            ..JudgeOptions::default()
        }
    }
}

impl Config {
    /// Whether the run trains a reward model.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.rewards().any(|reward| reward == FIT)
    }

    /// Whether the base is behind HTTP.
    #[must_use]
    pub fn is_served(&self) -> bool {
        is_address(&self.policy.model)
    }

    /// The training reward, then those that only judge.
    pub(crate) fn rewards(&self) -> impl Iterator<Item = &str> {
        let judges = self.reward.judges.iter().map(String::as_str);
        std::iter::once(self.reward.train_on.as_str()).chain(judges)
    }

    /// Whether a reward is a judge, and whether one is behind HTTP.
    pub(crate) fn asks(&self) -> (bool, bool) {
        let specs = || self.rewards().filter_map(|r| r.parse::<RewardSpec>().ok());
        (
            specs().any(|spec| spec.has_judge()),
            specs().any(|spec| spec.is_remote()),
        )
    }

    /// The options of judges.
    ///
    /// # Errors
    /// A rubric that cannot be read or used, an option out of range.
    pub(crate) fn judge_options(&self) -> Result<JudgeOptions> {
        let judge = &self.judge;
        let rubric = |name: &str, built_in: fn() -> Rubric| match name {
            "" => Ok(built_in()),
            name => Rubric::from_file(&self.at(name)),
        };
        let read = || {
            let options = JudgeOptions {
                rubric: rubric(&judge.rubric, Rubric::pointwise)?,
                pair_rubric: rubric(&judge.pair_rubric, Rubric::pairwise)?,
                ..judge.sampling()
            };
            options.validate().map(|()| options)
        };
        Ok(read().map_err(infalign_reward::Error::from)?)
    }

    /// Where a path of the configuration leads from the working directory.
    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// The folder of the file, where relative paths begin.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// As TOML, every field written out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}
