//! Stage `report`: one HTML file with everything that was found.

use std::{collections::BTreeMap, fs};

use infalign::{
    calibration::{Calibrator, RankRule},
    design::Design,
    evaluation::Evaluation,
};
use infalign_data::{Fingerprint, RunDir};
use infalign_report::{RunReport, SampleSet, SampleText, TrainingCurve, run_report};
use serde_json::{Map, Value};

use super::{evaluate::Sampled, train::folder};
use crate::{ask::Questions, config::Config, error::Result, variants::Variant};

pub(crate) const REPORT: &str = "report.html";
/// The report's input, for `infalign report`.
pub(crate) const RECORD: &str = "report.json";

/// What the report is made of.
pub(crate) struct Told<'a> {
    pub(crate) config: &'a Config,
    pub(crate) name: &'a str,
    pub(crate) base_name: &'a str,
    pub(crate) questions: &'a Questions,
    pub(crate) evaluation: Evaluation,
    pub(crate) designs: Vec<Design>,
    pub(crate) base: &'a Sampled,
    pub(crate) policies: Vec<(&'a Variant, &'a Sampled)>,
}

/// Writes the page and its input.
pub(crate) fn report(dir: &mut RunDir, told: &Told<'_>) -> Result<()> {
    let mut inputs = Fingerprint::new()
        .stage(dir, "evaluate")?
        .stage(dir, "design")?
        .value("name", &told.name)?
        .value("shown", &told.config.evaluate.shown)?;
    for (variant, _) in told.policies.iter().filter(|(v, _)| was_trained(dir, v)) {
        inputs = inputs.stage(dir, &folder(variant))?;
    }
    dir.stage("report", &inputs, &[RECORD, REPORT], |dir| -> Result<()> {
        let record = record(dir, told)?;
        super::write_json(dir, RECORD, &record)?;
        let page = run_report(&record)?;
        Ok(dir.write(REPORT, |out| out.write_all(page.as_bytes()))?)
    })?;
    Ok(())
}

fn record(dir: &RunDir, told: &Told<'_>) -> Result<RunReport> {
    let config = told.config;
    let list = |texts: &[String]| texts.join(" and ");
    let kls: Vec<String> = config.design.kl.iter().map(ToString::to_string).collect();
    let reward = told
        .evaluation
        .judges
        .first()
        .map_or("", |j| j.name.as_str());
    let judges: Vec<String> = told
        .evaluation
        .judges
        .iter()
        .skip(1)
        .map(|j| j.name.clone())
        .collect();
    let judged = if judges.is_empty() {
        String::new()
    } else {
        format!(
            " {} judges beside it and was never trained on.",
            list(&judges)
        )
    };
    let question = format!(
        "Deployment runs {}. Which reward should {} be trained with, if it may move {} nats of KL from where it is? Training reward: {reward}, calibrated on \
         {} rollouts for each of {} prompts; measured on {} held-out prompts with {} fresh responses of every policy.{judged}",
        list(&config.design.procedures),
        told.base_name,
        kls.join(" or "),
        config.calibration.rollouts,
        told.questions.training.len(),
        told.questions.held_out.len(),
        config.evaluate.samples,
    );
    let curves = told
        .policies
        .iter()
        .filter(|(variant, _)| was_trained(dir, variant))
        .map(|(variant, _)| curve(dir, variant))
        .collect::<Result<Vec<_>>>()?;
    Ok(RunReport {
        title: told.name.to_owned(),
        question,
        evaluation: told.evaluation.clone(),
        designs: told.designs.clone(),
        curves,
        samples: samples(told)?,
        reproduce: reproduce(dir, config),
    })
}

/// Whether it was trained here: another trainer's metrics are its own.
fn was_trained(dir: &RunDir, variant: &Variant) -> bool {
    dir.manifest().stages.contains_key(&folder(variant))
}

/// The series of `metrics.jsonl`.
fn curve(dir: &RunDir, variant: &Variant) -> Result<TrainingCurve> {
    let path = dir.file(&format!("{}/metrics.jsonl", folder(variant)));
    let text =
        fs::read_to_string(&path).map_err(|source| infalign_data::Error::Read { path, source })?;
    let rows: Vec<Map<String, Value>> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let mut step = Vec::with_capacity(rows.len());
    let mut series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let names: Vec<String> = rows
        .first()
        .map(|row| {
            row.keys()
                .filter(|k| *k != "step" && !k.contains('/'))
                .cloned()
                .collect()
        })
        .unwrap_or_default();
    for row in &rows {
        step.push(row.get("step").and_then(Value::as_u64).unwrap_or(0));
        for name in &names {
            let value = row.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
            series.entry(name.clone()).or_default().push(value);
        }
    }
    Ok(TrainingCurve {
        policy: variant.name.clone(),
        step,
        series,
    })
}

/// A response of every policy to some held-out prompts, with its quantile among the base's.
fn samples(told: &Told<'_>) -> Result<Vec<SampleSet>> {
    let mut sets = Vec::new();
    for (p, question) in told
        .questions
        .held_out
        .iter()
        .take(told.config.evaluate.shown)
        .enumerate()
    {
        let calibrator = Calibrator::new(&told.base.rewards[0][p].rewards, RankRule::MidRank)?;
        let mut responses = Vec::new();
        let all = std::iter::once(("base", told.base))
            .chain(told.policies.iter().map(|(v, s)| (v.name.as_str(), *s)));
        for (policy, sampled) in all {
            for n in 0..2.min(sampled.rows[p].responses.len()) {
                let raw = f64::from(sampled.rewards[0][p].rewards[n]);
                responses.push(SampleText {
                    policy: policy.to_owned(),
                    text: sampled.rows[p].responses[n].clone(),
                    raw,
                    quantile: Some(calibrator.calibrate(raw)),
                });
            }
        }
        sets.push(SampleSet {
            prompt_id: question.prompt.id.to_string(),
            prompt: question.text.clone(),
            responses,
        });
    }
    Ok(sets)
}

/// Configuration, versions, seeds and hashes.
fn reproduce(dir: &RunDir, config: &Config) -> Vec<(String, String)> {
    let manifest = dir.manifest();
    let mut lines = vec![
        (
            "Version".to_owned(),
            format!("infalign {}", manifest.version),
        ),
        ("Seed".to_owned(), config.seed.to_string()),
        ("Configuration".to_owned(), config.to_toml()),
    ];
    for (name, hash) in &manifest.inputs {
        lines.push((format!("SHA-256 of {name}"), hash.clone()));
    }
    for stage in ["calibration", "evaluate"] {
        for (name, hash) in manifest
            .stages
            .get(stage)
            .into_iter()
            .flat_map(|s| &s.outputs)
        {
            lines.push((format!("SHA-256 of {name}"), hash.clone()));
        }
    }
    lines
}
