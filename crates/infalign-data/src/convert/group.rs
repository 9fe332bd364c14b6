//! The responses of a file as one group per prompt.
//!
//! | rows | outcome |
//! |---|---|
//! | one per prompt | pass one by one |
//! | one per response | gathered by the prompt's id, else by the prompt, in the order of first appearance |
//! | no id | the 0-based number of the prompt |
//! | an id again (one per prompt), or with another prompt (one per response) | a bad row |
//! | some responses of a prompt with a reward or tokens, some without | a bad row |

use std::{borrow::BorrowMut, collections::BTreeMap};

use sha2::{Digest, Sha256};

use crate::{
    RewardRow, RolloutRow,
    error::{Error, Place, Result},
    formats::{Content, Record, Records, Response},
    texts::{BadRows, Turns, prompts::Ids},
};

/// What every response must have.
#[derive(Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) texts: bool,
    pub(crate) rewards: bool,
    /// Tokens and log-probabilities, and the prompt as the text that the model saw.
    pub(crate) sampled: bool,
}

/// A prompt with all its responses.
pub(crate) struct Group {
    pub(crate) id: String,
    /// Whether the file names it.
    pub(crate) named: bool,
    pub(crate) prompt: Option<Turns>,
    pub(crate) answer: Option<String>,
    pub(crate) responses: Vec<Response>,
}

/// The groups of a file, borrowed or owned; ends after the first error.
pub(crate) struct Groups<R> {
    records: R,
    needs: Needs,
    ids: Ids,
    gathered: Vec<Group>,
    index: BTreeMap<[u8; 16], usize>,
    ready: Option<std::vec::IntoIter<Group>>,
}

impl<R: BorrowMut<Records>> Groups<R> {
    pub(crate) fn new(records: R, needs: Needs) -> Self {
        Self {
            records,
            needs,
            ids: Ids::default(),
            gathered: Vec::new(),
            index: BTreeMap::new(),
            ready: None,
        }
    }

    /// The rows left out so far.
    pub(crate) fn bad(&self) -> &BadRows {
        self.records.borrow().bad()
    }
}

impl<R: BorrowMut<Records>> Iterator for Groups<R> {
    type Item = Result<Group>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_none() {
            let Self {
                records,
                needs,
                ids,
                gathered,
                index,
                ready,
            } = self;
            match (*records)
                .borrow_mut()
                .usable(|record| take(record, *needs, ids, gathered, index))
            {
                Some(Ok(None)) => {}
                Some(Ok(Some(group))) => return Some(Ok(group)),
                Some(Err(error)) => return Some(Err(error)),
                None => *ready = Some(std::mem::take(gathered).into_iter()),
            }
        }
        self.ready.as_mut()?.next().map(Ok)
    }
}

/// A record's group, where it is whole; else the response is gathered.
fn take(
    record: Record,
    needs: Needs,
    ids: &mut Ids,
    gathered: &mut Vec<Group>,
    index: &mut BTreeMap<[u8; 16], usize>,
) -> Result<Option<Group>> {
    let (responses, whole, texts) = match record.content {
        Content::Responses(responses) => (responses, true, true),
        Content::Response(response) => (vec![response], false, true),
        Content::Rewards(rewards) => (rewards.into_iter().map(bare).collect(), true, false),
        Content::Reward(reward) => (vec![bare(reward)], false, false),
        _ => (Vec::new(), true, false),
    };
    let named = record.id.is_some();
    let place = record.place;
    if responses.is_empty() || (needs.texts && !texts) {
        return Err(missing(&place, "responses"));
    }
    if needs.texts && record.prompt.is_none() {
        return Err(missing(&place, "prompt"));
    }
    for response in &responses {
        if needs.rewards && response.reward.is_none() {
            return Err(missing(&place, "reward"));
        }
        if needs.sampled && response.sampled.is_none() {
            return Err(Error::UnusableRow {
                place,
                column: "logprobs".to_owned(),
                what: "a shard of rollouts needs the tokens and log-probabilities of every response; write .jsonl instead",
            });
        }
    }
    if needs.sampled && !matches!(record.prompt, Some(Turns::Text(_))) {
        return Err(Error::UnusableRow {
            place,
            column: "prompt".to_owned(),
            what: "a shard of rollouts holds the text that the model saw, this prompt is a conversation; write .jsonl instead",
        });
    }
    if whole {
        alike(None, &responses, &place)?;
        let id = ids.insert(record.id, None, &place)?;
        return Ok(Some(Group {
            id,
            named,
            prompt: record.prompt,
            answer: record.answer,
            responses,
        }));
    }
    let key = match (&record.id, &record.prompt) {
        (Some(id), _) => key('i', id.as_bytes()),
        (None, Some(prompt)) => key('p', &json(prompt)),
        (None, None) => return Err(missing(&place, "prompt")),
    };
    if let Some(&at) = index.get(&key) {
        let group = &mut gathered[at];
        if group.prompt != record.prompt {
            return Err(Error::UnusableRow {
                place,
                column: "prompt".to_owned(),
                what: "this id had another prompt before; give every prompt its own id",
            });
        }
        alike(group.responses.first(), &responses, &place)?;
        group.responses.extend(responses);
        return Ok(None);
    }
    let id = ids.insert(record.id, None, &place)?;
    index.insert(key, gathered.len());
    gathered.push(Group {
        id,
        named,
        prompt: record.prompt,
        answer: record.answer,
        responses,
    });
    Ok(None)
}

fn bare(reward: f32) -> Response {
    Response {
        reward: Some(reward),
        ..Response::default()
    }
}

/// All have a reward or none has; the same for tokens.
fn alike(before: Option<&Response>, responses: &[Response], place: &Place) -> Result<()> {
    let mut first = None;
    for response in before.into_iter().chain(responses) {
        let has = (response.reward.is_some(), response.sampled.is_some());
        let (reward, _) = *first.get_or_insert(has);
        if first != Some(has) {
            let column = if reward == has.0 {
                "logprobs"
            } else {
                "reward"
            };
            return Err(Error::UnusableRow {
                place: place.clone(),
                column: column.to_owned(),
                what: "some responses of this prompt have it and some do not; give it to all or to none",
            });
        }
    }
    Ok(())
}

fn missing(place: &Place, column: &str) -> Error {
    Error::MissingField {
        place: place.clone(),
        column: column.to_owned(),
    }
}

/// The first 128 bits of the SHA-256, of ids and prompts apart.
pub(super) fn key(kind: char, bytes: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update([kind as u8]);
    hash.update(bytes);
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    key
}

pub(super) fn json(prompt: &Turns) -> Vec<u8> {
    // Texts and messages always have a JSON form.
    serde_json::to_vec(prompt).unwrap_or_default()
}

impl Group {
    pub(super) fn into_rewards(self) -> RewardRow {
        RewardRow {
            prompt_id: self.id,
            rewards: self.responses.iter().filter_map(|r| r.reward).collect(),
        }
    }

    pub(super) fn into_rollouts(self) -> RolloutRow {
        let mut row = RolloutRow {
            prompt_id: self.id,
            prompt: match self.prompt {
                Some(Turns::Text(text)) => text,
                _ => String::new(), // refused before
            },
            ..RolloutRow::default()
        };
        for response in self.responses {
            row.responses.push(response.text);
            let sampled = response.sampled.unwrap_or_default();
            row.log_probs.push(sampled.log_prob);
            row.tokens.push(sampled.tokens);
            row.truncated.push(sampled.truncated);
        }
        row
    }
}
