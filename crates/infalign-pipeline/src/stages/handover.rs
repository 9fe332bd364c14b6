//! Stages `handover/…`: what another trainer needs to train a policy: prompts, its own configuration with the design's β, and where its rewards
//! come from.
//!
//! The rewards come from `infalign serve`, whatever the trainer and the reward: one code path, the program's values to the last digit. What is
//! trained is served or put into a folder, and named with `--trained`, for this run to measure.

use askama::Template;
use infalign_data::{Fingerprint, RunDir, Turns};
use serde_json::{Value, json};

use super::distill::{self, Rollouts, Set};
use crate::{
    ask::Question,
    config::{Config, Trainer},
    error::{Error, Result},
    variants::Variant,
};

/// Where the generated files look for the service: what `infalign serve` listens on where nothing is typed.
const SERVICE: &str = "http://127.0.0.1:8100";
const PROMPTS: &str = "prompts.jsonl";

/// A policy that another trainer is to train.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HandedOver {
    /// The policy's name, as in tables and after `--trained`.
    pub name: String,
    /// The folder with everything.
    pub folder: String,
    /// The reward's service, as arguments of `infalign serve` behind the configuration; none where rewards are not asked for.
    pub service: Option<String>,
    /// The command that trains.
    pub command: String,
}

/// What templates say of a policy.
struct Task<'a> {
    /// `exp:-10 (KL 0.5, for worst-of:4)`
    what: String,
    form: &'a str,
    raw: bool,
    kl: f64,
    beta: f64,
    weights: &'a str,
    /// As a JSON text, which YAML reads as well.
    weights_quoted: String,
    /// As one word of a shell.
    weights_word: String,
    prompts_file: &'a str,
    service: &'a str,
    chat: bool,
    temperature: f64,
    max_tokens: usize,
    prompts: usize,
    samples: usize,
    steps: u64,
    episodes: u64,
    learning_rate: f64,
    save_every: u64,
    seed: u64,
}

macro_rules! page {
    ($name:ident, $path:literal) => {
        #[derive(Template)]
        #[template(path = $path, escape = "none")]
        struct $name<'a> {
            t: &'a Task<'a>,
        }
    };
}
page!(TrlScript, "handover/trl/train.py");
page!(TrlConfig, "handover/trl/config.yaml");
page!(OpenRlhf, "handover/openrlhf/train.sh");
page!(Verl, "handover/verl/train.sh");
page!(AxolotlReward, "handover/axolotl/rewards.py");
page!(AxolotlConfig, "handover/axolotl/config.yaml");

#[derive(Template)]
#[template(path = "handover/sft/config.yaml", escape = "none")]
struct Sft<'a> {
    t: &'a Task<'a>,
    set: &'a Set,
    effective: String,
}

/// What all policies of a run share.
pub(crate) struct Common<'a> {
    pub(crate) config: &'a Config,
    pub(crate) trainer: Trainer,
    /// What the trainer loads.
    pub(crate) weights: &'a str,
    pub(crate) rollouts: &'a Rollouts<'a>,
}

/// Where a variant's files lie in the run.
fn place(variant: &Variant) -> String {
    format!("handover/{}", variant.slug)
}

/// Refuses what would be known too late.
///
/// # Errors
/// [`Error::Config`]: verl puts a chat template around every prompt, so that texts would be other prompts there than those that calibrate.
pub(crate) fn check(config: &Config, questions: &[Question]) -> Result<()> {
    let text = questions.iter().find(|q| matches!(q.turns, Turns::Text(_)));
    match text {
        Some(q) if config.train.trainer == Trainer::Verl => Err(Error::Config {
            place: config.prompts.file.clone(),
            why: format!(
                "prompt `{}` is a text, and verl puts its model's chat template around every prompt; give prompts as messages, so that those that \
                 calibrate go through it as well",
                q.prompt.id
            ),
        }),
        _ => Ok(()),
    }
}

