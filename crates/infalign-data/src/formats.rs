//! Data files of other programs: recognised by the fields of their first rows, read as one kind of
//! record.
//!
//! A format is one file here and one line in [`FORMATS`]. Files may be JSON Lines, JSON, CSV, TSV
//! (each also `.gz` or `.zst`), Parquet, or plain text with a prompt a line.
//!
//! | first rows | outcome |
//! |---|---|
//! | fit one format | that one; the reason is kept |
//! | fit several | the one that most of them fit; of several, the most specific |
//! | fit none | [`Error::UnknownRecords`] lists what can be read |

mod alpaca_annotations;
mod alpaca_eval;
mod arena_hard;
mod arena_judgments;
mod conversations;
mod fields;
mod generations;
mod hh;
mod lm_eval;
mod openrlhf;
mod pair;
mod parquet;
mod preferences;
mod prompts;
mod qrpo;
mod records;
mod responses;
mod rewardbench;
mod rewards;
mod rlhflow;
mod samples;
mod shard;
mod source;
mod texts;
mod ultrafeedback;
mod unpaired;
mod verl;

use serde::Serialize;
use serde_json::Value;

use crate::{
    error::{Place, Result},
    texts::Turns,
};
pub use records::{RecordOptions, Records, read_records};
pub(crate) use source::Raw;

/// One row of a data file.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it stands.
    pub place: Place,
    /// Names the prompt, where the file does.
    pub id: Option<String>,
    /// The prompt, where the file has it.
    pub prompt: Option<Turns>,
    /// The right answer, where one is given: a text, or compact JSON.
    pub answer: Option<String>,
    /// What the row says about the prompt.
    pub content: Content,
}

/// What a row says about its prompt.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing more.
    Prompt,
    /// Responses to the prompt, at least one.
    Responses(Vec<Response>),
    /// One response of those that the file has in several rows.
    Response(Response),
    /// Raw rewards without the responses, at least one.
    Rewards(Vec<f32>),
    /// One raw reward of those that the file has in several rows.
    Reward(f32),
    /// Two responses, one of them preferred.
    Preference(Preference),
    /// Responses that are right and responses that are wrong, at least one of each.
    Ranked {
        /// The right ones.
        chosen: Vec<String>,
        /// The wrong ones.
        rejected: Vec<String>,
        /// The part of the benchmark.
        subset: Option<String>,
    },
    /// A judge's verdict on two models' responses.
    Verdict(Verdict),
    /// A text or conversation that is no response to be rewarded.
    Text,
}

/// A response, and what is known of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// Its text; may be empty.
    pub text: String,
    /// Its raw reward, finite.
    pub reward: Option<f32>,
    /// How it was sampled.
    pub sampled: Option<Sampled>,
}

/// How a response was sampled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampled {
    /// ln p(response) in nats, under the distribution that it was sampled from.
    pub log_prob: f32,
    /// Its tokens, the one that ended it included.
    pub tokens: Vec<u32>,
    /// Whether it was cut off before it ended.
    pub truncated: bool,
}

/// Two responses to a prompt, as the rest of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Preference {
    /// The preferred one.
    pub chosen: Turns,
    /// The other.
    pub rejected: Turns,
    /// By how much: the judge's value of the chosen one minus that of the rejected one.
    pub margin: Option<f64>,
    /// Whether neither is preferred: said so, a margin of 0, or twice the same response.
    pub tie: bool,
}

/// A judge's verdict on two models' responses to a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The model that is judged.
    pub model: String,
    /// What it is compared with.
    pub baseline: String,
    /// How often the model wins, ties half, in \[0,1\]; `None` where the judge gave no verdict.
    pub won: Option<f64>,
}

