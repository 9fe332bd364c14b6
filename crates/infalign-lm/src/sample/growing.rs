//! One sample that grows: takes drawn tokens, decides whether they end it, and becomes the finished sample.

use std::{rc::Rc, sync::Arc};

use super::{
    error::Error,
    job::{Sample, Sink, TokenEvent},
    log_prob::{Drawn, LogProb, SampledLogProb},
    prompt::Prompt,
    sampler::Sampler,
    seed::Stream,
    stop::FinishReason,
    text::Text,
};

/// A sample without its end.
pub(super) struct Growing<'s, X> {
    pub(super) prompt: Rc<Prompt>,
    pub(super) index: usize,
    stream: Stream,
    pub(super) tokens: Vec<u32>,
    log_probs: Vec<SampledLogProb>,
    untempered: Vec<LogProb>,
    text: Option<Text<'s, X>>,
    whole_text: Option<String>,
}

impl<'s, X: From<Error>> Growing<'s, X> {
    pub(super) fn new(sampler: &'s Sampler<'_, X>, prompt: Rc<Prompt>, index: usize) -> Self {
        Self {
            stream: Stream::new(sampler.settings.seed, &prompt.id, index as u64),
            text: sampler
                .new_stream()
                .map(|stream| Text::new(stream, &sampler.settings)),
            prompt,
            index,
            tokens: Vec::new(),
            log_probs: Vec::new(),
            untempered: Vec::new(),
            whole_text: None,
        }
    }

    /// The number that draws the next token.
    pub(super) fn uniform(&mut self) -> f64 {
        self.stream.uniform(self.tokens.len() as u64)
    }

    /// Takes the next token, tells the sink, and says whether and why it was the last.
    pub(super) fn take(
        &mut self,
        sampler: &Sampler<'_, X>,
        drawn: Drawn,
        sink: &mut impl Sink<X>,
    ) -> Result<Option<FinishReason>, X> {
        let position = self.tokens.len();
        self.tokens.push(drawn.token);
        self.log_probs.push(drawn.log_prob);
        self.untempered.push(drawn.untempered);
        let mut finish = sampler.stop_tokens.check(drawn.token);
        let shown = self.text.as_ref().map_or(0, |text| text.shown().len());
        if let Some(text) = &mut self.text
            && (finish.is_none() || sampler.settings.include_stop_str_in_output)
            && text.push(drawn.token)?
        {
            finish = finish.or(Some(FinishReason::StopString));
        }
        if finish.is_none() && self.tokens.len() >= self.prompt.new {
            finish = Some(if self.prompt.by_context {
                FinishReason::Context
            } else {
                FinishReason::Length
            });
        }
        if let Some(reason) = finish
            && let Some(text) = self.text.take()
        {
            let (whole, stopped) = text.finish()?;
            if stopped && matches!(reason, FinishReason::Length | FinishReason::Context) {
                finish = Some(FinishReason::StopString);
            }
            self.whole_text = Some(whole);
        }
        let text = match (&self.whole_text, &self.text) {
            (Some(whole), _) => &whole[shown..],
            (None, Some(text)) => &text.shown()[shown..],
            (None, None) => "",
        };
        sink.token(&TokenEvent {
            prompt_id: &self.prompt.id,
            index: self.index,
            position,
            drawn,
            text,
            finish,
        })?;
        Ok(finish)
    }

    /// The sample, and its prompt back.
    pub(super) fn finish(self, reason: FinishReason) -> (Sample, Rc<Prompt>) {
        let sample = Sample {
            job: self.prompt.job,
            prompt_id: Arc::clone(&self.prompt.id),
            index: self.index,
            tokens: self.tokens,
            log_probs: self.log_probs,
            untempered_log_probs: self.untempered,
            text: self.whole_text,
            finish: reason,
        };
        (sample, self.prompt)
    }
}
