//! The kinds of servers: what each takes, says and can do beyond what all do.
//!
//! A new kind is one file here with a `DIALECT`, and one line in [`DIALECTS`].

mod hosted;
mod llama_cpp;
mod sglang;
mod vllm;

use std::fmt;

use serde_json::{Map, Value};

use super::sampling::{Reports, Sampling};
use crate::{client::Client, error::Result, models::ServedModel, wire::Request};

/// All kinds, in the order in which they are looked for. The last one is every server that speaks the interface and is none of
/// the others.
pub const DIALECTS: &[&Dialect] = &[
    &vllm::DIALECT,
    &sglang::DIALECT,
    &llama_cpp::DIALECT,
    &hosted::DIALECT,
];

/// A kind of server.
pub struct Dialect {
    /// How it is named by users and in records.
    pub name: &'static str,
    /// What is known of it, in a sentence.
    pub about: &'static str,
    /// The most choices that are asked for in one request.
    pub most_choices: usize,
    /// Seeds are below 2 to this power.
    pub(super) seed_bits: u32,
    /// What the most tokens of an answer to messages are called.
    pub(super) chat_length: &'static str,
    pub(super) reports: Reports,
    /// Its version, where a server is of this kind; asked with few tries.
    pub(super) recognise: fn(&Client, &[ServedModel]) -> Option<Option<String>>,
    /// The settings of sampling under its names, without the length.
    pub(super) settings: fn(&Sampling) -> Result<Map<String, Value>>,
    /// What asks for log-probabilities and token ids; the flag says whether it is for messages.
    pub(super) extras: fn(chat: bool) -> Value,
    /// How log-probabilities of given tokens are asked for; `None`: it cannot be done.
    pub(super) likelihood: Option<Likelihood>,
}

/// Asks for the log-probabilities of given tokens, and reads them.
pub(super) struct Likelihood {
    pub(super) request: fn(model: &str, sequence: &[u32]) -> Request,
    /// ln p of each token of the sequence from its second on, given all before it.
    pub(super) read: fn(reply: &Value, sequence: &[u32]) -> Result<Vec<f64>, String>,
}

impl Dialect {
    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        DIALECTS.iter().find(|d| d.name == name).copied()
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dialect").field(&self.name).finish()
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Dialect {}

/// The kind of a server, and its version. What is of no other kind is of the last.
pub(super) fn recognised(
    client: &Client,
    models: &[ServedModel],
) -> (&'static Dialect, Option<String>) {
    let of_kind = |d: &&'static Dialect| (d.recognise)(client, models).map(|version| (*d, version));
    let found = DIALECTS.iter().find_map(of_kind);
    found.unwrap_or((&hosted::DIALECT, None))
}

/// Whether a server says in its list of models who serves them.
fn owned_by(models: &[ServedModel], owner: &str) -> bool {
    models.iter().any(|m| m.owned_by.as_deref() == Some(owner))
}

/// A text under a name of a page, where the server has the page.
fn page_text(client: &Client, path: &str, field: &str) -> Option<String> {
    let page = client.get(path).ok()?;
    page.get(field)?.as_str().map(str::to_owned)
}

/// The entries of a list for each token of a sequence but the first, before which there is nothing.
fn rows<'v>(
    reply: &'v Value,
    at: &str,
    sequence: &[u32],
) -> Result<impl Iterator<Item = &'v Value> + use<'v>, String> {
    let rows = reply
        .pointer(at)
        .and_then(Value::as_array)
        .ok_or_else(|| format!("it has no list `{at}`"))?;
    if rows.len() != sequence.len() {
        return Err(format!(
            "{} entries of `{at}` for {} tokens",
            rows.len(),
            sequence.len()
        ));
    }
    Ok(rows.iter().skip(1))
}
