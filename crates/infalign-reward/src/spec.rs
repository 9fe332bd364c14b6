//! Rewards as they are typed: parsed, written back, opened.

mod parse;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use infalign_lm::Device;
use infalign_remote::reward::{JudgeSpec, RemoteRewardSpec};
use serde::Serialize;

use crate::{
    AnswerReward, Dress, ExecLimits, ExecReward, JudgeReward, LengthReward, LexiconReward,
    ModelReward, Over, PatternReward, RemoteOpening, Result, Reward, ServerReward, SumReward, Term,
    answer, exec, length, lexicon, model, pattern, remote, sum,
};

/// One line of the registry: what a user types and what they get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The word before the colon.
    pub name: &'static str,
    /// The shape of the whole text, parameters in capitals.
    pub syntax: &'static str,
    /// A text that parses.
    pub example: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
}

/// Everything that can be typed.
pub const REGISTRY: &[Entry] = &[
    model::ENTRY,
    length::ENTRY,
    lexicon::ENTRY,
    pattern::FOUND,
    pattern::COUNT,
    answer::ENTRY,
    exec::ENTRY,
    remote::SERVER,
    remote::JUDGE,
    sum::ENTRY,
];

/// A reward as typed: nothing is opened yet. Its `Display` is a text that parses back to it; serde takes it as that text.
#[derive(Debug, Clone, PartialEq)]
pub enum RewardSpec {
    /// `model:FOLDER[:chat|:raw][:eos]`
    Model {
        /// A folder in the hub's layout.
        folder: PathBuf,
        /// How prompt and response become one text.
        dress: Dress,
        /// Whether the end-of-sequence token follows the response.
        eos: bool,
    },
    /// `length`
    Length,
    /// `lexicon:FILE[:mean]`
    Lexicon {
        /// Words with their valences.
        file: PathBuf,
        /// Their sum or mean.
        over: Over,
    },
    /// `regex:PATTERN`, `regex-count:PATTERN`
    Pattern {
        /// As crate `regex` has it.
        pattern: String,
        /// How often it is found, not whether.
        count: bool,
    },
    /// `answer`
    Answer,
    /// `exec:COMMAND`
    Exec {
        /// A program with its arguments.
        command: String,
    },
    /// `[KIND:]http://HOST:PORT[:OPTION…][#MODEL]`
    Server(RemoteRewardSpec),
    /// `judge:http://HOST:PORT[#MODEL]`
    Judge(JudgeSpec),
    /// `sum(W*REWARD + …)`
    Sum(Vec<Term>),
}

/// What opening a reward needs besides its text.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Where reward models run.
    pub device: Device,
    /// The patience with programs.
    pub exec: ExecLimits,
    /// What servers are asked with.
    pub remote: RemoteOpening,
}

impl Opening {
    /// On a device, with the usual patience.
    #[must_use]
    pub fn new(device: Device) -> Self {
        Self {
            device,
            exec: ExecLimits::default(),
            remote: RemoteOpening::default(),
        }
    }
}

impl RewardSpec {
    /// Opens files and models, or starts the program.
    ///
    /// # Errors
    /// What the kind of reward finds.
    pub fn open(&self, with: &Opening) -> Result<Box<dyn Reward>> {
        Ok(match self {
            Self::Model { folder, dress, eos } => {
                Box::new(ModelReward::open(folder, *dress, *eos, &with.device)?)
            }
            Self::Length => Box::new(LengthReward),
            Self::Lexicon { file, over } => Box::new(LexiconReward::open(file, *over)?),
            Self::Pattern { pattern, count } => Box::new(PatternReward::new(pattern, *count)?),
            Self::Answer => Box::new(AnswerReward),
            Self::Exec { command } => Box::new(ExecReward::open(command, with.exec)?),
            Self::Server(spec) => Box::new(ServerReward::open(spec, &with.remote)?),
            Self::Judge(spec) => Box::new(JudgeReward::open(spec, &with.remote)?),
            Self::Sum(terms) => {
                let open = |term: &Term| Ok((term.weight, term.reward.open(with)?));
                let parts: Result<Vec<_>> = terms.iter().map(open).collect();
                Box::new(SumReward::new(self.to_string(), parts?))
            }
        })
    }

    /// Whether it is a judge, or a sum with one.
    #[must_use]
    pub fn has_judge(&self) -> bool {
        match self {
            Self::Judge(_) => true,
            Self::Sum(terms) => terms.iter().any(|term| term.reward.has_judge()),
            _ => false,
        }
    }

    /// Whether it is behind HTTP, or a sum with a part that is.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Judge(_) | Self::Server(_) => true,
            Self::Sum(terms) => terms.iter().any(|term| term.reward.is_remote()),
            _ => false,
        }
    }

    /// With files and folders that are not absolute taken as lying in `directory`. Commands stay as they are.
    #[must_use]
    pub fn within(&self, directory: &Path) -> Self {
        let mut spec = self.clone();
        match &mut spec {
            Self::Model { folder: path, .. } | Self::Lexicon { file: path, .. } => {
                *path = directory.join(&*path);
            }
            Self::Sum(terms) => {
                for term in terms {
                    term.reward = term.reward.within(directory);
                }
            }
            Self::Length
            | Self::Pattern { .. }
            | Self::Answer
            | Self::Exec { .. }
            | Self::Server(_)
            | Self::Judge(_) => {}
        }
        spec
    }
}

impl fmt::Display for RewardSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model { folder, dress, eos } => {
                let eos = if *eos { ":eos" } else { "" };
                write!(f, "model:{}{}{eos}", folder.display(), dress.option())
            }
            Self::Length => f.write_str("length"),
            Self::Lexicon { file, over } => {
                let option = if *over == Over::Mean { ":mean" } else { "" };
                write!(f, "lexicon:{}{option}", file.display())
            }
            Self::Pattern { pattern, count } => {
                let name = if *count { "regex-count" } else { "regex" };
                write!(f, "{name}:{pattern}")
            }
            Self::Answer => f.write_str("answer"),
            Self::Exec { command } => write!(f, "exec:{command}"),
            Self::Server(spec) => spec.fmt(f),
            Self::Judge(spec) => spec.fmt(f),
            Self::Sum(terms) => {
                f.write_str("sum(")?;
                for (n, term) in terms.iter().enumerate() {
                    let minus = term.weight.is_sign_negative();
                    f.write_str(match (n, minus) {
                        (0, false) => "",
                        (0, true) => "-",
                        (_, false) => " + ",
                        (_, true) => " - ",
                    })?;
                    if term.weight.abs() != 1.0 {
                        write!(f, "{}*", term.weight.abs())?;
                    }
                    let text = term.reward.to_string();
                    let plain = |c: char| c.is_alphanumeric() || "_./:\\-".contains(c);
                    if matches!(term.reward, Self::Sum(_)) || text.chars().all(plain) {
                        f.write_str(&text)?;
                    } else {
                        write!(f, "\"{}\"", text.replace('"', "\"\""))?;
                    }
                }
                f.write_str(")")
            }
        }
    }
}

infalign_data::serde_as_text!(RewardSpec);
