//! A policy behind HTTP: a client, the kind of server at its other end, and the model that is meant.

use serde::Serialize;

use super::{
    dialect::{Dialect, recognised},
    sampling::{LogProbsOf, Sampling},
};
use crate::{
    client::Client,
    endpoint::Endpoint,
    error::{Error, Result},
    fault::Fault,
    key::Key,
    models::ServedModel,
    patience::Patience,
};

/// A policy behind HTTP.
#[derive(Debug)]
pub struct RemotePolicy {
    client: Client,
    dialect: &'static Dialect,
    version: Option<String>,
    model: String,
    context: Option<u64>,
    pub(super) most_choices: usize,
    /// Whether log-probabilities and token ids are asked for.
    pub(super) log_probs: bool,
}

/// What a record says of a policy behind HTTP: nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The kind of server, a name of [`DIALECTS`](super::DIALECTS).
    pub server: &'static str,
    /// The server's version, where it says it.
    pub version: Option<String>,
    /// Its address, without `/v1`.
    pub address: String,
    /// The model, as the server names it.
    pub model: String,
    /// The most tokens of prompt and response together, where the server says it.
    pub context: Option<u64>,
}

impl RemotePolicy {
    /// Asks a server which models it offers and of which kind it is (unless `dialect` is given), and chooses the endpoint's model, or the only
    /// one.
    ///
    /// # Errors
    /// [`Error::Model`] where the model is not offered, or none was named and there are several; [`Error::Server`] where the server does not
    /// answer or refuses the key.
    pub fn open(client: Client, dialect: Option<&'static Dialect>) -> Result<Self> {
        let models = match client.models() {
            Ok(models) => models,
            // The list is not everywhere; the first request will tell whether the model is.
            Err(end)
                if matches!(
                    end.fault,
                    Fault::Status {
                        status: 404 | 405,
                        ..
                    }
                ) =>
            {
                Vec::new()
            }
            Err(end) => return Err(Error::Server(end)),
        };
        let model = chosen(client.endpoint().model(), &models)?;
        let (dialect, version) = match dialect {
            Some(named) => (named, (named.recognise)(&client, &models).flatten()),
            None => recognised(&client, &models),
        };
        let context = models
            .iter()
            .find(|m| m.id == model)
            .and_then(|m| m.context);
        Ok(Self {
            client,
            most_choices: dialect.most_choices,
            log_probs: true,
            dialect,
            version,
            model,
            context,
        })
    }

    /// Opens the policy at `ADDRESS[#MODEL]`; `dialect` is a name of [`DIALECTS`](super::DIALECTS), or `None` to find out.
    ///
    /// # Errors
    /// [`Error::Setting`] for a dialect of no known name; what [`Endpoint::parse`], [`Client::new`] and [`Self::open`] say.
    pub fn at(
        place: &str,
        key: Option<Key>,
        dialect: Option<&str>,
        patience: Patience,
    ) -> Result<Self> {
        let named = |name: &str| {
            Dialect::named(name).ok_or_else(|| Error::Setting {
                field: "dialect",
                found: name.to_owned(),
                allowed: "vllm, sglang, llama.cpp or openai",
            })
        };
        let dialect = dialect.map(named).transpose()?;
        let (address, model) = match place.split_once('#') {
            Some((address, model)) => (address, Some(model)),
            None => (place, None),
        };
        let mut endpoint = Endpoint::parse(address)?.with_key(key);
        if let Some(model) = model {
            endpoint = endpoint.with_model(model);
        }
        Self::open(Client::new(endpoint, patience)?, dialect)
    }

    /// With at most this many choices to a request (at least 1), where a server takes fewer or more than its kind usually does.
    #[must_use]
    pub fn with_most_choices(mut self, most: usize) -> Self {
        self.most_choices = most.max(1);
        self
    }

    /// Without asking for log-probabilities and token ids: some models of hosted services refuse a request that does.
    #[must_use]
    pub fn without_log_probs(mut self) -> Self {
        self.log_probs = false;
        self
    }

    /// What a record says of it.
    #[must_use]
    pub fn describe(&self) -> Description {
        Description {
            server: self.dialect.name,
            version: self.version.clone(),
            address: self.client.endpoint().base().to_owned(),
            model: self.model.clone(),
            context: self.context,
        }
    }

    /// What the log-probabilities of sampled tokens are of.
    #[must_use]
    pub fn log_probs_of(&self, sampling: &Sampling) -> LogProbsOf {
        self.dialect.reports.under(sampling)
    }

    /// The client that it asks through.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The kind of server.
    #[must_use]
    pub fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    /// The model, as the server names it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The most choices that are asked for in one request.
    #[must_use]
    pub fn most_choices(&self) -> usize {
        self.most_choices
    }
}

fn chosen(asked: Option<&str>, models: &[ServedModel]) -> Result<String> {
    match (asked, models) {
        (Some(name), []) => Ok(name.to_owned()),
        (Some(name), all) if all.iter().any(|m| m.id == name) => Ok(name.to_owned()),
        (None, [only]) => Ok(only.id.clone()),
        (asked, all) => Err(Error::Model {
            asked: asked.map(str::to_owned),
            offered: all.iter().map(|m| m.id.clone()).collect(),
        }),
    }
}
