//! What the service is given: settings, limits, and the parts that it answers from.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use infalign::{Procedure, Transform, calibration::RankRule, transform::Identity};
use infalign_data::Lookup;

use crate::{
    auth::Tokens,
    error::{Error, Result},
    known::KnownPrompt,
    log::Log,
    seam::{Opening, Rewarder, Roller},
    split::Conversation,
};

/// How the service works. The default listens on loopback, port 8100, without tokens and TLS.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may ask. Without tokens everybody may, and nothing can be changed at run time.
    pub tokens: Tokens,
    /// Certificate and key; without, plain HTTP.
    pub tls: Option<Tls>,
    /// Φ; `None` hands raw rewards on as they are, for trainers of ordinary RLHF.
    pub transform: Option<Arc<dyn Transform>>,
    /// What Φ is for; only shown.
    pub procedure: Option<Arc<dyn Procedure>>,
    /// How ranks become calibrated rewards.
    pub rule: RankRule,
    /// What a label of OpenRLHF is.
    pub labels: Labels,
    /// What stands around a prompt in the texts of `/classify` and `/v1/embeddings`.
    pub conversation: Option<Conversation>,
    /// Tokens that are taken off the end of a response, as often as they stand there.
    pub end_tokens: Vec<String>,
    /// How requests are put together for the reward.
    pub batching: Batching,
    /// What one client may take.
    pub limits: Limits,
    /// How long a stopping service goes on answering what it has taken.
    pub grace: Duration,
    /// Worker threads of [`crate::run`]; 0: one to a core.
    pub threads: usize,
    /// Put prompts into the lines of the log.
    pub log_prompts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        // As the tokenisers of the usual families of models end a turn or a text.
        let ends = [
            "</s>",
            "<eos>",
            "<|endoftext|>",
            "<|im_end|>",
            "<|eot_id|>",
            "<|end_of_text|>",
            "<end_of_turn>",
            "<|end|>",
        ];
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8100)),
            tokens: Tokens::default(),
            tls: None,
            transform: Some(Arc::new(Identity)),
            procedure: None,
            rule: RankRule::MidRank,
            labels: Labels::PromptId,
            conversation: None,
            end_tokens: ends.map(str::to_owned).to_vec(),
            batching: Batching::default(),
            limits: Limits::default(),
            grace: Duration::from_secs(30),
            threads: 0,
            log_prompts: false,
        }
    }
}

/// Files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What `labels` of `/get_reward` hold (`--data.label_key`). A label that is an object, or the JSON text of one, with `prompt_id` and
/// perhaps `answer` is taken by these names either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Labels {
    /// The prompt's id; an empty label says nothing, and the prompt is known by its text.
    #[default]
    PromptId,
    /// The right answer, for the reward; the prompt is known by its text.
    Answer,
}

/// How requests are put together for the reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Responses in a batch, at most.
    pub most: usize,
    /// How long a batch waits for more, at most; never longer than the batch before it took, so that a cheap reward never waits.
    pub wait: Duration,
    /// Responses that wait for the reward, at most; beyond, requests get 503.
    pub queue: usize,
}

impl Default for Batching {
    fn default() -> Self {
        Self {
            most: 64,
            wait: Duration::from_millis(1),
            queue: 8192,
        }
    }
}

/// What one client, and all together, may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Bytes of all bodies that are being received or answered.
    pub bodies: usize,
    /// Responses in a request.
    pub items: usize,
    /// Requests that are answered at a time.
    pub requests: usize,
    /// Open connections.
    pub connections: usize,
    /// Time for a request's head, and for the handshake of TLS.
    pub head: Duration,
    /// Time for a request's body.
    pub receive: Duration,
    /// Time without a request, until a connection is closed.
    pub idle: Duration,
    /// Time for an answer. OpenRLHF gives up after 180 s.
    pub answer: Duration,
    /// Rewards that calibrations added over HTTP may hold together.
    pub added_rewards: usize,
    /// Prompts whose rollouts are kept; the oldest go first.
    pub rolled_prompts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 << 20,
            bodies: 512 << 20,
            items: 4096,
            requests: 8192,
            connections: 8192,
            head: Duration::from_secs(10),
            receive: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            answer: Duration::from_secs(170),
            added_rewards: 50_000_000,
            rolled_prompts: 100_000,
        }
    }
}