/// Writes the files of a variant.
pub(crate) fn hand_over(
    dir: &mut RunDir,
    common: &Common<'_>,
    variant: &Variant,
) -> Result<HandedOver> {
    let Common { config, .. } = common;
    let questions = common.rollouts.questions;
    let train = &config.train;
    let per_step = train.prompts.max(1) as u64;
    let task = Task {
        what: what(variant),
        form: &variant.reward,
        raw: variant.transform.is_none(),
        kl: variant.kl,
        beta: variant.beta,
        weights: common.weights,
        weights_quoted: json!(common.weights).to_string(),
        weights_word: word(common.weights),
        prompts_file: PROMPTS,
        service: SERVICE,
        chat: conversational(questions),
        temperature: config.sampling.temperature,
        max_tokens: config.sampling.max_tokens,
        prompts: train.prompts,
        samples: train.samples,
        steps: train.steps,
        episodes: (train.steps * per_step).div_ceil(questions.len().max(1) as u64),
        learning_rate: train.learning_rate,
        save_every: train.save_every.max(1),
        seed: variant.seed,
    };
    let folder = place(variant);
    let files = files(common, variant, &task)?;
    let names: Vec<String> = files
        .iter()
        .map(|(name, _)| format!("{folder}/{name}"))
        .collect();
    let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut inputs = Fingerprint::new().stage(dir, "design")?;
    for (name, text) in &files {
        inputs = inputs.bytes(name, text.as_bytes());
    }
    dir.stage(&folder, &inputs, &outputs, |dir| -> Result<()> {
        for (name, (_, text)) in names.iter().zip(&files) {
            dir.write(name, |out| out.write_all(text.as_bytes()))?;
        }
        Ok(())
    })?;
    Ok(HandedOver {
        name: variant.name.clone(),
        service: (common.trainer != Trainer::Sft)
            .then(|| format!("--policy {}", word(&variant.name))),
        command: command(dir, common.trainer, variant),
        folder: dir.file(&folder).display().to_string(),
    })
}

/// Name, budget and procedure in a few words.
fn what(variant: &Variant) -> String {
    let procedure = variant
        .procedure
        .as_ref()
        .map_or_else(String::new, |p| format!(", for {p}"));
    format!(
        "the reward {} at a KL budget of {} nats{procedure}",
        variant.reward, variant.kl
    )
}

/// Whether prompts are messages.
fn conversational(questions: &[Question]) -> bool {
    questions
        .iter()
        .any(|q| matches!(q.turns, Turns::Messages(_)))
}

/// Names and texts.
fn files(
    common: &Common<'_>,
    variant: &Variant,
    task: &Task<'_>,
) -> Result<Vec<(&'static str, String)>> {
    let page = |page: &dyn askama::DynTemplate| -> Result<String> {
        page.dyn_render()
            .map(|text| text + "\n")
            .map_err(|e| Error::bug(format!("a file for another trainer: {e}")))
    };
    let prompts = lines(
        common
            .rollouts
            .questions
            .iter()
            .map(|q| row(q, common.trainer)),
    );
    Ok(match common.trainer {
        Trainer::Infalign => Vec::new(),
        Trainer::Trl => vec![
            (PROMPTS, prompts),
            ("train.py", page(&TrlScript { t: task })?),
            ("config.yaml", page(&TrlConfig { t: task })?),
        ],
        Trainer::Openrlhf => vec![
            (PROMPTS, prompts),
            ("train.sh", page(&OpenRlhf { t: task })?),
        ],
        Trainer::Verl => vec![(PROMPTS, prompts), ("train.sh", page(&Verl { t: task })?)],
        Trainer::Axolotl => vec![
            (PROMPTS, prompts),
            ("rewards.py", page(&AxolotlReward { t: task })?),
            ("config.yaml", page(&AxolotlConfig { t: task })?),
        ],
        Trainer::Sft => {
            let set = distill::set(
                common.config,
                common.rollouts,
                (variant, Some(task.samples)),
            )?;
            let config = page(&Sft {
                t: task,
                set: &set,
                effective: format!("{:.0}", set.effective),
            })?;
            vec![("train.jsonl", set.lines), ("config.yaml", config)]
        }
    })
}

/// A prompt as the trainer reads it.
fn row(question: &Question, trainer: Trainer) -> Value {
    let id = &*question.prompt.id;
    let prompt = json!(question.turns);
    if trainer == Trainer::Verl {
        return json!({
            "data_source": "infalign",
            "prompt": prompt,
            "ability": "infalign",
            "reward_model": {"style": "rule", "ground_truth": question.answer.as_deref().unwrap_or_default()},
            "extra_info": {"prompt_id": id},
        });
    }
    json!({"prompt": prompt, "prompt_id": id})
}

/// As one word of a shell.
fn word(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), Into::into)
}

fn lines(rows: impl Iterator<Item = Value>) -> String {
    rows.map(|row| row.to_string() + "\n").collect()
}

/// What to type to train.
fn command(dir: &RunDir, trainer: Trainer, variant: &Variant) -> String {
    let folder = word(&dir.file(&place(variant)).display().to_string());
    match trainer {
        Trainer::Infalign => String::new(),
        Trainer::Trl => format!("cd {folder} && python train.py --config config.yaml"),
        Trainer::Openrlhf | Trainer::Verl => format!("bash {folder}/train.sh"),
        Trainer::Axolotl => format!("cd {folder} && PYTHONPATH=. axolotl train config.yaml"),
        Trainer::Sft => format!("cd {folder} && trl sft --config config.yaml"),
    }
}