/// What data can be converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Prompts: `{"prompt_id"?, "prompt", "answer"?}`.
    Prompts,
    /// Responses with what is known of them, one row per prompt.
    Rollouts,
    /// Raw rewards, one row per prompt.
    Rewards,
    /// Preferences: `{"prompt_id"?, "prompt", "chosen", "rejected", "margin"?, "tie"?}`.
    Preferences,
    /// Responses with what is known of them, one row per response.
    Samples,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Prompts,
        Self::Rollouts,
        Self::Rewards,
        Self::Preferences,
        Self::Samples,
    ];

    /// As it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Rollouts => "rollouts",
            Self::Rewards => "rewards",
            Self::Preferences => "preferences",
            Self::Samples => "samples",
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A format that can be read.
#[derive(Debug)]
pub struct Format {
    /// How it is called.
    pub name: &'static str,
    /// Whose format it is, and its fields.
    pub summary: &'static str,
    /// A row, as JSON.
    pub example: &'static str,
    /// What its rows can be converted to.
    pub gives: &'static [Target],
    /// Why a row is of this format, if it is.
    recognise: fn(&Raw) -> Option<&'static str>,
    read: fn(&Raw) -> Result<Record>,
}

use Target::{Preferences, Prompts, Rewards, Rollouts, Samples};
const FULL: &[Target] = &[Prompts, Rollouts, Rewards, Samples];

