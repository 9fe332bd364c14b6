//! Stages `eval/…`: fresh samples of the base and of every policy on held-out prompts, every judge's rewards, and what the procedures make of them.

use std::sync::Arc;

use infalign::{
    estimate::LogProbsOf,
    evaluation::{
        CalibratedPrompt, Deployed, Evaluation, Judge as Named, LogProbs, Pairs, Pairwise, Planned,
        PolicySamples, Question, Responses, Samples, TrainedOn, diagnose, evaluate,
    },
};
use infalign_data::{Fingerprint, RewardRow, RolloutRow, RunDir, read_rewards, read_rollouts};
use infalign_lm::{Sequence, score};
use infalign_remote::RemotePolicy;
use infalign_reward::FinalAnswer;
use serde::{Deserialize, Serialize};

use super::{
    base::Base,
    calibration::{rewarded, write as write_rewards},
    read_json,
    rollouts::{all_answered, sampling, whole},
    source::{Source, told},
    train::Trained,
    write_json,
};
use crate::{
    ask::{Question as Asked, Questions},
    config::Config,
    error::{Error, Result},
    judges::Judge,
    run::Around,
    variants::Variant,
};

mod pairwise;
mod question;

pub(crate) use pairwise::compared;
use question::answers;
pub(crate) use question::{duels, executed, named};

pub(crate) const RESULTS: &str = "eval/results.json";
const BASE: &str = "base";

/// Fresh samples of a policy with everything that is known of them: (prompts, samples).
pub(crate) struct Sampled {
    pub(crate) rows: Vec<RolloutRow>,
    /// (judges, prompts).
    pub(crate) rewards: Vec<Vec<RewardRow>>,
    figures: Figures,
    lengths: Vec<Vec<u32>>,
}

impl Sampled {
    /// The answer of every response: (prompts, samples).
    fn answers(&self, reader: &FinalAnswer) -> Vec<Vec<String>> {
        let of_row = |row: &RolloutRow| row.responses.iter().map(|text| reader.of(text)).collect();
        self.rows.iter().map(of_row).collect()
    }
}

/// Log-probabilities of responses, in nats: (prompts, samples).
#[derive(Debug, Default, Serialize, Deserialize)]
struct Figures {
    policy: Vec<Vec<f64>>,
    base: Vec<Vec<f64>>,
    kl: Vec<Vec<f64>>,
}

/// Whose samples.
pub(crate) enum Whom<'a> {
    Base,
    /// A variant, where it lies, and the stage that it came of, if that is one of this run's.
    Policy(&'a Variant, &'a mut Source, Option<String>),
}

/// Samples and rewards.
pub(crate) fn sampled(
    dir: &mut RunDir,
    around: &Around<'_>,
    (config, base, questions): (&Config, &mut Base, &[Asked]),
    judges: &mut [Judge],
    mut whom: Whom<'_>,
) -> Result<Sampled> {
    let (slug, label) = match &whom {
        Whom::Base => (BASE, BASE),
        Whom::Policy(variant, ..) => (variant.slug.as_str(), variant.name.as_str()),
    };
    let stage = format!("eval/{slug}");
    let settings = sampling(config, &stage);
    let (samples, kl) = (config.evaluate.samples, format!("{stage}/kl.json"));
    let rollouts = format!("{stage}/samples.parquet");
    let mut inputs = base
        .fingerprint
        .clone()
        .value("sampling", &settings)?
        .value("samples", &samples)?;
    for q in questions {
        inputs = inputs.value(&q.prompt.id, &q.prompt.tokens)?;
        if let Some(messages) = q.of_a_chat() {
            inputs = inputs.value("messages", &messages)?;
        }
    }
    match &whom {
        Whom::Policy(_, _, Some(made)) => inputs = inputs.stage(dir, made)?,
        Whom::Policy(_, source, None) => inputs = source.fingerprint(inputs)?,
        Whom::Base => {}
    }
    let what = format!("sampling {label}");
    let mark = inputs.hex();
    let done = dir.stage(&stage, &inputs, &[&rollouts, &kl], |dir| {
        around.tell(&what);
        let source = match &mut whom {
            Whom::Base => &mut base.source,
            Whom::Policy(_, source, _) => source,
        };
        whole(
            dir,
            &rollouts,
            source,
            (questions, samples, &settings),
            &mark,
        )?;
        let (rows, _) = read_rollouts(dir.file(&rollouts))?;
        let figures = match &mut whom {
            Whom::Policy(_, source, _) => figures(
                source,
                &mut base.source,
                questions,
                &rows,
                settings.temperature as f32,
            )?,
            Whom::Base => Figures::default(),
        };
        write_json(dir, &kl, &figures)
    });
    base.source.close();
    if let Whom::Policy(_, source, _) = &mut whom {
        source.close();
    }
    let listed = format!("{stage}/missing.jsonl");
    let done = match done {
        Err(Error::Unanswered { missing, of, .. }) => {
            return Err(match all_answered(dir, &listed, missing, of) {
                Err(error) => error,
                Ok(()) => Error::bug("unanswered prompts were none"),
            });
        }
        done => done?,
    };
    all_answered(dir, &listed, Vec::new(), questions.len())?;
    around.tell_skipped(done, &what);
    let (rows, _) = read_rollouts(dir.file(&rollouts))?;
    let figures = read_json(&dir.file(&kl))?;
    let mut rewards = Vec::with_capacity(judges.len());
    for (number, judge) in judges.iter_mut().enumerate() {
        let name = format!("{stage}/rewards-{number}.parquet");
        let inputs = judge.fingerprint(Fingerprint::new().stage(dir, &stage)?);
        dir.stage(
            &format!("{stage}/rewards-{number}"),
            &inputs,
            &[&name],
            |dir| {
                let found = rewarded(judge, questions, &rows)?;
                write_rewards(dir, &name, &judge.name, &found)
            },
        )?;
        rewards.push(read_rewards(dir.file(&name))?.0);
    }
    let lengths = rows.iter().map(lengths).collect();
    Ok(Sampled {
        rows,
        rewards,
        figures,
        lengths,
    })
}

