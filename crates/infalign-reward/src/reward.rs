//! The seam: what a reward is asked, and what it answers.

use infalign_data::Message;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A reward on its own scale: any finite number, comparable only within one reward and one prompt. Calibrated rewards are quantiles
/// (`infalign::Quantile`) and have another type.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawReward(pub f32);

/// A response to be rewarded, with what it responds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Names the prompt; messages say it.
    pub prompt_id: &'a str,
    /// The prompt's text, as the policy saw it; of a conversation whose template only a server knows, what stands before a response in plain
    /// words ([`infalign_data::Turns::before_response`]).
    pub prompt: &'a str,
    /// The prompt's turns, where it is a conversation: rewards with a chat template, and readers, take these.
    pub messages: Option<&'a [Message]>,
    /// What the policy wrote after it.
    pub response: &'a str,
    /// The right answer, where the prompt has one.
    pub answer: Option<&'a str>,
}

/// Gives raw rewards to responses, many at a time.
pub trait Reward: Send {
    /// The text that opens it again: `model:rm`.
    fn name(&self) -> &str;

    /// One finite reward for each response, in their order.
    ///
    /// # Errors
    /// What the kind of reward can run into; a message about a response names its row (0-based, in `asked`) and its prompt.
    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>>;

    /// Everything that decides its values, for fingerprints: the name, and SHA-256 of the files behind it as they were when it was opened.
    fn identity(&self) -> String;

    /// Another of the same for another thread, which shares what is large; `None` for what there shall be one of, asked by one thread at a
    /// time: a program that was started, a judge that keeps its verdicts.
    fn another(&self) -> Option<Box<dyn Reward>> {
        None
    }
}

/// Values as rewards, one for each response.
///
/// # Errors
/// [`Error::NotFinite`] names the row and prompt of a value that is no number; another count than that of `asked` is a bug.
pub fn checked(name: &str, asked: &[Asked<'_>], values: &[f32]) -> Result<Vec<RawReward>> {
    if values.len() != asked.len() {
        return Err(Error::Bug {
            what: format!(
                "`{name}` gave {} rewards to {} responses",
                values.len(),
                asked.len()
            ),
        });
    }
    let one = |(row, (&value, asked)): (usize, (&f32, &Asked<'_>))| {
        if value.is_finite() {
            return Ok(RawReward(value));
        }
        Err(Error::NotFinite {
            reward: name.to_owned(),
            row,
            prompt: asked.prompt_id.to_owned(),
            value: value.to_string(),
        })
    };
    values.iter().zip(asked).enumerate().map(one).collect()
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Asked;

    /// Responses to one prompt without an answer.
    pub(crate) fn responses<'a>(texts: &[&'a str]) -> Vec<Asked<'a>> {
        texts
            .iter()
            .map(|&response| asked(response, None))
            .collect()
    }

    pub(crate) const fn asked<'a>(response: &'a str, answer: Option<&'a str>) -> Asked<'a> {
        Asked {
            prompt_id: "p1",
            prompt: "Say:",
            messages: None,
            response,
            answer,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::{testing::responses, *};

    #[test]
    fn what_is_no_number_is_named() {
        let asked = responses(&["a", "b"]);
        assert_eq!(
            checked("r", &asked, &[1.0, -2.5]).unwrap(),
            [RawReward(1.0), RawReward(-2.5)]
        );
        let error = checked("r", &asked, &[1.0, f32::NAN]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "reward `r` is NaN for response 1 of this batch (prompt p1); every response needs a finite reward"
        );
        assert!(matches!(
            checked("r", &asked, &[1.0]),
            Err(Error::Bug { .. })
        ));
    }
}