/// What can be read; where rows fit several, the first of them.
pub static FORMATS: &[Format] = &[
    Format {
        name: "rollout-shard",
        summary: "infalign's own rollouts, one row per prompt: prompt_id, prompt, responses, logprobs, tokens, token_ids, truncated",
        example: shard::EXAMPLE,
        gives: &[Prompts, Rollouts, Samples],
        recognise: shard::recognise,
        read: shard::read,
    },
    Format {
        name: "samples",
        summary: "the lines of `infalign sample`: prompt_id, prompt, text, tokens, sampled_log_probs, finish_reason",
        example: samples::EXAMPLE,
        gives: &[Prompts, Rollouts, Samples],
        recognise: samples::recognise,
        read: samples::read,
    },
    Format {
        name: "rewardbench2",
        summary: "RewardBench 2: prompt, chosen and rejected as lists of texts, subset",
        example: rewardbench::EXAMPLE,
        gives: &[Prompts],
        recognise: rewardbench::recognise,
        read: rewardbench::read,
    },
    Format {
        name: "ultrafeedback",
        summary: "UltraFeedback: prompt_id, chosen, rejected, score_chosen, score_rejected",
        example: ultrafeedback::EXAMPLE,
        gives: &[Prompts, Preferences],
        recognise: ultrafeedback::recognise,
        read: ultrafeedback::read,
    },
    Format {
        name: "hh",
        summary: "Anthropic HH transcripts: chosen, rejected with \"\\n\\nHuman:\" and \"\\n\\nAssistant:\" turns",
        example: hh::EXAMPLE,
        gives: &[Prompts, Preferences],
        recognise: hh::recognise,
        read: hh::read,
    },
    Format {
        name: "qrpo",
        summary: "QRPO reference rewards: prompt, ref_rewards, ref_completions",
        example: qrpo::EXAMPLE,
        gives: FULL,
        recognise: qrpo::recognise,
        read: qrpo::read,
    },
    Format {
        name: "verl",
        summary: "verl: data_source, prompt as messages, reward_model {ground_truth}, extra_info, responses",
        example: verl::EXAMPLE,
        gives: &[Prompts, Rollouts, Samples],
        recognise: verl::recognise,
        read: verl::read,
    },
    Format {
        name: "rlhflow",
        summary: "RLHFlow: {\"type\": \"text_only\", \"instances\": [{prompt, responses, rewards}]}",
        example: rlhflow::EXAMPLE,
        gives: FULL,
        recognise: rlhflow::recognise,
        read: rlhflow::read,
    },
    Format {
        name: "generations",
        summary: "distilabel and ms-swift: instruction or prompt, generations, ratings",
        example: generations::EXAMPLE,
        gives: FULL,
        recognise: generations::recognise,
        read: generations::read,
    },
    Format {
        name: "alpaca-annotations",
        summary: "AlpacaEval annotations: instruction, generator_1, generator_2, preference",
        example: alpaca_annotations::EXAMPLE,
        gives: &[Prompts],
        recognise: alpaca_annotations::recognise,
        read: alpaca_annotations::read,
    },
    Format {
        name: "arena-judgments",
        summary: "Arena-Hard judgments: uid, model, baseline, games",
        example: arena_judgments::EXAMPLE,
        gives: &[],
        recognise: arena_judgments::recognise,
        read: arena_judgments::read,
    },
    Format {
        name: "alpaca-eval",
        summary: "AlpacaEval outputs: instruction, output, generator",
        example: alpaca_eval::EXAMPLE,
        gives: &[Prompts, Rollouts, Samples],
        recognise: alpaca_eval::recognise,
        read: alpaca_eval::read,
    },
    Format {
        name: "arena-hard",
        summary: "Arena-Hard v2 answers: uid, model, messages",
        example: arena_hard::EXAMPLE,
        gives: &[Prompts, Rollouts, Samples],
        recognise: arena_hard::recognise,
        read: arena_hard::read,
    },
    Format {
        name: "lm-eval",
        summary: "lm-evaluation-harness samples: doc_id, arguments, resps, target",
        example: lm_eval::EXAMPLE,
        gives: &[Prompts, Rollouts, Samples],
        recognise: lm_eval::recognise,
        read: lm_eval::read,
    },
    Format {
        name: "trl-preference",
        summary: "TRL preferences: chosen, rejected as texts or messages, with or without prompt",
        example: preferences::EXAMPLE,
        gives: &[Prompts, Preferences],
        recognise: preferences::recognise,
        read: preferences::read,
    },
    Format {
        name: "trl-unpaired",
        summary: "TRL unpaired preferences: prompt, completion, label (a reward of 1 or 0)",
        example: unpaired::EXAMPLE,
        gives: FULL,
        recognise: unpaired::recognise,
        read: unpaired::read,
    },
    Format {
        name: "openrlhf",
        summary: "OpenRLHF samples, one row per response: input, output, reward",
        example: openrlhf::EXAMPLE,
        gives: FULL,
        recognise: openrlhf::recognise,
        read: openrlhf::read,
    },
    Format {
        name: "responses",
        summary: "prompts with responses: prompt, responses (list) or response, with or without rewards or reward",
        example: responses::EXAMPLE,
        gives: FULL,
        recognise: responses::recognise,
        read: responses::read,
    },
    Format {
        name: "rewards",
        summary: "rewards without texts: prompt_id, rewards (list) or reward",
        example: rewards::EXAMPLE,
        gives: &[Rewards],
        recognise: rewards::recognise,
        read: rewards::read,
    },
    Format {
        name: "conversations",
        summary: "conversations to learn from: messages",
        example: conversations::EXAMPLE,
        gives: &[Prompts],
        recognise: conversations::recognise,
        read: conversations::read,
    },
    Format {
        name: "prompts",
        summary: "TRL prompts: prompt as a text or messages, answer; or a prompt a line of a .txt file",
        example: prompts::EXAMPLE,
        gives: &[Prompts],
        recognise: prompts::recognise,
        read: prompts::read,
    },
    Format {
        name: "texts",
        summary: "texts to learn from: text",
        example: texts::EXAMPLE,
        gives: &[],
        recognise: texts::recognise,
        read: texts::read,
    },
];

/// The format of a name.
#[must_use]
pub fn format_named(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

impl Format {
    /// Why a row is of this format, if it is.
    #[must_use]
    pub fn recognises(&self, row: &Value) -> Option<&'static str> {
        (self.recognise)(&Raw::detached(row.clone()))
    }
}

#[cfg(test)]
mod tests;
