//! The rows of JSON Lines that are written, and their writing.

use std::{collections::BTreeMap, io, path::Path};

use serde::Serialize;

use super::group::{Group, json, key};
use crate::{
    PreferenceRow, RewardRow,
    error::{Error, Result},
    formats::Records,
    texts::Turns,
    write::{Compression, Output, write_atomic},
};

/// Writes rows as they come; the first error ends it and leaves no file.
pub(super) fn write_lines<T: Serialize>(
    path: &Path,
    compression: Compression,
    mut rows: impl Iterator<Item = Result<T>>,
) -> Result<()> {
    let mut failure = None;
    let mut all = |output: Output<'_>| -> io::Result<()> {
        for row in rows.by_ref() {
            let row = row.map_err(|error| {
                failure = Some(error);
                io::Error::other("a row cannot be used")
            })?;
            serde_json::to_writer(&mut *output, &row)?;
            output.write_all(b"\n")?;
        }
        Ok(())
    };
    let written = write_atomic(path, |output| match compression {
        Compression::None => all(output),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(output, flate2::Compression::default());
            all(&mut encoder)?;
            encoder.finish().map(|_| ())
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(output, 0)?;
            all(&mut encoder)?;
            encoder.finish().map(|_| ())
        }
    });
    match failure {
        Some(error) => Err(error),
        None => written,
    }
}

#[derive(Serialize)]
pub(super) struct Prompt {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_id: Option<String>,
    prompt: Turns,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

/// The prompts of a file, each once; ends after the first error.
pub(super) struct Prompts<'r> {
    records: &'r mut Records,
    seen: BTreeMap<[u8; 16], [u8; 16]>, // by id, else by prompt: the prompt
    repeated: u64,
}

impl<'r> Prompts<'r> {
    pub(super) const fn new(records: &'r mut Records) -> Self {
        Self {
            records,
            seen: BTreeMap::new(),
            repeated: 0,
        }
    }

    pub(super) const fn repeated(&self) -> u64 {
        self.repeated
    }
}

impl Iterator for Prompts<'_> {
    type Item = Result<Prompt>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let seen = &mut self.seen;
            let found = self.records.usable(|record| {
                let place = record.place;
                let prompt = record.prompt.ok_or_else(|| Error::MissingField {
                    place: place.clone(),
                    column: "prompt".to_owned(),
                })?;
                let own = key('p', &json(&prompt));
                let name = record.id.as_ref().map_or(own, |id| key('i', id.as_bytes()));
                match seen.get(&name) {
                    Some(before) if *before == own => return Ok(None),
                    Some(_) => {
                        return Err(Error::UnusableRow {
                            place,
                            column: "prompt".to_owned(),
                            what: "this id had another prompt before; give every prompt its own id",
                        });
                    }
                    None => {}
                }
                seen.insert(name, own);
                Ok(Some(Prompt {
                    prompt_id: record.id,
                    prompt,
                    answer: record.answer,
                }))
            })?;
            match found.transpose() {
                Some(found) => return Some(found),
                None => self.repeated += 1,
            }
        }
    }
}

#[derive(Serialize)]
pub(super) struct Preference {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_id: Option<String>,
    prompt: Turns,
    chosen: Turns,
    rejected: Turns,
    #[serde(skip_serializing_if = "Option::is_none")]
    margin: Option<f64>,
    #[serde(skip_serializing_if = "is_false")]
    tie: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(truth: &bool) -> bool {
    !*truth
}

pub(super) fn preference(row: PreferenceRow) -> Preference {
    Preference {
        prompt_id: row.prompt_id,
        prompt: row.prompt,
        chosen: row.chosen,
        rejected: row.rejected,
        margin: row.margin,
        tie: row.tie,
    }
}

#[derive(Serialize)]
pub(super) struct Rewards {
    prompt_id: String,
    rewards: Vec<f32>,
}

pub(super) fn rewards(group: Group) -> Rewards {
    let RewardRow { prompt_id, rewards } = group.into_rewards();
    Rewards { prompt_id, rewards }
}

#[derive(Serialize)]
pub(super) struct Rollouts {
    prompt_id: String,
    prompt: Option<Turns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    responses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rewards: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<Vec<u32>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<Vec<bool>>,
}

pub(super) fn rollouts(group: Group) -> Rollouts {
    let rewards = group.responses.iter().map(|r| r.reward).collect();
    let (mut responses, mut sampled) = (Vec::new(), Vec::new());
    for response in group.responses {
        responses.push(response.text);
        sampled.extend(response.sampled);
    }
    let known = !sampled.is_empty(); // then of all: the group was checked
    Rollouts {
        prompt_id: group.id,
        prompt: group.prompt,
        answer: group.answer,
        responses,
        rewards,
        logprobs: known.then(|| sampled.iter().map(|s| s.log_prob).collect()),
        truncated: known.then(|| sampled.iter().map(|s| s.truncated).collect()),
        tokens: known.then(|| sampled.into_iter().map(|s| s.tokens).collect()),
    }
}

#[derive(Serialize)]
pub(super) struct Sample {
    prompt_id: String,
    index: usize,
    prompt: Option<Turns>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    response: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprob: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
}

pub(super) fn samples(group: Result<Group>) -> Vec<Result<Sample>> {
    let group = match group {
        Ok(group) => group,
        Err(error) => return vec![Err(error)],
    };
    let responses = group.responses.into_iter().enumerate();
    let sample = |(index, response): (usize, crate::formats::Response)| {
        let (logprob, truncated) = match &response.sampled {
            Some(sampled) => (Some(sampled.log_prob), Some(sampled.truncated)),
            None => (None, None),
        };
        Ok(Sample {
            prompt_id: group.id.clone(),
            index,
            prompt: group.prompt.clone(),
            answer: group.answer.clone(),
            response: response.text,
            reward: response.reward,
            logprob,
            tokens: response.sampled.map(|sampled| sampled.tokens),
            truncated,
        })
    };
    responses.map(sample).collect()
}
