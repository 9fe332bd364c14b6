//! Tests of the scheduler on a toy engine that counts its memory and dies when more is used than it has.

#![expect(clippy::unwrap_used, reason = "what the tests feed in is valid")]

use std::{cell::Cell, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::sample::{
    Batching, Collector, LongPrompt, Sample, Sampling, Stream, TextStream, TokenEvent,
};

const VOCAB: usize = 23;
const EOS: u32 = 5;

/// Logits that depend on the whole sequence by a hash of the last two tokens and its length.
struct Toy {
    capacity: Option<usize>,
    context: usize,
    used: Rc<Cell<usize>>,
    prefilled: Vec<Vec<usize>>,
    /// Finished and started sequences.
    finished: usize,
    started: usize,
    /// A sequence of this length gives NaN.
    poison: Option<usize>,
}

/// Memory in use, given back when dropped.
struct Held {
    used: Rc<Cell<usize>>,
    size: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.set(self.used.get() - self.size);
    }
}

struct ToySequence {
    tokens: Vec<u32>,
    may: usize,
    own: Held,
    _prefix: Rc<(Vec<u32>, Held)>,
}

impl Toy {
    fn new(capacity: Option<usize>) -> Self {
        Self {
            capacity,
            context: 64,
            used: Rc::default(),
            prefilled: Vec::new(),
            finished: 0,
            started: 0,
            poison: None,
        }
    }

    fn hold(&self, size: usize) -> Held {
        let held = Held {
            used: self.used.clone(),
            size: 0,
        };
        self.grow(held, size)
    }

    fn grow(&self, mut held: Held, by: usize) -> Held {
        held.size += by;
        self.used.set(self.used.get() + by);
        assert!(
            self.capacity.is_none_or(|c| self.used.get() <= c),
            "out of memory"
        );
        held
    }

    fn logits(&self, tokens: &[u32], into: &mut Vec<f32>) {
        if self.poison == Some(tokens.len()) {
            into.extend([f32::NAN; VOCAB]);
            return;
        }
        let last = tokens.iter().rev().take(2);
        let seed = last.fold(tokens.len() as u64 % 7, |h, &t| h * 31 + u64::from(t));
        let mut stream = Stream::new(seed, "toy", 0);
        into.extend((0..VOCAB as u64).map(|i| stream.uniform(i) as f32 * 3.0));
    }
}

impl Engine for Toy {
    type Prefix = Rc<(Vec<u32>, Held)>;
    type Sequence = ToySequence;
    type Error = Error;

    fn vocab(&self) -> usize {
        VOCAB
    }

    fn context(&self) -> usize {
        self.context
    }

    fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    fn prefill(&mut self, prompts: &[&[u32]], logits: &mut Vec<f32>) -> Result<Vec<Self::Prefix>> {
        logits.clear();
        self.prefilled
            .push(prompts.iter().map(|p| p.len()).collect());
        Ok(prompts
            .iter()
            .map(|p| {
                self.logits(p, logits);
                Rc::new((p.to_vec(), self.hold(p.len())))
            })
            .collect())
    }

    fn start(&mut self, prefix: &Self::Prefix, new: usize) -> Result<ToySequence> {
        self.started += 1;
        Ok(ToySequence {
            tokens: prefix.0.clone(),
            may: prefix.0.len() + new,
            own: self.hold(0),
            _prefix: prefix.clone(),
        })
    }

    fn step(
        &mut self,
        sequences: &mut [&mut ToySequence],
        tokens: &[u32],
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        assert_eq!(sequences.len(), tokens.len());
        logits.clear();
        for (sequence, &token) in sequences.iter_mut().zip(tokens) {
            sequence.tokens.push(token);
            assert!(
                sequence.tokens.len() <= sequence.may,
                "longer than announced"
            );
            let own = std::mem::replace(&mut sequence.own, self.hold(0));
            sequence.own = self.grow(own, 1);
            self.logits(&sequence.tokens, logits);
        }
        Ok(())
    }

    fn finish(&mut self, sequence: ToySequence) {
        self.finished += 1;
        drop(sequence);
    }
}

/// Spells each token as its number and a comma; holds the last one back.
struct Spell(Option<u32>);

impl TextStream<Error> for Spell {
    fn push(&mut self, token: u32) -> Result<Option<String>> {
        Ok(self.0.replace(token).map(|t| format!("{t},")))
    }