/// What the service answers from.
#[derive(Default)]
pub struct Parts {
    /// The base policy's rewards.
    pub calibration: Option<Lookup>,
    /// Prompts whose texts and ids are known. Empty: a prompt's id is its text.
    pub prompts: Vec<KnownPrompt>,
    /// What gives raw rewards; without, clients bring them.
    pub reward: Option<Opening<dyn Rewarder>>,
    /// What becomes of a prompt that was never calibrated.
    pub unknown: Unknown,
    /// Where the lines of the log go.
    pub log: Option<Log>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// What becomes of a prompt that was never calibrated.
#[derive(Default)]
pub enum Unknown {
    /// 422, which names it.
    #[default]
    Error,
    /// It is ranked among the rewards of all prompts.
    Pooled,
    /// K rollouts of the base policy are drawn now, once for all who ask.
    Rollout {
        /// K.
        k: usize,
        /// Seeds of prompts are made of this one and their ids.
        seed: u64,
        /// The base policy.
        roller: Opening<dyn Roller>,
    },
}

impl Settings {
    /// # Errors
    /// [`Error::Setting`] names what is out of range.
    pub(crate) fn validate(&self) -> Result<()> {
        let Self {
            batching, limits, ..
        } = self;
        for (name, value) in [
            ("batch", batching.most),
            ("queue", batching.queue),
            ("body", limits.body),
            ("items", limits.items),
            ("requests", limits.requests),
            ("connections", limits.connections),
        ] {
            within(name, value, value > 0, "a whole number > 0")?;
        }
        // What a semaphore counts to on machines of 32 bits.
        let most = 1 << 28;
        for (name, value) in [
            ("queue", batching.queue),
            ("requests", limits.requests),
            ("connections", limits.connections),
        ] {
            within(name, value, value <= most, "at most 268435456")?;
        }
        let fits = limits.items <= batching.queue;
        within("items", limits.items, fits, "at most `queue`")?;
        let fits = limits.body <= limits.bodies;
        within("body", limits.body, fits, "at most `bodies`")
    }
}

impl Parts {
    /// # Errors
    /// [`Error::Settings`] for parts that do not go together.
    pub(crate) fn validate(&self, queue: usize) -> Result<()> {
        let prompts = self.calibration.as_ref().map_or(0, Lookup::prompts);
        match &self.unknown {
            Unknown::Pooled if prompts == 0 => Err(Error::Settings(
                "unknown prompts are ranked among the rewards of all prompts, but there is no calibration: give one",
            )),
            Unknown::Rollout { .. } if self.reward.is_none() => Err(Error::Settings(
                "rollouts of unknown prompts need a reward that ranks them: give one",
            )),
            Unknown::Rollout { k, .. } => {
                let fits = (1..=queue).contains(k);
                within("k", *k, fits, "a whole number between 1 and `queue`")
            }
            _ => Ok(()),
        }
    }
}

fn within(name: &'static str, value: usize, ok: bool, allowed: &'static str) -> Result<()> {
    if ok {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        value: value.to_string(),
        allowed,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let mut settings = Settings::default();
        settings.validate().unwrap();
        settings.batching.most = 0;
        let text = settings.validate().unwrap_err().to_string();
        assert_eq!(
            text,
            "batch = 0 is out of range; allowed: a whole number > 0"
        );
        settings.batching.most = 8;
        settings.limits.items = 1 << 20;
        let text = settings.validate().unwrap_err().to_string();
        assert!(text.contains("at most `queue`"), "{text}");
        let parts = Parts {
            unknown: Unknown::Pooled,
            ..Parts::default()
        };
        let text = parts.validate(8).unwrap_err().to_string();
        assert!(text.contains("no calibration"), "{text}");
    }
}
