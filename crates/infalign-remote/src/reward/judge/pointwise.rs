//! Ratings: a number on a scale for each response, the mean over its draws.

use super::{
    Judge, Unparsed,
    ask::Question,
    rubric::Filling,
    verdict::{Form, rating},
};
use crate::reward::{Asked, Error, Result};

/// What a judge said about responses.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratings {
    /// One for each response, in their order, within the scale; `None` where a draw has no rating.
    pub values: Vec<Option<f32>>,
    /// The draws without a rating.
    pub unparsed: Vec<Unparsed>,
}

impl Judge {
    /// Rates responses by the rubric.
    ///
    /// # Errors
    /// [`Error::NoAnswer`]; [`Error::Given`] for a question that the server did not answer, after the others were answered and kept;
    /// [`Error::Cache`].
    pub fn rate(&mut self, asked: &[Asked<'_>]) -> Result<Ratings> {
        let scale = self.options.scale;
        let form = Form::Rating(scale);
        let mut questions = Vec::new();
        for (row, a) in asked.iter().enumerate() {
            let rubric = &self.options.rubric;
            answered(rubric.needs_answer(), a.answer, a.prompt_id)?;
            let prompt = a.shown();
            let text = rubric.question(
                Filling {
                    prompt: &prompt,
                    responses: &[a.response],
                    answer: a.answer.filter(|_| rubric.needs_answer()),
                },
                form,
            );
            questions.extend((0..self.options.draws).map(|draw| Question {
                row,
                prompt_id: a.prompt_id,
                draw,
                text: text.clone(),
            }));
        }
        let answers = self.answers(&questions, form, |reply| rating(reply, scale))?;
        let mut sums = vec![Some(0.0); asked.len()];
        let mut unparsed = Vec::new();
        for (question, answer) in questions.iter().zip(answers) {
            let sum = &mut sums[question.row];
            match answer {
                Ok(value) => *sum = sum.map(|sum| sum + value),
                Err(why) => {
                    *sum = None;
                    unparsed.push(question.unparsed(why));
                }
            }
        }
        let draws = f64::from(self.options.draws);
        #[expect(clippy::cast_possible_truncation, reason = "rewards are f32")]
        let mean = |sum: f64| (sum / draws) as f32;
        Ok(Ratings {
            values: sums.into_iter().map(|sum| sum.map(mean)).collect(),
            unparsed,
        })
    }

    /// As [`Self::rate`], with a rating for every response.
    ///
    /// # Errors
    /// Those of [`Self::rate`]; [`Error::Unparsed`] where a reply held no rating. What was rated is kept.
    pub fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f32>> {
        let ratings = self.rate(asked)?;
        if let Some(first) = ratings.unparsed.first() {
            return Err(Error::Unparsed {
                count: ratings.unparsed.len(),
                of: asked.len() * self.options.draws as usize,
                row: first.row,
                prompt: first.prompt_id.clone(),
                why: first.why.clone(),
            });
        }
        Ok(ratings.values.into_iter().flatten().collect())
    }
}

impl Question<'_> {
    pub(super) fn unparsed(&self, why: String) -> Unparsed {
        Unparsed {
            row: self.row,
            prompt_id: self.prompt_id.to_owned(),
            why,
        }
    }
}

/// That a prompt has an answer, where the rubric shows one.
pub(super) fn answered(needed: bool, answer: Option<&str>, prompt: &str) -> Result<()> {
    if needed && answer.is_none() {
        return Err(Error::NoAnswer {
            prompt: prompt.to_owned(),
        });
    }
    Ok(())
}