    fn finish(self: Box<Self>) -> Result<Option<String>> {
        Ok(self.0.map(|t| format!("{t},")))
    }
}

fn settings() -> Sampling {
    Sampling {
        temperature: 0.9,
        top_p: 0.95,
        max_tokens: 12,
        seed: 3,
        ..Sampling::default()
    }
}

fn job(id: &str, length: usize, n: usize) -> Result<Job> {
    Ok(Job {
        prompt_id: id.into(),
        prompt: (0..length as u32)
            .map(|i| (i * 5 + length as u32) % 23)
            .collect(),
        samples: 0..n,
    })
}

fn jobs() -> Vec<Result<Job>> {
    (1..=9)
        .map(|i| job(&format!("p{i}"), i * 2, (i * 5) % 8))
        .collect()
}

fn sampler(settings: Sampling, max_batch: usize) -> Sampler<'static, Error> {
    let batching = Batching {
        max_batch,
        prefill_tokens: 20,
        long_prompt: LongPrompt::Error,
    };
    Sampler::new(settings, batching, &[EOS]).unwrap()
}

/// The samples in order and the report; the engine must be empty again.
fn run(
    sampler: &Sampler<'_, Error>,
    toy: &mut Toy,
    jobs: Vec<Result<Job>>,
) -> (Vec<Sample>, Report) {
    let mut collector = Collector::new();
    let report = sampler.run(toy, jobs, &mut collector).unwrap();
    assert_eq!((toy.used.get(), toy.started), (0, toy.finished));
    (collector.finish(), report)
}

/// By prompt and index alone, whatever the order of jobs.
fn by_name(mut samples: Vec<Sample>) -> Vec<Sample> {
    samples.sort_by_key(|s| (s.prompt_id.clone(), s.index));
    for sample in &mut samples {
        sample.job = 0;
    }
    samples
}

/// A sample as its definition says, one token after the other, without any scheduler.
fn alone(settings: &Sampling, job: &Job, index: usize) -> Vec<u32> {
    let toy = Toy::new(None);
    let mut tokens = job.prompt.clone();
    let mut stream = Stream::new(settings.seed, &job.prompt_id, index as u64);
    for t in 0..settings.max_tokens.min(toy.context - job.prompt.len()) {
        let mut row = Vec::new();
        toy.logits(&tokens, &mut row);
        let filter = crate::sample::Filter::new(settings);
        let drawn = filter
            .draw(&row, stream.uniform(t as u64), &mut Scratch::default())
            .unwrap();
        tokens.push(drawn.token);
        if drawn.token == EOS {
            break;
        }
    }
    tokens.split_off(job.prompt.len())
}

