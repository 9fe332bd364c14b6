//! Continuous batching: a prompt is run once for all its samples, and a sample that ends makes room for the next at once.
//!
//! A cycle admits, then steps. Admission, in the order of the jobs: start the samples of the prompt at hand; when all have started, take as
//! many further prompts as can surely begin (a place in the batch, and room for the prompt and one response of full length), run
//! them together, draw their samples' first tokens from the logits of the prompt's last token. A step appends the token drawn last to each
//! sequence and draws the next.
//!
//! Room is reserved before it is used, for the longest possible response, so that the cache can never be short later. A prompt's
//! reservation ends with the last of its samples. A prompt that needs more than the whole cache was refused when it was read; so when
//! nothing runs, nothing is reserved, and the next prompt fits: the run cannot stand still.

use std::{collections::VecDeque, rc::Rc};

use super::{
    engine::Engine,
    error::{Error, Result},
    filter::Scratch,
    growing::Growing,
    job::{Job, Sink},
    log_prob::Unusable,
    prompt::Prompt,
    rows,
    sampler::{Report, Sampler, Warning},
    stop::FinishReason,
};

/// A prompt that has been run, with samples still to start.
struct Ready<P> {
    prompt: Rc<Prompt>,
    prefix: P,
    /// After its last token (vocab).
    logits: Vec<f32>,
    next: usize,
}

struct Running<'s, E: Engine> {
    sample: Growing<'s, E::Error>,
    sequence: E::Sequence,
}

/// One run of a sampler over its jobs.
pub(super) struct Run<'s, 'a, E: Engine, J, S> {
    sampler: &'s Sampler<'a, E::Error>,
    engine: &'s mut E,
    jobs: J,
    sink: &'s mut S,
    /// Read, but there was no place for it yet.
    pending: Option<Prompt>,
    read: usize,
    ready: VecDeque<Ready<E::Prefix>>,
    running: Vec<Running<'s, E>>,
    reserved: usize,
    /// Whether room, not `max_batch`, ended the last admission.
    short: bool,
    /// (rows, vocab)
    logits: Vec<f32>,
    scratch: Scratch,
    report: Report,
}

