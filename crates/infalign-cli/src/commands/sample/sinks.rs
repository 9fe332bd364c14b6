//! Where samples go: JSON lines or texts in the order of prompts, or one text as it grows.

use std::{collections::BTreeMap, io::Write as _};

use anstyle::Style;
use infalign_data::Turns;
use infalign_lm::sample::{FinishReason, LogProb, Sample, SampledLogProb, Sink, TokenEvent};
use serde::Serialize;

use super::{Asked, FailingSink};
use crate::{error::Error, print};

/// A sink that writes to standard output, and keeps its refusal.
pub(super) trait Failing {
    /// Why writing stopped.
    fn failure(&mut self) -> Option<Error>;
}

/// A sink behind a pointer.
pub(super) struct Through<'a>(pub(super) &'a mut dyn FailingSink);

impl Sink<infalign_lm::Error> for Through<'_> {
    fn token(&mut self, event: &TokenEvent<'_>) -> infalign_lm::Result<()> {
        self.0.token(event)
    }

    fn sample(&mut self, sample: Sample) -> infalign_lm::Result<()> {
        self.0.sample(sample)
    }
}

/// The error that ends sampling; the kept one is the one to tell.
fn ended() -> infalign_lm::Error {
    infalign_lm::Error::Bug {
        what: "standard output failed, and nobody said so".to_owned(),
    }
}

/// Hands samples on in the order of prompts and indices, whenever they end.
struct InOrder {
    n: usize,
    next: usize,
    waiting: BTreeMap<usize, Sample>,
}

impl InOrder {
    const fn new(n: usize) -> Self {
        Self {
            n,
            next: 0,
            waiting: BTreeMap::new(),
        }
    }

    fn insert(&mut self, sample: Sample) {
        self.waiting
            .insert(sample.job * self.n + sample.index, sample);
    }

    fn pop(&mut self) -> Option<Sample> {
        let sample = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(sample)
    }
}

/// One JSON object a line.
pub(super) struct Lines<'a> {
    asked: &'a [Asked],
    order: InOrder,
    failure: Option<Error>,
}

/// A line.
#[derive(Serialize)]
struct Line<'a> {
    prompt_id: &'a str,
    index: usize,
    prompt: &'a Turns,
    text: &'a str,
    tokens: &'a [u32],
    /// Under the distribution that each token was drawn from.
    sampled_log_probs: &'a [SampledLogProb],
    /// Under the model's own.
    untempered_log_probs: &'a [LogProb],
    finish_reason: FinishReason,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(asked: &'a [Asked], n: usize) -> Self {
        Self {
            asked,
            order: InOrder::new(n),
            failure: None,
        }
    }
}

impl Sink<infalign_lm::Error> for Lines<'_> {
    fn sample(&mut self, sample: Sample) -> infalign_lm::Result<()> {
        self.order.insert(sample);
        while let Some(s) = self.order.pop() {
            let line = Line {
                prompt_id: &s.prompt_id,
                index: s.index,
                prompt: &self.asked[s.job].prompt,
                text: s.text.as_deref().unwrap_or_default(),
                tokens: &s.tokens,
                sampled_log_probs: &s.log_probs,
                untempered_log_probs: &s.untempered_log_probs,
                finish_reason: s.finish,
            };
            if let Err(error) = print::json_line(&line) {
                self.failure = Some(error);
                return Err(ended());
            }
        }
        Ok(())
    }
}

/// Texts with headings.
pub(super) struct Texts<'a> {
    asked: &'a [Asked],
    order: InOrder,
    n: usize,
    failure: Option<Error>,
}

impl<'a> Texts<'a> {
    pub(super) const fn new(asked: &'a [Asked], n: usize) -> Self {
        Self {
            asked,
            order: InOrder::new(n),
            n,
            failure: None,
        }
    }
}

impl Sink<infalign_lm::Error> for Texts<'_> {
    fn sample(&mut self, sample: Sample) -> infalign_lm::Result<()> {
        const BOLD: Style = Style::new().bold();
        self.order.insert(sample);
        while let Some(s) = self.order.pop() {
            let which = match (self.asked.len(), self.n) {
                (1, _) => format!("sample {}", s.index),
                (_, 1) => format!("prompt {}", s.prompt_id),
                _ => format!("prompt {}, sample {}", s.prompt_id, s.index),
            };
            let text = s.text.as_deref().unwrap_or_default();
            let block = format!("{BOLD}{which}{BOLD:#} ({})\n{text}\n\n", s.finish);
            if let Err(error) = print::text(block) {
                self.failure = Some(error);
                return Err(ended());
            }
        }
        Ok(())
    }
}

/// One text as it grows, after its prompt where somebody watches.
pub(super) struct Growing<'a> {
    asked: &'a Asked,
    watched: bool,
    begun: bool,
    failure: Option<Error>,
}

impl<'a> Growing<'a> {
    pub(super) const fn new(asked: &'a Asked, watched: bool) -> Self {
        Self {
            asked,
            watched,
            begun: false,
            failure: None,
        }
    }

    fn write(&mut self, text: &str) -> infalign_lm::Result<()> {
        let mut out = anstream::stdout().lock();
        let mut say = || {
            if !self.begun
                && self.watched
                && let Turns::Text(prompt) = &self.asked.prompt
            {
                write!(out, "{0}{prompt}{0:#}", print::FAINT)?;
            }
            // Not through the formatter's styles: the text is the model's.
            out.write_all(text.as_bytes())?;
            out.flush()
        };
        let said = say();
        self.begun = true;
        said.map_err(|e| {
            self.failure = Some(e.into());
            ended()
        })
    }
}

impl Sink<infalign_lm::Error> for Growing<'_> {
    fn token(&mut self, event: &TokenEvent<'_>) -> infalign_lm::Result<()> {
        if event.text.is_empty() {
            return Ok(());
        }
        self.write(event.text)
    }

    fn sample(&mut self, _: Sample) -> infalign_lm::Result<()> {
        self.write("\n")
    }
}

impl Failing for Lines<'_> {
    fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}

impl Failing for Texts<'_> {
    fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}

impl Failing for Growing<'_> {
    fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}
