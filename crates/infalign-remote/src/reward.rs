//! Raw rewards from servers: reward models behind HTTP, and language models that judge.
//!
//! ```text
//! "vllm:http://h:8000"  ─parse─▶ RemoteRewardSpec ─open: detect, probe─▶ RemoteReward ─rewards(asked)─▶ one finite number each
//! "judge:http://h:8000#M" ─parse─▶ JudgeSpec ─open─▶ Judge ─rate(asked), compare(pairs)─▶ ratings, win shares
//! ```
//!
//! A server of another kind is one file in `dialect/` with a [`Dialect`], and one line in [`DIALECTS`].

mod detect;
mod dialect;
mod error;
mod judge;
mod probe;
mod reading;
mod remote;
mod spec;
#[cfg(test)]
mod testing;

use std::borrow::Cow;

use infalign_data::{Message, transcript};

pub use dialect::{DIALECTS, Dialect, Dress};
pub use error::{Error, Refusal, Result};
pub use judge::{
    Comparisons, Counts, Judge, JudgeOptions, JudgeSpec, Pair, Ratings, Rubric, Scale, Unparsed,
    Verdict,
};
pub use probe::{Caveat, Probe};
pub use remote::RemoteReward;
pub use spec::RemoteRewardSpec;

/// A response to be rewarded, with what it responds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Names the prompt; messages say it.
    pub prompt_id: &'a str,
    /// The prompt's text, as the policy saw it; of a conversation whose template only a server knows, what stands before a response in plain
    /// words ([`infalign_data::Turns::before_response`]).
    pub prompt: &'a str,
    /// The prompt's turns, where it is a conversation.
    pub messages: Option<&'a [Message]>,
    /// What the policy wrote after it.
    pub response: &'a str,
    /// The right answer, where the prompt has one.
    pub answer: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// The prompt for a reader: a conversation turn by turn, without the marks of a template; else the prompt's text.
    #[must_use]
    pub fn shown(&self) -> Cow<'a, str> {
        match self.messages {
            Some(messages) => Cow::Owned(transcript(messages)),
            None => Cow::Borrowed(self.prompt),
        }
    }
}
