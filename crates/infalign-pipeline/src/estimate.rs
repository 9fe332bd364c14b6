//! `--dry`: what a run would do, with the speed of this very machine measured on a few responses.

use std::num::NonZero;

use infalign_lm::{Batch, Device, Folder, Objective, RowGrad, RowStats, Rule, gradients};
use serde::Serialize;

use crate::{
    ask::Questions,
    config::{Config, TAVERN},
    error::{Error, Result},
    stages::{evaluate::executed, rollouts, side_by_side, source::Model},
};

/// Prompts and responses that are timed.
const PROMPTS: usize = 4;
const RESPONSES: usize = 16;

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimated {
    /// Policies that are trained.
    pub policies: usize,
    /// The stages that take time.
    pub stages: Vec<Stage>,
    /// Bytes on disk, about.
    pub disk: u64,
    /// Pairs of texts that judges compare at most, each in both orders; their time is the judges' and in no stage.
    pub comparisons: u64,
}

/// A stage that takes time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What it does.
    pub work: String,
    /// Tokens sampled at most.
    pub tokens: u64,
    /// Seconds, at the measured speeds and the base's mean length.
    pub seconds: f64,
}

/// Measures the speeds and multiplies; nothing is written but, of the embedded task, a temporary model.
///
/// # Errors
/// What the configuration's model and prompts refuse.
pub fn estimate(
    config: &Config,
    device: &Device,
    side_by_side: Option<NonZero<usize>>,
    clock: fn() -> f64,
) -> Result<Estimated> {
    let scratch = std::env::temp_dir().join(format!("infalign-dry-{}", std::process::id()));
    let measured = measured(config, (device, side_by_side), clock, &scratch);
    drop(std::fs::remove_dir_all(&scratch)); // nothing of it is wanted
    measured
}

fn measured(
    config: &Config,
    (device, side_by_side): (&Device, Option<NonZero<usize>>),
    clock: fn() -> f64,
    scratch: &std::path::Path,
) -> Result<Estimated> {
    if config.is_served() {
        return Err(Error::Config {
            place: "--dry".to_owned(),
            why: "it measures the speed of a model that is here, and policy.model is a server"
                .to_owned(),
        });
    }
    let place = if config.policy.model == TAVERN {
        infalign_tavern::write_policy(scratch)?;
        scratch.to_owned()
    } else {
        config.at(&config.policy.model)
    };
    let folder = Folder::open(&place)?;
    let questions = Questions::read(config, Some(&folder))?;
    let (c, d, t) = (&config.calibration, &config.design, &config.train);
    let policies = d.rewards.len() * d.kl.len() * d.seeds.len();
    let at_a_time = side_by_side::at_a_time(side_by_side, &folder, device, policies);
    let mut model = Model::new(folder, device);
    let alone = speeds(config, &mut model, &questions, clock)?;
    let trained = if at_a_time > 1 {
        let threads = side_by_side::share(at_a_time);
        side_by_side::on_threads(threads, || speeds(config, &mut model, &questions, clock))?
    } else {
        alone
    };
    let model = model.decoder()?;
    let longest = config.sampling.max_tokens as u64;
    let stage = |name: &str, work: String, responses: u64, seconds: f64| Stage {
        name: name.to_owned(),
        work,
        tokens: responses * longest,
        seconds: responses as f64 * seconds,
    };
    let of_base = questions.training.len() * (c.rollouts + c.check);
    let of_training = policies as u64 * t.steps * (t.prompts * t.samples) as u64;
    let of_evaluation = questions.held_out.len() * config.evaluate.samples * (policies + 1);
    let parameters = 4 * model.parameters() as u64;
    let beside = if at_a_time > 1 {
        format!(", {at_a_time} side by side")
    } else {
        String::new()
    };
    let rounds = policies.div_ceil(at_a_time) as f64;
    let stages = vec![
        stage(
            "rollouts",
            format!("{of_base} responses of the base"),
            of_base as u64,
            alone.drawn,
        ),
        stage(
            "training",
            format!(
                "{policies} policies{beside}, {} steps of {} × {} responses",
                t.steps, t.prompts, t.samples
            ),
            of_training,
            (trained.drawn + trained.learned) * rounds / policies.max(1) as f64,
        ),
        stage(
            "evaluation",
            format!("{of_evaluation} responses"),
            of_evaluation as u64,
            alone.drawn,
        ),
    ];
    // A response's text and tokens are about 10 bytes a token; a policy in training has two checkpoints of weights and moments.
    let disk = (stages[0].tokens + stages[2].tokens) * 10 + parameters * (policies as u64 + 7);
    Ok(Estimated {
        policies,
        stages,
        disk,
        comparisons: comparisons(config, questions.held_out.len() * policies)?,
    })
}

/// Pairs that `evaluate.compare` asks about, for so many prompts of policies.
fn comparisons(config: &Config, prompts: usize) -> Result<u64> {
    let e = &config.evaluate;
    let rewards = vec![0.0; e.samples];
    let of_a_prompt: usize = executed(config)?
        .iter()
        .filter(|procedure| procedure.is_one_order())
        .filter_map(|procedure| procedure.outputs(&rewards, e.compare_pairs))
        .map(|outputs| outputs.len())
        .sum();
    Ok((e.compare.len() * prompts * of_a_prompt) as u64)
}

/// Seconds of a response of the base's mean length.
#[derive(Debug, Clone, Copy)]
struct Speeds {
    drawn: f64,
    learned: f64,
}

/// Draws a few responses and takes their gradients, on the current threads.
fn speeds(
    config: &Config,
    model: &mut Model,
    questions: &Questions,
    clock: fn() -> f64,
) -> Result<Speeds> {
    let sampling = rollouts::sampling(config, "dry");
    let few = &questions.training[..PROMPTS.min(questions.training.len())];
    let begun = clock();
    let rows = model.rows(few, RESPONSES, &sampling)?;
    let sampled = clock();
    let mut sequences = Vec::new();
    for (q, row) in few.iter().zip(&rows) {
        for tokens in &row.tokens {
            sequences.push([&q.prompt.tokens[..], tokens].concat());
        }
    }
    let model = model.decoder()?;
    let batch = Batch::new(&sequences, model.spec())?;
    let targets: Vec<Option<u32>> = sequences
        .iter()
        .flat_map(|s| s[1..].iter().copied().map(Some).chain([None]))
        .collect();
    let mut row = |_: usize, s: RowStats| RowGrad {
        loss: -s.log_prob,
        d_log_prob: -1.0,
        ..RowGrad::default()
    };
    let objective = Objective {
        targets: &targets,
        reference: Some(&model.clone()),
        temperature: 1.0,
        rule: Rule::Row(&mut row),
    };
    gradients(model, &batch, objective, config.train.recompute)?;
    let responses = (few.len() * RESPONSES).max(1) as f64;
    Ok(Speeds {
        drawn: (sampled - begun).max(1e-9) / responses,
        learned: (clock() - sampled).max(1e-9) / responses,
    })
}
