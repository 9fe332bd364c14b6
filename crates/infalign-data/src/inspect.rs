//! What a data file is and holds: format, counts, lengths, duplicates, gaps, an example.
//!
//! One pass, in the memory of some rows and of 16 bytes and a count for every distinct row and
//! prompt (its hash: two different ones are taken for the same with probability below 1e−20 at 10⁹
//! rows) and for every distinct length.

mod spread;

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    convert::BadList,
    error::Result,
    formats::{Content, Raw, Record, RecordOptions, Records, Response, Target, read_records},
    texts::{Message, OnBadRow, Turns},
};
use spread::Counts;
pub use spread::Spread;

const SHOWN: usize = 160; // characters of a text in the example
const SHOWN_ITEMS: usize = 4; // of a list in the example

/// What a data file is and holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The file, as it was named.
    pub file: String,
    /// The name of its format.
    pub format: &'static str,
    /// Whose format it is, and its fields.
    pub summary: &'static str,
    /// Why it is taken for that.
    pub why: String,
    /// What it can be converted to.
    pub converts_to: Vec<Target>,
    /// Rows, bad ones included.
    pub rows: u64,
    /// Distinct prompts, by id and else by text.
    pub prompts: u64,
    /// Prompts with a right answer, in rows.
    pub answers: u64,
    /// Responses (or rewards) per prompt.
    pub responses_per_prompt: Option<Spread>,
    /// Characters of a prompt.
    pub prompt_characters: Option<Spread>,
    /// Characters of a response; of both responses of a preference.
    pub response_characters: Option<Spread>,
    /// The raw rewards.
    pub rewards: Option<RewardSummary>,
    /// The preferences.
    pub preferences: Option<PreferenceSummary>,
    /// Rows that are equal to an earlier one.
    pub duplicate_rows: u64,
    /// Rows whose prompt stood in an earlier one; several responses in several rows are counted too.
    pub repeated_prompts: u64,
    /// Per field, the rows in which it is absent, null or empty; of fields that are there in some.
    pub missing: Vec<Gap>,
    /// The first usable row, shortened.
    pub example: Option<Value>,
    /// The rows that cannot be used.
    pub bad: BadList,
}

/// Raw rewards in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RewardSummary {
    /// How many.
    pub count: u64,
    /// Responses without one.
    pub absent: u64,
    /// The lowest.
    pub min: f32,
    /// Their mean.
    pub mean: f64,
    /// The highest.
    pub max: f32,
}

/// Preferences in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PreferenceSummary {
    /// How many.
    pub count: u64,
    /// Those in which neither response is preferred.
    pub ties: u64,
    /// Those with a margin.
    pub margins: u64,
    /// Those whose margin speaks against the chosen response.
    pub reversed: u64,
}

/// A field that some rows lack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The field.
    pub field: String,
    /// How many rows lack it.
    pub rows: u64,
}

/// Looks at a whole data file. Bad rows are counted and listed, whatever `options` say about them.
///
/// # Errors
/// When the file cannot be opened or is damaged, holds no rows, or is of no known format.
pub fn inspect(path: impl AsRef<Path>, options: &RecordOptions) -> Result<Inspection> {
    let options = RecordOptions {
        on_bad: OnBadRow::Skip,
        ..options.clone()
    };
    let mut records = read_records(path, &options)?;
    let mut seen = Seen::default();
    while let Some(step) = records.step() {
        let step = step?;
        seen.rows += 1;
        if let Some(raw) = &step.raw {
            seen.raw(raw);
        }
        match step.record {
            Ok(record) => {
                if let (None, Some(raw)) = (&seen.example, &step.raw) {
                    seen.example = Some(short(&raw.value));
                }
                seen.record(&record);
            }
            Err(error) => records.reject(error)?,
        }
    }
    Ok(seen.finish(&records))
}

#[derive(Default)]
struct Seen {
    rows: u64,
    parsed: u64,
    hashes: BTreeMap<[u8; 16], ()>,
    fields: Vec<(String, u64)>, // in order of appearance, with the rows that have something there
    prompts: BTreeMap<[u8; 16], u64>, // with their responses
    with_prompt: u64,
    answers: u64,
    duplicate_rows: u64,
    prompt_lengths: Counts,
    response_lengths: Counts,
    rewards: Option<RewardSummary>,
    sum: f64,
    responses: u64,
    preferences: Option<PreferenceSummary>,
    example: Option<Value>,
}

