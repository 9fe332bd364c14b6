//! Sampling from real decoders: transformers' greedy continuations and filters, and samples that do not know their company.

use super::numbers::{CAUSAL, Expected, device, load};
use crate::{
    batch::Batch,
    error::Error,
    model::{Decoder, values},
    ops::fused::is_cpu,
    sample::{
        Batching, Collector, Engine, Filter, Job, OnCpu, OnDevice, Sample, Sampler, Sampling,
        Scratch,
    },
    score::{Sequence, score},
};

/// Which engine a check runs on.
#[derive(Debug, Clone, Copy)]
enum Way {
    Cpu,
    Device,
}

/// The engines of the device under test.
fn ways() -> &'static [Way] {
    if is_cpu(&device()) {
        &[Way::Cpu, Way::Device]
    } else {
        &[Way::Device]
    }
}

fn run(
    model: &Decoder,
    way: Way,
    settings: &Sampling,
    max_batch: usize,
    prompts: &[Vec<u32>],
    n: usize,
) -> Vec<Sample> {
    let batching = Batching {
        max_batch,
        ..Batching::default()
    };
    let sampler = Sampler::<Error>::new(settings.clone(), batching, &[]).expect("settings");
    let jobs = prompts.iter().enumerate().map(|(i, prompt)| {
        Ok(Job {
            prompt_id: i.to_string().into(),
            prompt: prompt.clone(),
            samples: 0..n,
        })
    });
    let mut collector = Collector::new();
    match way {
        Way::Cpu => sampler.run(&mut OnCpu::new(model, 1 << 22, 64), jobs, &mut collector),
        Way::Device => sampler.run(
            &mut OnDevice::new(model, max_batch, 64),
            jobs,
            &mut collector,
        ),
    }
    .expect("samples");
    collector.finish()
}

#[test]
fn greedy_continuations() {
    for name in CAUSAL {
        let (mut model, expected) = (load(name), Expected::of(name));
        let settings = Sampling {
            temperature: 0.0,
            max_tokens: 24,
            ..Sampling::default()
        };
        let cases = expected.facts["greedy"].as_array().expect("cases");
        let list = |i: usize, field: &str| -> Vec<u32> {
            serde_json::from_value(cases[i][field].clone()).expect(field)
        };
        let prompts: Vec<Vec<u32>> = (0..cases.len()).map(|i| list(i, "prompt")).collect();
        for frozen in [false, true] {
            if frozen {
                model.freeze();
            }
            for &way in ways() {
                for (i, sample) in run(&model, way, &settings, 8, &prompts, 1)
                    .iter()
                    .enumerate()
                {
                    let wanted = list(i, "continuation"); // it ends where transformers met an end-of-sequence token
                    assert_eq!(
                        sample.tokens[..wanted.len()],
                        wanted,
                        "{name}, {way:?}, frozen {frozen}, prompt {i}"
                    );
                }
            }
        }
    }
}

#[test]
fn filtered_distributions() {
    for name in CAUSAL {
        let (model, expected) = (load(name), Expected::of(name));
        let sequence = &expected.sequences()[2];
        let batch = Batch::new(&[sequence], model.spec()).expect("a batch");
        let logits = values(&model.logits(model.hidden(&batch)));
        let row = &logits[logits.len() - model.spec().vocab..];
        let given = &expected.facts["sampling"];
        let number = |field: &str| given[field].as_f64().expect("a number");
        let off = Sampling {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            ..Sampling::default()
        };
        let (temperature, top_p, min_p) = (number("temperature"), number("top_p"), number("min_p"));
        let top_k = given["top_k"].as_u64().expect("a number") as usize;
        for (part, settings) in [
            (
                "temperature",
                Sampling {
                    temperature,
                    ..off.clone()
                },
            ),
            (
                "top_k",
                Sampling {
                    top_k,
                    ..off.clone()
                },
            ),
            (
                "top_p",
                Sampling {
                    top_p,
                    ..off.clone()
                },
            ),
            (
                "min_p",
                Sampling {
                    min_p,
                    ..off.clone()
                },
            ),
            (
                "combined",
                Sampling {
                    temperature,
                    top_k,
                    top_p,
                    min_p,
                    ..off.clone()
                },
            ),
        ] {
            let found = Filter::new(&settings)
                .log_probs(row, &mut Scratch::default())
                .expect("a distribution");
            for (token, (f, e)) in found
                .iter()
                .zip(expected.tensor(&format!("processed.{part}")))
                .enumerate()
            {
                let same = f.nats() == e || (f.nats() - e).abs() < 1e-4;
                assert!(
                    same,
                    "{name}, {part}, token {token}: {}, expected {e}",
                    f.nats()
                );
            }
        }
    }
}

