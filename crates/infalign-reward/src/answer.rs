//! `answer`: 1 where the response's final answer is the prompt's, else 0: a verifiable reward.
//!
//! The prompt's `answer` goes through the same extraction as the response (`final_answer`), so that a whole solution may stand there.
//!
//! | case | reward |
//! |---|---|
//! | the response has no answer (empty text, `\boxed{}`) | 0 |
//! | the prompt has no `answer`, or an empty one | an error: nothing could be right |
//! | `1/2` and `0.5`, `10%` and `0.1` | different: nothing is computed |

use crate::{Asked, Entry, Error, RawReward, Result, Reward, checked, final_answer::normalised};

pub(crate) const ENTRY: Entry = Entry {
    name: "answer",
    syntax: "answer",
    example: "answer",
    summary: r"1 where the final answer (\boxed{…}, #### …, else all of it) is the prompt's `answer`, else 0",
};

/// Compares final answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerReward;

impl Reward for AnswerReward {
    fn name(&self) -> &'static str {
        "answer"
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let mut values = Vec::with_capacity(asked.len());
        for a in asked {
            let right = a.answer.map(normalised).filter(|right| !right.is_empty());
            let right = right.ok_or_else(|| Error::NoAnswer {
                reward: self.name().to_owned(),
                prompt: a.prompt_id.to_owned(),
            })?;
            values.push(f32::from(u8::from(normalised(a.response) == right)));
        }
        checked(self.name(), asked, &values)
    }

    fn identity(&self) -> String {
        format!("{} (version 1 of the normalisation)", self.name())
    }

    fn another(&self) -> Option<Box<dyn Reward>> {
        Some(Box::new(*self))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::reward::testing::asked;

    #[test]
    fn right_and_wrong() {
        for (response, answer, right) in [
            ("42", "42", true),
            ("So 6·7 = 42.\n#### 42", "42", true),
            (
                "#### 41\nno:\n#### 1,042\nas said",
                "She has …\n#### 1042",
                true,
            ),
            (r"Thus $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}", true),
            (r"\boxed{1}, or rather \boxed{2}", "2", true),
            (r"\boxed{1} #### 2", "1", true),
            (r"\boxed{7", "7", true),
            ("  New \n York. ", "new york", true),
            (r"\(\text{Paris}\)", "paris", true),
            ("$1,234.50", "1234.5", true),
            ("+07.00", "7", true),
            ("-0.0", "0", true),
            (r"10\,000", "10000", true),
            ("1,23", "123", false),
            ("-3", "3", false),
            ("1/2", "0.5", false),
            ("10%", "10", false),
            ("42 apples", "42", false),
            ("", "0", false),
            (r"\boxed{}", "0", false),
            (".", "0", false),
            ("$1$ and $2$", "1$ and $2", false),
        ] {
            let found = AnswerReward.rewards(&[asked(response, Some(answer))]);
            let expected = RawReward(f32::from(u8::from(right)));
            assert_eq!(found.unwrap(), [expected], "{response:?} for {answer:?}");
        }
    }

    #[test]
    fn a_prompt_needs_an_answer() {
        for answer in [None, Some(""), Some(" . "), Some(r"\boxed{}")] {
            let error = AnswerReward.rewards(&[asked("42", answer)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "reward `answer`: prompt p1 has no `answer`; add the field to the prompts, or choose another reward"
            );
        }
    }
}
