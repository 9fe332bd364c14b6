//! `--dry`: what a run would do, with the speed of this very machine measured on a few responses.

use infalign_lm::{Batch, Device, Folder, Objective, RowGrad, RowStats, Rule, gradients};
use serde::Serialize;

use crate::{
    ask::Questions,
    config::{Config, TAVERN},
    error::{Error, Result},
    stages::{rollouts, source::Model},
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
pub fn estimate(config: &Config, device: &Device, clock: fn() -> f64) -> Result<Estimated> {
    let scratch = std::env::temp_dir().join(format!("infalign-dry-{}", std::process::id()));
    let measured = measured(config, device, clock, &scratch);
    drop(std::fs::remove_dir_all(&scratch)); // nothing of it is wanted
    measured
}

fn measured(
    config: &Config,
    device: &Device,
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
    let mut model = Model::new(folder, device);
    let sampling = rollouts::sampling(config, "dry");
    let few = &questions.training[..PROMPTS.min(questions.training.len())];
    let begun = clock();
    let rows = model.rows(few, RESPONSES, &sampling)?;
    let sampled = clock();
    let mut sequences = Vec::new();
    let mut new = 0;
    for (q, row) in few.iter().zip(&rows) {
        for tokens in &row.tokens {
            new += tokens.len();
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
    let learned = clock();
    let per_new = (sampled - begun).max(1e-9) / new.max(1) as f64;
    let per_learned = (learned - sampled).max(1e-9) / new.max(1) as f64;
    let (c, d, t) = (&config.calibration, &config.design, &config.train);
    let longest = config.sampling.max_tokens as u64;
    let policies = d.rewards.len() * d.kl.len() * d.seeds.len();
    let mean_length = new as f64 / (few.len() * RESPONSES).max(1) as f64;
    let stage = |name: &str, work: String, responses: u64, per_token: f64| Stage {
        name: name.to_owned(),
        work,
        tokens: responses * longest,
        seconds: responses as f64 * mean_length * per_token,
    };
    let of_base = questions.training.len() * (c.rollouts + c.check);
    let of_training = policies as u64 * t.steps * (t.prompts * t.samples) as u64;
    let of_evaluation = questions.held_out.len() * config.evaluate.samples * (policies + 1);
    let parameters = 4 * model.parameters() as u64;
    let stages = vec![
        stage(
            "rollouts",
            format!("{of_base} responses of the base"),
            of_base as u64,
            per_new,
        ),
        stage(
            "training",
            format!(
                "{policies} policies, {} steps of {} × {} responses",
                t.steps, t.prompts, t.samples
            ),
            of_training,
            per_new + per_learned,
        ),
        stage(
            "evaluation",
            format!("{of_evaluation} responses"),
            of_evaluation as u64,
            per_new,
        ),
    ];
    // A response's text and tokens are about 10 bytes a token; a policy in training has two checkpoints of weights and moments.
    let disk = (stages[0].tokens + stages[2].tokens) * 10 + parameters * (policies as u64 + 7);
    Ok(Estimated {
        policies,
        stages,
        disk,
    })
}