impl<'s, 'a, E, J, S> Run<'s, 'a, E, J, S>
where
    E: Engine,
    J: Iterator<Item = Result<Job, E::Error>>,
    S: Sink<E::Error>,
{
    pub(super) fn new(
        sampler: &'s Sampler<'a, E::Error>,
        engine: &'s mut E,
        jobs: J,
        sink: &'s mut S,
    ) -> Self {
        Self {
            sampler,
            engine,
            jobs,
            sink,
            pending: None,
            read: 0,
            ready: VecDeque::new(),
            running: Vec::new(),
            reserved: 0,
            short: false,
            logits: Vec::new(),
            scratch: Scratch::default(),
            report: Report::default(),
        }
    }

    /// Runs to the end; the engine gets all its sequences back also after an error.
    pub(super) fn finish(mut self) -> Result<Report, E::Error> {
        let result = self.cycle();
        for running in self.running {
            self.engine.finish(running.sequence);
        }
        result.map(|()| self.report)
    }

    fn cycle(&mut self) -> Result<(), E::Error> {
        let vocab = self.engine.vocab();
        if vocab == 0 || u32::try_from(vocab).is_err() {
            return Err(bug(format!("an engine with a vocabulary of {vocab} tokens")).into());
        }
        loop {
            self.admit()?;
            if self.running.is_empty() {
                return Ok(());
            }
            if self.short {
                self.warn_short();
            }
            self.step()?;
        }
    }

    fn free(&self) -> usize {
        let capacity = self.engine.capacity();
        capacity.map_or(usize::MAX, |all| all.saturating_sub(self.reserved))
    }

    fn admit(&mut self) -> Result<(), E::Error> {
        self.short = false;
        loop {
            while let Some(mut ready) = self.ready.pop_front() {
                if !self.start(&mut ready)? {
                    self.ready.push_front(ready);
                    return Ok(());
                }
                drop(ready.prefix);
                self.release(ready.prompt);
            }
            let group = self.gather()?;
            if group.is_empty() {
                return Ok(());
            }
            self.prefill(group)?;
        }
    }

    /// Starts samples of a prompt; returns whether all have started.
    fn start(&mut self, ready: &mut Ready<E::Prefix>) -> Result<bool, E::Error> {
        let prompt = &ready.prompt;
        while ready.next < prompt.samples.end {
            if self.running.len() >= self.sampler.batching.max_batch {
                return Ok(false);
            }
            if prompt.sequence_cost > self.free() {
                self.short = true;
                return Ok(false);
            }
            let mut sample = Growing::new(self.sampler, Rc::clone(prompt), ready.next);
            ready.next += 1;
            let uniform = sample.uniform();
            let drawn = self
                .sampler
                .filter
                .draw(&ready.logits, uniform, &mut self.scratch)
                .map_err(|what| unusable(&sample, what))?;
            self.report.tokens += 1;
            if let Some(reason) = sample.take(self.sampler, drawn, self.sink)? {
                self.deliver(sample, reason)?;
            } else {
                let sequence = self.engine.start(&ready.prefix, prompt.new - 1)?;
                self.reserved += prompt.sequence_cost;
                self.running.push(Running { sample, sequence });
            }
        }
        Ok(true)
    }

    /// Prompts that can be run together now, each with at least one sample that can start at once.
    fn gather(&mut self) -> Result<Vec<Prompt>, E::Error> {
        let mut places = self.sampler.batching.max_batch - self.running.len();
        let mut free = self.free();
        let mut tokens = 0_usize;
        let mut group: Vec<Prompt> = Vec::new();
        while places > 0 {
            let Some(prompt) = self.next_prompt()? else {
                break;
            };
            if prompt.prefix_cost + prompt.sequence_cost > free {
                self.short = true;
                self.pending = Some(prompt);
                break;
            }
            let together = tokens.saturating_add(prompt.tokens.len());
            if !group.is_empty() && together > self.sampler.batching.prefill_tokens {
                self.pending = Some(prompt);
                break;
            }
            tokens = together;
            free -= prompt.prefix_cost;
            let room = free.checked_div(prompt.sequence_cost).unwrap_or(usize::MAX);
            let starting = prompt.samples.len().min(places).min(room);
            places -= starting;
            free -= starting * prompt.sequence_cost;
            let all = starting == prompt.samples.len();
            group.push(prompt);
            if !all {
                break;
            }
        }
        Ok(group)
    }

    /// The next prompt of which samples are wanted.
    fn next_prompt(&mut self) -> Result<Option<Prompt>, E::Error> {
        if self.pending.is_some() {
            return Ok(self.pending.take());
        }
        while let Some(job) = self.jobs.next() {
            let prompt = Prompt::new(
                self.engine,
                self.read,
                job?,
                self.sampler.settings.max_tokens,
                self.sampler.batching.long_prompt,
            )?;
            self.read += 1;
            if prompt.truncated {
                self.warn_truncated(&prompt);
            }
            if !prompt.samples.is_empty() {
                return Ok(Some(prompt));
            }
        }
        Ok(None)
    }

    fn prefill(&mut self, group: Vec<Prompt>) -> Result<(), E::Error> {
        let prompts: Vec<&[u32]> = group.iter().map(|p| p.tokens.as_slice()).collect();
        self.reserved += group.iter().map(|p| p.prefix_cost).sum::<usize>();
        let prefixes = self.engine.prefill(&prompts, &mut self.logits)?;
        let vocab = self.engine.vocab();
        if prefixes.len() != group.len() {
            return Err(bug(format!(
                "the engine made {} caches of {} prompts",
                prefixes.len(),
                group.len()
            ))
            .into());
        }
        self.check_logits(group.len())?;
        self.report.prompts += group.len();
        let rows = self.logits.chunks_exact(vocab);
        for ((prompt, prefix), row) in group.into_iter().zip(prefixes).zip(rows) {
            self.ready.push_back(Ready {
                next: prompt.samples.start,
                prompt: Rc::new(prompt),
                prefix,
                logits: row.to_vec(),
            });
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), E::Error> {
        let rows = self.running.len();
        let tokens: Vec<u32> = self
            .running
            .iter()
            .filter_map(|r| r.sample.tokens.last().copied())
            .collect();
        let mut sequences: Vec<&mut E::Sequence> =
            self.running.iter_mut().map(|r| &mut r.sequence).collect();
        self.engine
            .step(&mut sequences, &tokens, &mut self.logits)?;
        self.check_logits(rows)?;
        self.report.steps += 1;
        self.report.tokens += rows;
        self.report.largest_batch = self.report.largest_batch.max(rows);
        let uniforms: Vec<f64> = self
            .running
            .iter_mut()
            .map(|r| r.sample.uniform())
            .collect();
        let draws = rows::draw(
            &self.sampler.filter,
            &self.logits,
            self.engine.vocab(),
            &uniforms,
            &mut self.scratch,
        );
        let mut at = 0;
        for drawn in draws {
            let sample = &mut self.running[at].sample;
            let drawn = drawn.map_err(|what| unusable(sample, what))?;
            match sample.take(self.sampler, drawn, self.sink)? {
                None => at += 1,
                Some(reason) => {
                    // Not `swap_remove`: samples of one prompt stay side by side.
                    let ended = self.running.remove(at);
                    self.engine.finish(ended.sequence);
                    self.reserved -= ended.sample.prompt.sequence_cost;
                    self.deliver(ended.sample, reason)?;
                }
            }
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        sample: Growing<'s, E::Error>,
        reason: FinishReason,
    ) -> Result<(), E::Error> {
        let (sample, prompt) = sample.finish(reason);
        self.release(prompt);
        self.report.samples += 1;
        self.sink.sample(sample)
    }

    /// The last to hold a prompt gives its room back.
    fn release(&mut self, prompt: Rc<Prompt>) {
        if let Some(prompt) = Rc::into_inner(prompt) {
            self.reserved -= prompt.prefix_cost;
        }
    }

    fn check_logits(&self, rows: usize) -> Result<()> {
        let (vocab, got) = (self.engine.vocab(), self.logits.len());
        if got == rows * vocab {
            return Ok(());
        }
        Err(bug(format!(
            "the engine gave {got} logits for {rows} rows of {vocab}"
        )))
    }

    fn warn_short(&mut self) {
        let now = self.running.len();
        for warning in &mut self.report.warnings {
            if let Warning::SmallerBatches { reached, .. } = warning {
                *reached = now.min(*reached);
                return;
            }
        }
        self.report.warnings.push(Warning::SmallerBatches {
            wanted: self.sampler.batching.max_batch,
            reached: now,
        });
    }

    fn warn_truncated(&mut self, prompt: &Prompt) {
        for warning in &mut self.report.warnings {
            if let Warning::Truncated { prompts, .. } = warning {
                *prompts += 1;
                return;
            }
        }
        self.report.warnings.push(Warning::Truncated {
            prompts: 1,
            first: prompt.id.to_string(),
        });
    }
}

fn bug(what: String) -> Error {
    Error::Bug { what }
}

fn unusable<X: From<Error>>(sample: &Growing<'_, X>, what: Unusable) -> X {
    X::from(Error::Logits {
        prompt_id: sample.prompt.id.clone(),
        index: sample.index,
        position: sample.tokens.len(),
        what,
    })
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