#[test]
fn samples_are_those_of_the_definition_for_every_batch_size_and_memory() {
    let expected: Vec<(usize, usize, Vec<u32>)> = jobs()
        .into_iter()
        .enumerate()
        .flat_map(|(at, job)| {
            let job = job.unwrap();
            let each = job.samples.clone();
            each.map(move |index| (at, index, alone(&settings(), &job, index)))
        })
        .collect();
    let mut first = None;
    for max_batch in [1, 3, 64] {
        for capacity in [None, Some(30), Some(55), Some(200)] {
            let mut toy = Toy::new(capacity);
            let (samples, report) = run(&sampler(settings(), max_batch), &mut toy, jobs());
            let got: Vec<_> = samples
                .iter()
                .map(|s| (s.job, s.index, s.tokens.clone()))
                .collect();
            assert_eq!(got, expected);
            assert_eq!(first.get_or_insert_with(|| samples.clone()), &samples);
            assert_eq!(report.samples, samples.len());
            assert_eq!(
                report.tokens,
                samples.iter().map(|s| s.tokens.len()).sum::<usize>()
            );
            // Each prompt was run once.
            assert_eq!(
                report.prompts,
                toy.prefilled.iter().map(Vec::len).sum::<usize>()
            );
            assert_eq!(report.prompts, 8);
            assert!(report.largest_batch <= max_batch);
            let short = report
                .warnings
                .iter()
                .any(|w| matches!(w, Warning::SmallerBatches { .. }));
            assert_eq!(
                short,
                max_batch > 1 && capacity.is_some_and(|c| c < 100)
                    || max_batch == 64 && capacity == Some(200),
                "{max_batch} {capacity:?} {report:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn the_order_of_jobs_and_the_company_change_nothing(
        jobs in Just(jobs().into_iter().map(Result::unwrap).collect::<Vec<_>>()).prop_shuffle(),
        keep in 1_usize..9,
        max_batch in 1_usize..9,
        capacity in prop::option::of(29_usize..90),
    ) {
        let sampler = sampler(settings(), max_batch);
        let some: Vec<Result<Job>> = jobs.into_iter().take(keep).map(Ok).collect();
        let names: Vec<Arc<str>> = some.iter().map(|j| j.clone().unwrap().prompt_id).collect();
        let (samples, _) = run(&sampler, &mut Toy::new(capacity), some);
        let (mut all, _) = run(&sampler, &mut Toy::new(None), self::jobs());
        all.retain(|s| names.contains(&s.prompt_id));
        prop_assert_eq!(by_name(samples), by_name(all));
    }
}

#[test]
fn a_batch_is_kept_full_and_prompts_are_run_together() {
    let settings = Sampling {
        ignore_eos: true,
        ..settings()
    };
    let mut toy = Toy::new(None);
    let jobs = (0..16).map(|i| job(&i.to_string(), 5, 1)).collect();
    let (_, report) = run(&sampler(settings, 8), &mut toy, jobs);
    // 20 tokens of prompts at a time, 8 places; twice 11 steps after the first token.
    assert_eq!(toy.prefilled, [[5; 4], [5; 4], [5; 4], [5; 4]]);
    assert_eq!((report.largest_batch, report.steps), (8, 22));
}

#[test]
fn jobs_are_read_as_there_is_room() {
    let read = Cell::new(0);
    let sampler = sampler(settings(), 2);
    let jobs = (0..50).map(|i| {
        read.set(read.get() + 1);
        job(&i.to_string(), 3, 2)
    });
    let mut most = 0;
    let mut done = 0;
    sampler
        .run(&mut Toy::new(None), jobs, &mut |_: Sample| {
            most = most.max(read.get() * 2 - done);
            done += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(done, 100);
    assert!(most <= 6, "{most} samples read ahead");
}

#[test]
fn more_samples_later_are_the_same_as_at_once() {
    let sampler = sampler(settings(), 4);
    let part = |samples| vec![job("p", 4, 0).map(|j| Job { samples, ..j })];
    let (mut parts, _) = run(&sampler, &mut Toy::new(None), part(0..3));
    parts.extend(run(&sampler, &mut Toy::new(None), part(3..7)).0);
    assert_eq!(parts, run(&sampler, &mut Toy::new(None), part(0..7)).0);
}

#[derive(Default)]
struct Watch {
    text: std::collections::BTreeMap<usize, String>,
    events: usize,
    samples: Vec<Sample>,
}

impl Sink<Error> for Watch {
    fn token(&mut self, event: &TokenEvent<'_>) -> Result<()> {
        self.text
            .entry(event.index)
            .or_default()
            .push_str(event.text);
        self.events += 1;
        Ok(())
    }

    fn sample(&mut self, sample: Sample) -> Result<()> {
        self.samples.push(sample);
        Ok(())
    }
}

#[test]
fn stop_strings_span_tokens_and_streamed_text_is_the_text() {
    for include in [false, true] {
        let settings = Sampling {
            stop: vec!["1,1".into(), "2,2".into(), ",9".into()],
            include_stop_str_in_output: include,
            max_tokens: 20,
            ..settings()
        };
        let sampler = sampler(settings.clone(), 5).with_text(|| Box::new(Spell(None)));
        let mut watch = Watch::default();
        sampler
            .run(&mut Toy::new(None), vec![job("p", 4, 200)], &mut watch)
            .unwrap();
        let tokens: usize = watch.samples.iter().map(|s| s.tokens.len()).sum();
        assert_eq!(watch.events, tokens);
        let mut reasons = std::collections::BTreeMap::new();
        for sample in &watch.samples {
            let text = sample.text.as_ref().unwrap();
            assert_eq!(&watch.text[&sample.index], text);
            *reasons.entry(sample.finish.to_string()).or_insert(0) += 1;
            let counted = match sample.finish {
                FinishReason::Eos if !include => &sample.tokens[..sample.tokens.len() - 1],
                _ => &sample.tokens,
            };
            let whole: String = counted.iter().map(|t| format!("{t},")).collect();
            let first = settings
                .stop
                .iter()
                .filter_map(|s| whole.find(s.as_str()).map(|at| (at + s.len(), at)))
                .min();
            let expected = first.map_or(whole.as_str(), |(end, start)| {
                &whole[..if include { end } else { start }]
            });
            assert_eq!(text, expected);
        }
        assert!(reasons.len() == 3, "{reasons:?}");
    }
    let without = sampler(
        Sampling {
            stop: vec!["a".into()],
            ..settings()
        },
        1,
    );
    let error = without.run(&mut Toy::new(None), vec![], &mut Collector::new());
    assert_eq!(error.unwrap_err(), Error::StopWithoutText);
}

#[test]
fn the_context_ends_a_sample_and_long_prompts_are_refused_or_cut() {
    let endless = Sampling {
        ignore_eos: true,
        ..settings()
    };
    let strict = sampler(endless.clone(), 3);
    let (samples, _) = run(&strict, &mut Toy::new(None), vec![job("p", 60, 2)]);
    assert!(
        samples
            .iter()
            .all(|s| s.tokens.len() == 4 && s.finish == FinishReason::Context)
    );
    let (samples, _) = run(&strict, &mut Toy::new(None), vec![job("p", 52, 2)]);
    assert!(
        samples
            .iter()
            .all(|s| s.tokens.len() == 12 && s.finish == FinishReason::Length)
    );
    let error = strict.run(
        &mut Toy::new(None),
        vec![job("p", 64, 1)],
        &mut Collector::new(),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "prompt `p` has 64 tokens, the model's context is 64, and a response needs at least one of them; \
         shorten it, or truncate long prompts on the left"
    );
    let batching = Batching {
        long_prompt: LongPrompt::TruncateLeft,
        ..Batching::default()
    };
    let cutting = Sampler::new(endless, batching, &[EOS]).unwrap();
    let mut toy = Toy::new(None);
    let jobs = vec![job("a", 52, 1), job("b", 60, 1), job("c", 200, 1)];
    let (samples, report) = run(&cutting, &mut toy, jobs);
    assert!(
        samples
            .iter()
            .all(|s| s.tokens.len() == 12 && s.finish == FinishReason::Length)
    );
    assert_eq!(toy.prefilled.concat(), [52, 52, 52]);
    assert_eq!(
        report.warnings,
        [Warning::Truncated {
            prompts: 2,
            first: "b".into()
        }]
    );
}

#[test]
fn an_error_names_its_prompt_and_gives_all_memory_back() {
    let check = |toy: &mut Toy, bad: Result<Job>| {
        let sampler = sampler(settings(), 4);
        let jobs = vec![job("good", 3, 9), bad];
        let error = sampler.run(toy, jobs, &mut Collector::new()).unwrap_err();
        assert_eq!((toy.used.get(), toy.started), (0, toy.finished));
        error.to_string()
    };
    let empty = check(&mut Toy::new(None), job("bad", 0, 1));
    assert!(empty.starts_with("prompt `bad` has no tokens"), "{empty}");
    let unknown = job("bad", 3, 1).map(|j| Job {
        prompt: vec![1, 23],
        ..j
    });
    let unknown = check(&mut Toy::new(None), unknown);
    assert!(
        unknown.starts_with("prompt `bad` holds token 23 at position 1"),
        "{unknown}"
    );
    let large = check(&mut Toy::new(Some(30)), job("bad", 20, 1));
    assert!(
        large.starts_with("prompt `bad` (20 tokens and up to 12 new ones) needs 31"),
        "{large}"
    );
    let mut toy = Toy::new(None);
    toy.poison = Some(6);
    let poisoned = check(&mut toy, job("bad", 3, 1));
    assert!(poisoned.contains("`good`, sample"), "{poisoned}");
    assert!(
        poisoned.contains("token 3 are no distribution: that of token 0 is NaN"),
        "{poisoned}"
    );
    let mut toy = Toy::new(None);
    let interrupted = sampler(settings(), 4).run(&mut toy, jobs(), &mut |_: Sample| {
        Err(Error::StopWithoutText)
    });
    assert_eq!(interrupted.unwrap_err(), Error::StopWithoutText);
    assert_eq!((toy.used.get(), toy.started), (0, toy.finished));
}
