//! `vllm:http://…`, `judge:http://…`: reward models behind HTTP and language models that judge, behind the seam.
//!
//! What is spoken with them is the crate `infalign-remote`'s; a judge's verdicts are kept in a folder, so that no text is paid for twice.

use std::sync::Arc;

use infalign_remote::{
    Key, Patience,
    reward::{
        Asked as Sent, DIALECTS, Judge, JudgeOptions, JudgeSpec, Probe, RemoteReward,
        RemoteRewardSpec,
    },
};

use crate::{Asked, Entry, RawReward, Result, Reward, checked};

pub(crate) const SERVER: Entry = Entry {
    name: "http",
    syntax: "[KIND:]http://HOST:PORT[:OPTION…][#MODEL]",
    example: "vllm:http://localhost:8000",
    summary: "a reward model behind HTTP, probed before it is trusted; KIND is detected, or one of vllm, vllm-pooling, vllm-score, sglang, tei, llama.cpp, openrlhf, llamafactory",
};

pub(crate) const JUDGE: Entry = Entry {
    name: "judge",
    syntax: "judge:http://HOST:PORT[#MODEL]",
    example: "judge:http://localhost:8000#Qwen/Qwen3-8B",
    summary: "a language model that rates responses from 1 to 10 by a rubric",
};

/// What servers are asked with. The key comes from `INFALIGN_API_KEY`, where that is set.
#[derive(Debug, Clone, Default)]
pub struct RemoteOpening {
    /// How long, how often, how many at a time.
    pub patience: Patience,
    /// What judges are told, how they are sampled, and the folder that keeps their verdicts.
    pub judge: JudgeOptions,
}

pub(crate) fn is_judge(text: &str) -> bool {
    text.starts_with("judge:")
}

/// Whether a text is about a server: it is an address, or a kind of server stands before one.
pub(crate) fn is_server(text: &str) -> bool {
    let address = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    let kind = text
        .split_once(':')
        .map(|(kind, rest)| (kind, address(rest)));
    address(text)
        || kind
            .is_some_and(|(kind, addressed)| addressed || DIALECTS.iter().any(|d| d.name == kind))
}

fn sent<'a>(asked: &[Asked<'a>]) -> Vec<Sent<'a>> {
    let one = |a: &Asked<'a>| Sent {
        prompt_id: a.prompt_id,
        prompt: a.prompt,
        messages: a.messages,
        response: a.response,
        answer: a.answer,
    };
    asked.iter().map(one).collect()
}

/// A reward model behind HTTP; a clone asks through the same connections, within the same limits.
#[derive(Debug, Clone)]
pub struct ServerReward(Arc<RemoteReward>);

impl ServerReward {
    /// Detects what the server speaks, and probes it.
    ///
    /// # Errors
    /// A server that does not answer, of no known kind, or that the probe refuses.
    pub fn open(spec: &RemoteRewardSpec, with: &RemoteOpening) -> Result<Self> {
        let patience = with.patience.clone();
        let opened = RemoteReward::open(spec, key()?, patience, &Probe::default())?;
        Ok(Self(Arc::new(opened)))
    }
}

impl Reward for ServerReward {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let values = self.0.rewards(&sent(asked))?;
        checked(self.0.name(), asked, &values)
    }

    fn identity(&self) -> String {
        self.0.identity().to_owned()
    }

    fn another(&self) -> Option<Box<dyn Reward>> {
        Some(Box::new(self.clone()))
    }
}

/// A language model that rates responses.
#[derive(Debug)]
pub struct JudgeReward(Judge);

impl JudgeReward {
    /// Reads the verdicts that are there.
    ///
    /// # Errors
    /// As [`open_judge`].
    pub fn open(spec: &JudgeSpec, with: &RemoteOpening) -> Result<Self> {
        open_judge(spec, with).map(Self)
    }
}

impl Reward for JudgeReward {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let values = self.0.rewards(&sent(asked))?;
        checked(self.0.name(), asked, &values)
    }

    fn identity(&self) -> String {
        self.0.identity()
    }
}

/// A judge that rates and compares, with the key and options that rewards are asked with.
///
/// # Errors
/// Options out of range, a folder of verdicts that cannot be read, a server that does not answer.
pub fn open_judge(spec: &JudgeSpec, with: &RemoteOpening) -> Result<Judge> {
    let (patience, options) = (with.patience.clone(), with.judge.clone());
    Ok(Judge::open(spec, key()?, patience, options)?)
}

fn key() -> Result<Option<Key>> {
    Ok(Key::from_environment().map_err(infalign_remote::reward::Error::from)?)
}