/// Exact KL and both log-probabilities of every response; nothing where one of the two is behind HTTP.
fn figures(
    policy: &mut Source,
    base: &mut Source,
    questions: &[Asked],
    rows: &[RolloutRow],
    temperature: f32,
) -> Result<Figures> {
    let mut found = Figures::default();
    let (policy, base) = match (policy, base) {
        (Source::Model(policy), Source::Model(base)) => (policy, base),
        (policy, base) => return likelihoods(policy, base, questions, rows, temperature),
    };
    let (policy, base) = (&*policy.decoder()?, &*base.decoder()?);
    for (q, row) in questions.iter().zip(rows) {
        let sequence = |tokens: &Vec<u32>| Sequence {
            tokens: [&q.prompt.tokens[..], tokens].concat(),
            from: q.prompt.tokens.len(),
        };
        let sequences: Vec<Sequence> = row.tokens.iter().map(sequence).collect();
        let scored = score(policy, Some(base), &sequences, temperature)?;
        let sum = |f: fn(&infalign_lm::RowStats) -> f32| -> Vec<f64> {
            let one = |s: &infalign_lm::Scored| s.tokens.iter().map(|t| f64::from(f(t))).sum();
            scored.iter().map(one).collect()
        };
        found.policy.push(sum(|t| t.log_prob));
        found.base.push(sum(|t| t.ref_log_prob));
        found.kl.push(sum(|t| t.kl));
    }
    Ok(found)
}

/// What servers tell of responses: log-probabilities, where both sides can say them of the distribution that was sampled from; no exact KL.
fn likelihoods(
    policy: &Source,
    base: &Source,
    questions: &[Asked],
    rows: &[RolloutRow],
    temperature: f32,
) -> Result<Figures> {
    let untempered = temperature == 1.0;
    let (Source::Server(policy), Source::Server(base), true) = (policy, base, untempered) else {
        return Ok(Figures::default());
    };
    let told = |policy: &RemotePolicy| told(policy, questions, rows);
    Ok(match (told(policy)?, told(base)?) {
        (Some(policy), Some(base)) => Figures {
            policy,
            base,
            kl: Vec::new(),
        },
        _ => Figures::default(),
    })
}

/// Tokens of each response; its words, where a server did not tell its tokens.
fn lengths(row: &RolloutRow) -> Vec<u32> {
    let known = row.tokens.iter().map(Vec::len);
    let words = row
        .responses
        .iter()
        .map(|text| text.split_whitespace().count());
    let short = |n| u32::try_from(n).unwrap_or(u32::MAX);
    if row.tokens.is_empty() {
        words.map(short).collect()
    } else {
        known.map(short).collect()
    }
}

/// What the procedures make of all samples, beside what was predicted.
pub(crate) struct Measured<'a> {
    pub(crate) config: &'a Config,
    pub(crate) base_name: &'a str,
    pub(crate) questions: &'a Questions,
    /// Training rewards of the base's rollouts of training prompts, K and those that check.
    pub(crate) table: &'a [Vec<f32>],
    pub(crate) judges: Vec<Named>,
    /// Which policies to let win against each other.
    pub(crate) duels: Pairs,
    pub(crate) base: &'a Sampled,
    pub(crate) policies: Vec<(&'a Variant, &'a Sampled, Trained)>,
    /// What judges that compare two texts said.
    pub(crate) pairwise: Vec<Pairwise>,
}