#[test]
fn samples_do_not_know_their_company() {
    if !is_cpu(&device()) {
        return; // promised for the CPU's engine
    }
    for name in ["llama3", "mistral", "gemma2", "gpt2", "gpt_neox"] {
        let (mut model, expected) = (load(name), Expected::of(name));
        model.freeze();
        let settings = Sampling {
            max_tokens: 20,
            seed: 7,
            ..Sampling::default()
        };
        let prompts = expected.sequences();
        let alone = run(&model, Way::Cpu, &settings, 1, &prompts, 5);
        assert!(alone.iter().any(|s| s.tokens != alone[0].tokens));
        for max_batch in [3, 64] {
            for threads in [1, 2] {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .expect("a pool");
                let together =
                    pool.install(|| run(&model, Way::Cpu, &settings, max_batch, &prompts, 5));
                for (a, b) in alone.iter().zip(&together) {
                    let bits = |s: &Sample| {
                        s.log_probs
                            .iter()
                            .map(|p| p.nats().to_bits())
                            .collect::<Vec<u32>>()
                    };
                    assert_eq!(
                        (&a.tokens, bits(a)),
                        (&b.tokens, bits(b)),
                        "{name}, batch {max_batch}, threads {threads}"
                    );
                }
            }
        }
        // What sampling says of its tokens is what scoring finds.
        let items: Vec<Sequence> = alone
            .iter()
            .map(|s| {
                let prompt = &prompts[s.job];
                Sequence {
                    tokens: prompt.iter().chain(&s.tokens).copied().collect(),
                    from: prompt.len(),
                }
            })
            .collect();
        for (s, found) in alone
            .iter()
            .zip(score(&model, None, &items, 1.0).expect("scores"))
        {
            for (p, t) in s.log_probs.iter().zip(&found.tokens) {
                assert!(
                    (p.nats() - t.log_prob).abs() < 1e-4,
                    "{name}: {} and {}",
                    p.nats(),
                    t.log_prob
                );
            }
        }
    }
}

#[test]
fn logits_of_a_step_are_those_of_the_whole_sequence() {
    for name in CAUSAL {
        let (model, expected) = (load(name), Expected::of(name));
        let sequence = &expected.sequences()[2];
        let (prompt, rest) = sequence.split_at(5);
        let batch = Batch::new(&[sequence], model.spec()).expect("a batch");
        let whole = values(&model.logits(model.hidden(&batch)));
        let vocab = model.spec().vocab;
        let check = |step: usize, logits: &[f32], way: Way| {
            let at = (prompt.len() - 1 + step) * vocab;
            for (a, b) in logits.iter().zip(&whole[at..at + vocab]) {
                assert!(
                    (a - b).abs() < 1e-4,
                    "{name}, {way:?}, step {step}: {a} and {b}"
                );
            }
        };
        fn walk<E: Engine<Error = Error>>(
            mut engine: E,
            prompt: &[u32],
            rest: &[u32],
            mut check: impl FnMut(usize, &[f32]),
        ) {
            let mut logits = Vec::new();
            let prefix = engine
                .prefill(&[prompt], &mut logits)
                .expect("a prompt")
                .remove(0);
            check(0, &logits);
            let mut sequence = engine.start(&prefix, rest.len()).expect("a sequence");
            for (i, &token) in rest.iter().enumerate() {
                engine
                    .step(&mut [&mut sequence], &[token], &mut logits)
                    .expect("a step");
                check(i + 1, &logits);
            }
        }
        if is_cpu(&device()) {
            walk(OnCpu::new(&model, 1 << 20, 64), prompt, rest, |i, l| {
                check(i, l, Way::Cpu);
            });
        }
        walk(OnDevice::new(&model, 2, 64), prompt, rest, |i, l| {
            check(i, l, Way::Device);
        });
    }
}
