//! Stages `rewards` and `calibration`: raw rewards of the base's rollouts, and of each prompt the first K of them, sorted: what Ĉ looks up.

use std::collections::BTreeMap;

use infalign::calibration::{Calibrator, RankRule};
use infalign_data::{
    Calibration, Fingerprint, RewardRow, RewardTable, RolloutRow, RunDir, TableBuilder,
    read_rewards, write_calibration, write_rewards,
};

use crate::{
    ask::Question, config::Config, error::Result, judges::Judge, stages::rollouts::make_folder,
};

pub(crate) const REWARDS: &str = "rewards/training.parquet";
pub(crate) const CALIBRATION: &str = "calibration.parquet";

/// The training reward of all rollouts: (prompts, responses).
pub(crate) fn rewards(
    dir: &mut RunDir,
    judge: &mut Judge,
    questions: &[Question],
    rows: &[RolloutRow],
    drawn: Fingerprint,
) -> Result<Vec<Vec<f32>>> {
    let inputs = judge.fingerprint(drawn);
    dir.stage("rewards", &inputs, &[REWARDS], |dir| {
        write(
            dir,
            REWARDS,
            &judge.name.clone(),
            &rewarded(judge, questions, rows)?,
        )
    })?;
    let (rows, _) = read_rewards(dir.file(REWARDS))?;
    Ok(rows.into_iter().map(|r| r.rewards).collect())
}

/// A judge's rewards of rows, question by question.
pub(crate) fn rewarded(
    judge: &mut Judge,
    questions: &[Question],
    rows: &[RolloutRow],
) -> Result<Vec<RewardRow>> {
    let asked = questions.iter().zip(rows).flat_map(|(q, row)| {
        row.responses
            .iter()
            .map(move |response| (q, response.as_str()))
    });
    let all = judge.rewards(asked)?;
    let mut rest = all.as_slice();
    let row = |row: &RolloutRow| {
        let (own, other) = rest.split_at(row.responses.len());
        rest = other;
        RewardRow {
            prompt_id: row.prompt_id.clone(),
            rewards: own.to_vec(),
        }
    };
    Ok(rows.iter().map(row).collect())
}

/// Writes a judge's rewards.
pub(crate) fn write(dir: &RunDir, name: &str, judge: &str, rows: &[RewardRow]) -> Result<()> {
    let path = dir.file(name);
    make_folder(&path)?;
    let metadata = BTreeMap::from([("reward".to_owned(), judge.to_owned())]);
    Ok(write_rewards(path, rows, &metadata)?)
}

/// The calibration table and one calibrator for each training prompt.
pub(crate) fn calibrate(
    dir: &mut RunDir,
    config: &Config,
    base: &str,
    questions: &[Question],
    rewards: &[Vec<f32>],
) -> Result<Vec<Calibrator>> {
    let k = config.calibration.rollouts;
    let inputs = Fingerprint::new().stage(dir, "rewards")?.value("k", &k)?;
    dir.stage(
        "calibration",
        &inputs,
        &[CALIBRATION],
        |dir| -> Result<()> {
            let table = table(questions, rewards, k)?;
            let sampling = format!("temperature {}", config.sampling.temperature);
            let calibration = Calibration::new(&table, 0, base, sampling)?;
            Ok(write_calibration(dir.file(CALIBRATION), &calibration)?)
        },
    )?;
    let one = |rewards: &Vec<f32>| Ok(Calibrator::new(&rewards[..k], RankRule::MidRank)?);
    rewards.iter().map(one).collect()
}

fn table(questions: &[Question], rewards: &[Vec<f32>], k: usize) -> Result<RewardTable> {
    let mut builder = TableBuilder::new(["rewards"])?;
    for (question, rewards) in questions.iter().zip(rewards) {
        builder.insert(&question.prompt.id, None, &[&rewards[..k]], &[])?;
    }
    Ok(builder.finish()?)
}