impl Seen {
    fn raw(&mut self, raw: &Raw) {
        self.parsed += 1;
        let bytes = serde_json::to_vec(&raw.value).unwrap_or_default();
        if self.hashes.insert(hash(&[&bytes]), ()).is_some() {
            self.duplicate_rows += 1;
        }
        let Value::Object(fields) = &raw.value else {
            return;
        };
        for (name, value) in fields {
            let filled = u64::from(!is_empty(value));
            match self.fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count += filled,
                None => self.fields.push((name.clone(), filled)),
            }
        }
    }

    fn record(&mut self, record: &Record) {
        self.answers += u64::from(record.answer.is_some());
        let responses = match &record.content {
            Content::Responses(responses) => self.responses(responses),
            Content::Response(response) => self.responses(std::slice::from_ref(response)),
            Content::Rewards(rewards) => {
                rewards.iter().for_each(|&reward| self.reward(reward));
                rewards.len() as u64
            }
            Content::Reward(reward) => {
                self.reward(*reward);
                1
            }
            Content::Preference(preference) => {
                for turns in [&preference.chosen, &preference.rejected] {
                    self.response_lengths.insert(characters(turns));
                }
                let all = self.preferences.get_or_insert(PreferenceSummary {
                    count: 0,
                    ties: 0,
                    margins: 0,
                    reversed: 0,
                });
                all.count += 1;
                all.ties += u64::from(preference.tie);
                all.margins += u64::from(preference.margin.is_some());
                all.reversed += u64::from(preference.margin.is_some_and(|m| m < 0.0));
                2
            }
            Content::Ranked {
                chosen, rejected, ..
            } => {
                let both = chosen.iter().chain(rejected);
                both.for_each(|text| self.response_lengths.insert(text.chars().count() as u64));
                (chosen.len() + rejected.len()) as u64
            }
            Content::Verdict(_) => 2,
            Content::Prompt | Content::Text => 0,
        };
        if let Some(prompt) = &record.prompt {
            self.prompt_lengths.insert(characters(prompt));
        }
        let named = match (&record.id, &record.prompt) {
            (Some(id), _) => Some(hash(&[b"i", id.as_bytes()])),
            (None, Some(prompt)) => {
                let json = serde_json::to_vec(prompt).unwrap_or_default();
                Some(hash(&[b"p", &json]))
            }
            (None, None) => None,
        };
        if let Some(named) = named {
            self.with_prompt += 1;
            *self.prompts.entry(named).or_default() += responses;
        }
    }

    fn responses(&mut self, responses: &[Response]) -> u64 {
        for response in responses {
            self.response_lengths
                .insert(response.text.chars().count() as u64);
            match response.reward {
                Some(reward) => self.reward(reward),
                None => self.responses += 1,
            }
        }
        responses.len() as u64
    }

    fn reward(&mut self, reward: f32) {
        self.responses += 1;
        self.sum += f64::from(reward);
        let all = self.rewards.get_or_insert(RewardSummary {
            count: 0,
            absent: 0,
            min: reward,
            mean: 0.0,
            max: reward,
        });
        all.count += 1;
        all.min = all.min.min(reward);
        all.max = all.max.max(reward);
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more digits")]
    fn finish(self, records: &Records) -> Inspection {
        let format = records.format();
        let mut per_prompt = Counts::default();
        for &responses in self.prompts.values().filter(|&&count| count > 0) {
            per_prompt.insert(responses);
        }
        let gaps = self.fields.into_iter().map(|(field, filled)| Gap {
            field,
            rows: self.parsed - filled,
        });
        Inspection {
            file: records.file().to_owned(),
            format: format.name,
            summary: format.summary,
            why: records.why().to_owned(),
            converts_to: format.gives.to_vec(),
            rows: self.rows,
            prompts: self.prompts.len() as u64,
            answers: self.answers,
            responses_per_prompt: per_prompt.finish(),
            prompt_characters: self.prompt_lengths.finish(),
            response_characters: self.response_lengths.finish(),
            rewards: self.rewards.map(|all| RewardSummary {
                absent: self.responses - all.count,
                mean: self.sum / all.count as f64,
                ..all
            }),
            preferences: self.preferences,
            duplicate_rows: self.duplicate_rows,
            repeated_prompts: self.with_prompt - self.prompts.len() as u64,
            missing: gaps.filter(|gap| gap.rows > 0).collect(),
            example: self.example,
            bad: BadList::of(records),
        }
    }
}

/// The first 128 bits of the SHA-256.
fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

fn characters(turns: &Turns) -> u64 {
    let count = |text: &str| text.chars().count() as u64;
    match turns {
        Turns::Text(text) => count(text),
        Turns::Messages(messages) => messages
            .iter()
            .map(|Message { content, .. }| count(content))
            .sum(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The same value with long texts and lists cut.
fn short(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(SHOWN) {
            Some((end, _)) => Value::String(format!("{}…", &text[..end])),
            None => value.clone(),
        },
        Value::Array(list) => {
            let mut kept: Vec<Value> = list.iter().take(SHOWN_ITEMS).map(short).collect();
            if list.len() > SHOWN_ITEMS {
                kept.push(Value::String(format!(
                    "… {} more",
                    list.len() - SHOWN_ITEMS
                )));
            }
            Value::Array(kept)
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(name, value)| (name.clone(), short(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