/// Writes `results.json`, and returns it.
pub(crate) fn measure(dir: &mut RunDir, measured: &Measured<'_>) -> Result<Evaluation> {
    let mut inputs = Fingerprint::new()
        .stage(dir, "design")?
        .value("evaluate", &measured.config.evaluate)?
        .value("procedures", &measured.config.design.procedures)?
        .value("seed", &measured.config.seed)?
        .value("judges", &measured.judges)?
        .value("pairwise", &measured.pairwise)?;
    for slug in std::iter::once(BASE).chain(measured.policies.iter().map(|p| p.0.slug.as_str())) {
        inputs = inputs.stage(dir, &format!("eval/{slug}"))?;
        for number in 0..measured.judges.len() {
            inputs = inputs.stage(dir, &format!("eval/{slug}/rewards-{number}"))?;
        }
    }
    dir.stage("evaluate", &inputs, &[RESULTS], |dir| {
        write_json(dir, RESULTS, &evaluation(measured)?)
    })?;
    read_json(&dir.file(RESULTS))
}

fn evaluation(measured: &Measured<'_>) -> Result<Evaluation> {
    let config = measured.config;
    let k = config.calibration.rollouts;
    let to = (k + config.calibration.check).min(measured.table.first().map_or(0, Vec::len));
    let held_out = &measured.questions.held_out;
    let procedures = executed(config)?;
    let votes = procedures
        .iter()
        .any(|procedure| matches!(procedure, Deployed::Voting(_)));
    let reader = votes.then(|| answers(config)).transpose()?;
    let read = |sampled: &Sampled| reader.as_ref().map(|reader| sampled.answers(reader));
    let of_base = read(measured.base);
    let of_policies: Vec<_> = measured.policies.iter().map(|p| read(p.1)).collect();
    let calibration: Vec<CalibratedPrompt<'_>> = measured
        .questions
        .training
        .iter()
        .zip(measured.table)
        .map(|(q, rewards)| CalibratedPrompt {
            id: &q.prompt.id,
            rollouts: &rewards[..k],
            fresh: &rewards[k..to],
        })
        .collect();
    let policies =
        measured
            .policies
            .iter()
            .zip(&of_policies)
            .map(|((variant, sampled, trained), answers)| PolicySamples {
                name: variant.name.clone(),
                trained_on: match &variant.transform {
                    None => TrainedOn::Raw,
                    Some(transform) => TrainedOn::Transform(Arc::clone(transform)),
                },
                designed_for: variant.procedure.clone(),
                seed: Some(variant.seed),
                kl_budget: Some(variant.kl),
                beta: Some(trained.beta),
                log_probs_of: LogProbsOf::Sampler,
                responses: responses(sampled, answers.as_deref()),
            });
    let samples = Samples {
        prompts: held_out.iter().map(|q| q.prompt.id.as_ref()).collect(),
        base: responses(measured.base, of_base.as_deref()),
        policies: policies.collect(),
        calibration,
    };
    let question = Question {
        base: measured.base_name.to_owned(),
        judges: measured.judges.clone(),
        procedures,
        comparisons: Pairs::All,
        duels: measured.duels.clone(),
        seed: config.seed,
    };
    let mut found = evaluate(&samples, &question)?;
    let planned = planned(measured)?;
    found.pairwise.clone_from(&measured.pairwise);
    found.diagnostics = diagnose(&samples.calibration, &planned, config.seed)?;
    Ok(found)
}

/// What is trained on, and for what: for the K that it would need.
fn planned(measured: &Measured<'_>) -> Result<Vec<Planned>> {
    let procedures = crate::variants::procedures(&measured.config.design.procedures)?;
    let mut planned: Vec<Planned> = Vec::new();
    for (variant, ..) in &measured.policies {
        let (Some(transform), Some(procedure)) = (
            &variant.transform,
            variant.procedure.as_ref().or(procedures.first()),
        ) else {
            continue;
        };
        let known =
            |p: &Planned| p.transform.to_string() == transform.to_string() && p.kl == variant.kl;
        if !planned.iter().any(known) {
            planned.push(Planned {
                transform: Arc::clone(transform),
                procedure: Arc::clone(procedure),
                kl: variant.kl,
            });
        }
    }
    Ok(planned)
}

/// The samples as the mathematics takes them, with their answers where these are asked for.
fn responses<'a>(sampled: &'a Sampled, answers: Option<&'a [Vec<String>]>) -> Vec<Responses<'a>> {
    let f = &sampled.figures;
    sampled
        .rows
        .iter()
        .enumerate()
        .map(|(p, row)| Responses {
            rewards: sampled
                .rewards
                .iter()
                .map(|r| r[p].rewards.as_slice())
                .collect(),
            log_probs: f.policy.get(p).map(|policy| LogProbs {
                policy,
                base: &f.base[p],
                exact_kl: f.kl.get(p).map(Vec::as_slice),
            }),
            lengths: &sampled.lengths[p],
            truncated: &row.truncated,
            answers: answers.map(|a| a[p].iter().map(String::as_str).collect()),
        })
        .collect()
}
