//! A reward model behind HTTP: opened after a probe, then asked in batches and answered in order.

use std::ops::Range;

use super::{
    Asked, Caveat, DIALECTS, Dialect, Dress, Error, Probe, Refusal, RemoteRewardSpec, Result,
    detect, dialect::Ask,
};
use crate::{Client, Endpoint, GivenUp, Key, Patience, Request};

/// First tokens that tokenizers put before a text, as a template writes them out.
const FIRST_TOKENS: [&str; 5] = [
    "<s>",
    "<bos>",
    "<|begin_of_text|>",
    "<|startoftext|>",
    "[CLS]",
];

/// Asks a server for raw rewards.
#[derive(Debug)]
pub struct RemoteReward {
    spec: RemoteRewardSpec,
    name: String,
    identity: String,
    dialect: &'static Dialect,
    path: String,
    dress: Dress,
    client: Client,
    caveat: Option<Caveat>,
}

impl RemoteReward {
    /// Finds out what the server speaks, where that is not named, and puts it to the probe.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Undetected`], [`Error::Silent`], [`Error::Refused`], and what a [`Client`] needs.
    pub fn open(
        spec: &RemoteRewardSpec,
        key: Option<Key>,
        patience: Patience,
        probe: &Probe,
    ) -> Result<Self> {
        let known = spec.dialect.or_else(|| detect::by_address(&spec.address));
        let (base, path) = asked_at(spec.address.trim_end_matches('/'), known);
        let client = Client::new(Endpoint::parse(base)?.with_key(key), patience)?;
        let dialect = match known {
            Some(dialect) => dialect,
            None => detect::by_asking(&client)?,
        };
        let dress = spec.fits(dialect)?;
        let mut reward = Self {
            name: spec.to_string(),
            identity: String::new(),
            spec: spec.clone(),
            path: path.unwrap_or(dialect.path).to_owned(),
            dialect,
            dress,
            client,
            caveat: None,
        };
        reward.caveat = probe
            .run(
                dialect,
                spec.single,
                spec.unit,
                |asked, most, activation| reward.probe(asked, most, activation),
            )
            .map_err(|refusal| Error::Refused {
                reward: reward.name.clone(),
                refusal,
            })?;
        reward.identity = reward.identified();
        Ok(reward)
    }

    /// The text that opens it again.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything that is known to decide its values, for fingerprints: kind, address, options, and the model as the server names it. A server
    /// that is given other weights under the same name is not noticed.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What the server speaks.
    #[must_use]
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// What the probe could not decide.
    #[must_use]
    pub fn caveat(&self) -> Option<Caveat> {
        self.caveat
    }

    /// One finite raw reward for each response, in their order.
    ///
    /// # Errors
    /// [`Error::Doubled`] before anything is sent; [`Error::Given`] for the first request that was given up. Nothing is returned then.
    pub fn rewards(&self, asked: &[Asked<'_>]) -> Result<Vec<f32>> {
        self.undoubled(asked)?;
        let most = if self.spec.single { 1 } else { usize::MAX };
        let mut values = vec![0.0; asked.len()];
        let read = |batch: &Range<usize>, reply: &_| (self.dialect.read)(reply, batch.len());
        self.ask(asked, most, false, read, |batch, found| {
            let found = found.map_err(|source| Error::Given {
                reward: self.name.clone(),
                row: batch.start,
                last: batch.end - 1,
                prompt: asked[batch.start].prompt_id.to_owned(),
                source,
            })?;
            // `read` gives as many as it was asked for, or fails.
            values[batch].copy_from_slice(&found);
            Ok::<(), Error>(())
        })?;
        Ok(values)
    }

    /// Sends all batches; `each` gets every one once.
    fn ask<T, E>(
        &self,
        asked: &[Asked<'_>],
        most: usize,
        activation: bool,
        read: impl Fn(&Range<usize>, &serde_json::Value) -> Result<T, String>,
        each: impl FnMut(Range<usize>, Result<T, GivenUp>) -> Result<(), E>,
    ) -> Result<(), E> {
        let request = |batch: &Range<usize>| {
            let ask = Ask {
                asked: &asked[batch.clone()],
                dress: self.dress,
                special: !self.spec.bare,
                activation,
                model: self.spec.model.as_deref(),
            };
            Request::post(&self.path, (self.dialect.body)(&ask))
        };
        let batches = self.dialect.batches(asked, self.dress, most);
        self.client
            .all(batches, request, |batch, reply| read(batch, &reply), each)
    }

    /// As [`Self::rewards`], but a reply that cannot be read is told at once: it would be the same again.
    fn probe(
        &self,
        asked: &[Asked<'_>],
        most: usize,
        activation: bool,
    ) -> Result<Vec<f32>, Refusal> {
        let start = self.dialect.start;
        let mut values = vec![0.0; asked.len()];
        let read = |batch: &Range<usize>, reply: &_| Ok((self.dialect.read)(reply, batch.len()));
        self.ask(asked, most, activation, read, |batch, found| {
            let found = found.map_err(|given_up| Refusal::Unanswered { given_up, start })?;
            let found = found.map_err(|what| Refusal::Unreadable { what, start })?;
            values[batch].copy_from_slice(&found);
            Ok::<(), Refusal>(())
        })?;
        Ok(values)
    }

    /// A text that begins with its first token would get it twice.
    fn undoubled(&self, asked: &[Asked<'_>]) -> Result<()> {
        if self.spec.bare || !self.dialect.bare || self.dress != Dress::Raw {
            return Ok(());
        }
        for (row, a) in asked.iter().enumerate() {
            let first = FIRST_TOKENS
                .iter()
                .find(|token| a.prompt.starts_with(**token));
            if let Some(token) = first {
                return Err(Error::Doubled {
                    reward: self.name.clone(),
                    row,
                    prompt: a.prompt_id.to_owned(),
                    token,
                });
            }
        }
        Ok(())
    }

    fn identified(&self) -> String {
        let spec = RemoteRewardSpec {
            dialect: Some(self.dialect),
            dress: Some(self.dress),
            ..self.spec.clone()
        };
        let served = self.dialect.served.and_then(|(page, pointer)| {
            let page = self.client.peek(page).ok()?;
            page.pointer(pointer)?.as_str().map(str::to_owned)
        });
        match served {
            Some(model) => format!("{spec} serves {model}"),
            None => spec.to_string(),
        }
    }
}

/// The server's address without the path that is asked, which may have been typed, and that path where it is another than the dialect's.
fn asked_at<'a>(address: &'a str, known: Option<&Dialect>) -> (&'a str, Option<&'a str>) {
    let host = address.find("://").map_or(0, |at| at + 3);
    if known.is_some_and(|d| d.any_path) {
        return match address[host..].find('/') {
            Some(slash) => {
                let (base, path) = address.split_at(host + slash);
                (base, Some(path))
            }
            None => (address, None),
        };
    }
    // Where the kind is still to be found out, the path of any.
    let mut paths = DIALECTS.iter().filter(|d| known.is_none_or(|k| k == *d));
    let base = paths.find_map(|d| address.strip_suffix(d.path));
    (base.unwrap_or(address), None)
}

#[cfg(test)]
mod tests;
