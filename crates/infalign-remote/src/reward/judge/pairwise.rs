//! Comparisons: each pair is judged in both orders, and only what is said in both counts.
//!
//! | said in the order a, b | and in the order b, a | share of a |
//! |---|---|---|
//! | a | a | 1 |
//! | b | b | 0 |
//! | tie | tie | ½ |
//! | two different things | | ½, counted as inconsistent |
//! | no verdict in either | | none, counted as unparsed |
//! | the two texts are the same | (not asked) | ½, counted as a tie |

use super::{
    Judge, Unparsed, Verdict,
    ask::Question,
    pointwise::answered,
    rubric::Filling,
    verdict::{Form, verdict},
};
use crate::reward::Result;

/// Two responses to one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Names the prompt; messages say it.
    pub prompt_id: &'a str,
    /// The prompt's text; of a conversation, as [`crate::reward::Asked::shown`] gives it.
    pub prompt: &'a str,
    /// The response whose wins are counted.
    pub a: &'a str,
    /// The one it is compared with.
    pub b: &'a str,
    /// The right answer, where the prompt has one.
    pub answer: Option<&'a str>,
}

/// How pairs ended. They add up to the number of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// a better in both orders.
    pub wins: usize,
    /// b better in both orders.
    pub losses: usize,
    /// Neither, in both orders.
    pub ties: usize,
    /// Another verdict in the other order.
    pub inconsistent: usize,
    /// No verdict in one order at least.
    pub unparsed: usize,
}

/// What a judge said about pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparisons {
    /// For each pair, in order, the share of a in the win: 1, ½ or 0; `None` without a verdict.
    pub shares: Vec<Option<f64>>,
    /// How many ended how.
    pub counts: Counts,
    /// The replies without a verdict.
    pub unparsed: Vec<Unparsed>,
}

impl Judge {
    /// Compares the responses of each pair, in both orders.
    ///
    /// # Errors
    /// Those of [`Judge::rate`].
    pub fn compare(&mut self, pairs: &[Pair<'_>]) -> Result<Comparisons> {
        let mut questions = Vec::new();
        for (row, pair) in pairs.iter().enumerate() {
            let rubric = &self.options.pair_rubric;
            answered(rubric.needs_answer(), pair.answer, pair.prompt_id)?;
            if pair.a == pair.b {
                continue;
            }
            for responses in [[pair.a, pair.b], [pair.b, pair.a]] {
                let with = Filling {
                    prompt: pair.prompt,
                    responses: &responses,
                    answer: pair.answer.filter(|_| rubric.needs_answer()),
                };
                questions.push(Question {
                    row,
                    prompt_id: pair.prompt_id,
                    draw: 0,
                    text: rubric.question(with, Form::Verdict),
                });
            }
        }
        let answers = self.answers(&questions, Form::Verdict, verdict)?;
        let mut said: Vec<[Option<Verdict>; 2]> = vec![[Some(Verdict::Tie); 2]; pairs.len()];
        let mut unparsed = Vec::new();
        for (n, (question, answer)) in questions.iter().zip(answers).enumerate() {
            // Questions come in twos.
            let swapped = n % 2 == 1;
            said[question.row][n % 2] = match answer {
                Ok(verdict) if swapped => Some(verdict.swapped()),
                Ok(verdict) => Some(verdict),
                Err(why) => {
                    unparsed.push(question.unparsed(why));
                    None
                }
            };
        }
        let mut counts = Counts::default();
        let shares = said.into_iter().map(|both| counts.share(both)).collect();
        Ok(Comparisons {
            shares,
            counts,
            unparsed,
        })
    }
}

impl Counts {
    /// Counts a pair, and gives the share of a.
    fn share(&mut self, both: [Option<Verdict>; 2]) -> Option<f64> {
        let (count, share) = match both {
            [None, _] | [_, None] => (&mut self.unparsed, None),
            [Some(first), Some(second)] if first != second => (&mut self.inconsistent, Some(0.5)),
            [Some(Verdict::A), _] => (&mut self.wins, Some(1.0)),
            [Some(Verdict::B), _] => (&mut self.losses, Some(0.0)),
            [Some(Verdict::Tie), _] => (&mut self.ties, Some(0.5)),
        };
        *count += 1;
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_head() {
        use Verdict::{A, B, Tie};
        let mut counts = Counts::default();
        let share = |counts: &mut Counts, x, y| counts.share([x, y]);
        assert_eq!(share(&mut counts, Some(A), Some(A)), Some(1.0));
        assert_eq!(share(&mut counts, Some(B), Some(B)), Some(0.0));
        assert_eq!(share(&mut counts, Some(Tie), Some(Tie)), Some(0.5));
        for (x, y) in [(A, B), (B, A), (A, Tie), (Tie, B)] {
            assert_eq!(share(&mut counts, Some(x), Some(y)), Some(0.5));
        }
        for (x, y) in [(None, None), (Some(A), None), (None, Some(A))] {
            assert_eq!(share(&mut counts, x, y), None);
        }
        let wanted = Counts {
            wins: 1,
            losses: 1,
            ties: 1,
            inconsistent: 4,
            unparsed: 3,
        };
        assert_eq!(counts, wanted);
    }
}
