//! Questions to the judge: known verdicts from the file, the others asked, and replies without a verdict asked again for the line.
//!
//! At temperature 0 the same question brings the same reply, so what is asked again is a further turn: the reply, and the form that its last
//! line lacks.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Judge,
    fence::hash,
    verdict::{Form, last_line},
};
use crate::{
    GivenUp, Request,
    reward::{Error, Result},
};

const PATH: &str = "/v1/chat/completions";

/// One question.
pub(super) struct Question<'a> {
    /// The response or pair, from 0.
    pub(super) row: usize,
    pub(super) prompt_id: &'a str,
    /// Which of several draws.
    pub(super) draw: u32,
    /// What the judge reads.
    pub(super) text: String,
}

/// A question under way.
struct Open<'q> {
    key: String,
    question: &'q Question<'q>,
    /// Replies without a verdict, oldest first, and why.
    replies: Vec<(String, String)>,
}

impl Judge {
    /// For each question, what `parse` makes of its reply, or why no reply held a verdict. Equal questions are asked once.
    ///
    /// # Errors
    /// [`Error::Given`] for a question that was given up, after the others have been answered and kept; [`Error::Cache`].
    pub(super) fn answers<V>(
        &mut self,
        questions: &[Question<'_>],
        form: Form,
        parse: impl Fn(&str) -> Result<V, String>,
    ) -> Result<Vec<Result<V, String>>> {
        let keys: Vec<String> = questions.iter().map(|q| self.key(q)).collect();
        let mut missing = BTreeMap::new();
        for (key, question) in keys.iter().zip(questions) {
            let known = self.cache.line(key).is_some_and(|line| parse(line).is_ok());
            if !known {
                missing.entry(key.as_str()).or_insert(question);
            }
        }
        // In the order of the questions, not of their hashes.
        let mut open: Vec<Open<'_>> = missing
            .into_iter()
            .map(|(key, question)| Open {
                key: key.to_owned(),
                question,
                replies: Vec::new(),
            })
            .collect();
        open.sort_by_key(|o| (o.question.row, o.question.draw));
        let mut lost: Option<(usize, Error)> = None;
        for _ in 0..=self.options.again {
            if open.is_empty() {
                break;
            }
            open = self.round(open, form, &parse, &mut lost)?;
        }
        if let Some((_, error)) = lost {
            return Err(error);
        }
        let unparsed: BTreeMap<String, String> = open
            .into_iter()
            .filter_map(|o| Some((o.key, o.replies.into_iter().next_back()?.1)))
            .collect();
        let answer = |key: &String| match (unparsed.get(key), self.cache.line(key)) {
            (None, Some(line)) => parse(line),
            (why, _) => Err(why
                .cloned()
                .unwrap_or_else(|| "it was not asked".to_owned())),
        };
        Ok(keys.iter().map(answer).collect())
    }

    /// Asks all once, keeps the verdicts, and gives back those without one.
    fn round<'q, V>(
        &mut self,
        open: Vec<Open<'q>>,
        form: Form,
        parse: &impl Fn(&str) -> Result<V, String>,
        lost: &mut Option<(usize, Error)>,
    ) -> Result<Vec<Open<'q>>> {
        let Self {
            client,
            cache,
            model,
            options,
            name,
        } = self;
        let mut left = Vec::new();
        let request = |open: &Open<'_>| {
            let body = json!({
                "model": model,
                "messages": open.messages(form),
                "temperature": options.temperature,
                "max_tokens": options.max_tokens,
                "seed": open.seed(),
            });
            Request::post(PATH, body)
        };
        client.all(
            open,
            request,
            |_, reply| spoken(&reply),
            |mut open, said: Result<String, GivenUp>| {
                let reply = match said {
                    Ok(reply) => reply,
                    Err(source) => {
                        let row = open.question.row;
                        let stop = source.fault.is_for_all();
                        let error = Error::Given {
                            reward: name.clone(),
                            row,
                            last: row,
                            prompt: open.question.prompt_id.to_owned(),
                            source,
                        };
                        if stop {
                            return Err(error);
                        }
                        if lost.as_ref().is_none_or(|(first, _)| row < *first) {
                            *lost = Some((row, error));
                        }
                        return Ok(());
                    }
                };
                match parse(&last_line(&reply)) {
                    Ok(_) => cache.keep(&open.key, &reply)?,
                    Err(why) => {
                        open.replies.push((reply, why));
                        left.push(open);
                    }
                }
                Ok(())
            },
        )?;
        Ok(left)
    }

    /// Of all that decides a verdict: no address, no key of the server's.
    fn key(&self, question: &Question<'_>) -> String {
        let draw = question.draw.to_string();
        let sampling = self.options.sampling();
        hash(&["judge 1", &self.model, &sampling, &draw, &question.text])
    }
}

impl Open<'_> {
    fn messages(&self, form: Form) -> Vec<Value> {
        let mut messages = vec![json!({"role": "user", "content": self.question.text})];
        for (reply, _) in &self.replies {
            messages.push(json!({"role": "assistant", "content": reply}));
            let again = format!(
                "Your reply did not end with the line that was asked for. Write only that line:\n{}",
                form.asked()
            );
            messages.push(json!({"role": "user", "content": again}));
        }
        messages
    }

    /// Of the question and the turn: 32 bits, which every server takes.
    fn seed(&self) -> u32 {
        let turn = self.replies.len().to_string();
        let digits = hash(&[&self.key, &turn]);
        u32::from_str_radix(&digits[..8], 16).unwrap_or_default()
    }
}

/// The text of the first choice. A model that used up its tokens in thought says nothing: that is a reply without a verdict.
fn spoken(reply: &Value) -> Result<String, String> {
    let message = reply.pointer("/choices/0/message");
    let message = message.ok_or("it has no `choices` with a `message`")?;
    match message.get("content") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) | None => Ok(String::new()),
        Some(_) => Err("its `content` is no text".to_owned()),
    }
}
