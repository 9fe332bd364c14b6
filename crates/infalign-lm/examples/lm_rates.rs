//! One measurement of `benches/peers/lm_run.py`: the same work as a peer's script, on one line of JSON.
//!
//! `lm_rates NAME REPEATS`, with NAME as the peers' scripts have them: `train/SHAPE`, `train-checkpointed/SHAPE`, `rollout/SHAPE/many`,
//! `rollout/SHAPE/many-ROWS`, `rollout/SHAPE/one`, `score/SHAPE`, `load/FOLDER`.
//! SHAPE is llama5.8m, llama6.8m, stories260k or gpt2-124m, with random weights.
#![expect(clippy::print_stdout, reason = "its output is what it prints")]

use std::{fs, time::Instant};

use infalign_lm::{
    AdamW, AdamWConfig, Batch, Decoder, Device, Folder, Head, Objective, RowGrad, RowStats, Rule,
    Sequence, Spec, gradients,
    sample::{Batching, Job, Resources, Sample, Sampler, Sampling, generate},
    score,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Anything<T> = Result<T, Box<dyn std::error::Error>>;

fn config(shape: &str) -> Anything<String> {
    let llama = |dim, layers, heads, kv_heads, ffn, vocab, tied| {
        format!(
            r#"{{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":{dim},"num_hidden_layers":{layers},
            "num_attention_heads":{heads},"num_key_value_heads":{kv_heads},"intermediate_size":{ffn},"vocab_size":{vocab},
            "max_position_embeddings":1024,"rms_norm_eps":1e-6,"hidden_act":"silu","rope_theta":10000.0,"tie_word_embeddings":{tied}}}"#
        )
    };
    Ok(match shape {
        "llama5.8m" => llama(256, 6, 8, 8, 688, 4096, true),
        "llama6.8m" => llama(256, 6, 8, 8, 688, 4096, false),
        "stories260k" => llama(64, 5, 8, 4, 172, 512, true),
        "gpt2-124m" => r#"{"architectures":["GPT2LMHeadModel"],"model_type":"gpt2","n_embd":768,"n_layer":12,"n_head":12,"n_positions":1024,
            "vocab_size":50257,"activation_function":"gelu_new","layer_norm_epsilon":1e-5}"#
            .to_owned(),
        other => return Err(format!("unknown shape {other}").into()),
    })
}

fn tokens(vocab: usize, rows: usize, columns: usize) -> Vec<Vec<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut draw = || rng.random_range(3..u32::try_from(vocab).unwrap_or(u32::MAX));
    (0..rows)
        .map(|_| (0..columns).map(|_| draw()).collect())
        .collect()
}

/// Peak resident memory of this process in MB of 10⁶ bytes.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok())
        .map_or(f64::NAN, |kib| kib * 1024.0 / 1e6)
}

/// Processor seconds of this process.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn measure(
    name: &str,
    repeats: usize,
    tokens: usize,
    parameters: usize,
    mut work: impl FnMut() -> Anything<()>,
) -> Anything<()> {
    work()?;
    let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let (wall, before) = (Instant::now(), processor());
        work()?;
        seconds.push(wall.elapsed().as_secs_f64());
        cpu.push(processor() - before);
    }
    let line = serde_json::json!({
        "name": name, "peer": "infalign", "version": env!("CARGO_PKG_VERSION"), "seconds": seconds, "cpu_seconds": cpu, "tokens": tokens,
        "parameters": parameters, "peak_rss_mb": peak(),
    });
    println!("{line}");
    Ok(())
}

fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, repeats] = &arguments[..] else {
        return Err("usage: lm_rates NAME REPEATS".into());
    };
    infalign_lm::keep_buffers();
    let repeats: usize = repeats.parse()?;
    let threads = std::env::var("RAYON_NUM_THREADS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()?;
    let device = Device::flex();
    let (kind, rest) = name.split_once('/').unwrap_or((name, ""));
    if kind == "load" {
        let bytes = fs::metadata(format!("{rest}/model.safetensors"))?.len();
        return measure(name, repeats, usize::try_from(bytes)?, 0, || {
            let folder = Folder::open(rest)?;
            std::hint::black_box(Decoder::open(&folder, Head::CausalLm, 0, &device)?);
            Ok(())
        });
    }
    let (shape, what) = rest.split_once('/').unwrap_or((rest, ""));
    let spec = Spec::from_text(&config(shape)?, shape)?;
    let vocab = spec.vocab;
    let mut model = Decoder::fresh(spec, 0, &device);
    let parameters = model.parameters();
    match kind {
        "train" | "train-checkpointed" => {
            let (rows, columns) = if shape == "gpt2-124m" {
                (2, 128)
            } else {
                (8, 256)
            };
            let ids = tokens(vocab, rows, columns);
            let batch = Batch::new(&ids, model.spec())?;
            let targets: Vec<Option<u32>> = ids
                .iter()
                .flat_map(|s| s[1..].iter().copied().map(Some).chain([None]))
                .collect();
            let mut optimiser = AdamW::new(AdamWConfig::default(), &model)?;
            #[expect(clippy::cast_precision_loss, reason = "few rows")]
            let scale = 1.0 / (rows * (columns - 1)) as f64;
            measure(name, repeats, rows * columns, parameters, || {
                let objective = Objective {
                    targets: &targets,
                    reference: None,
                    temperature: 1.0,
                    rule: Rule::Row(&mut |_, s: RowStats| RowGrad {
                        loss: -s.log_prob,
                        d_log_prob: -1.0,
                        ..RowGrad::default()
                    }),
                };
                let found = gradients(&model, &batch, objective, kind == "train-checkpointed")?;
                optimiser.update(&mut model, found, scale, 1e-3)?;
                Ok(())
            })
        }
        "rollout" => {
            let (mut rows, new) = if shape == "gpt2-124m" {
                (8, 16)
            } else {
                (64, 128)
            };
            if let Some(n) = what.strip_prefix("many-") {
                rows = n.parse()?;
            }
            let settings = Sampling {
                max_tokens: new,
                ignore_eos: true,
                ..Sampling::default()
            };
            let batching = Batching {
                max_batch: rows,
                ..Batching::default()
            };
            let sampler = Sampler::<infalign_lm::Error>::new(settings, batching, &[])?;
            let (prompts, n) = if what == "one" {
                (tokens(vocab, 1, 256), rows)
            } else {
                (tokens(vocab, rows, 16), 1)
            };
            let resources = Resources {
                cache_bytes: 4 << 30,
                max_batch: rows,
                longest: 1024,
            };
            measure(name, repeats, rows * new, parameters, || {
                let jobs = prompts.iter().enumerate().map(|(i, prompt)| {
                    Ok(Job {
                        prompt_id: i.to_string().into(),
                        prompt: prompt.clone(),
                        samples: 0..n,
                    })
                });
                let mut made = 0;
                let mut sink = |sample: Sample| {
                    made += sample.tokens.len();
                    Ok(())
                };
                generate(&mut model, &sampler, resources, jobs, &mut sink)?;
                assert_eq!(made, rows * new);
                Ok(())
            })
        }
        "score" => {
            let rows = if shape == "gpt2-124m" { 4 } else { 64 };
            let items: Vec<Sequence> = tokens(vocab, rows, 256)
                .into_iter()
                .map(|tokens| Sequence { tokens, from: 1 })
                .collect();
            model.freeze();
            measure(name, repeats, rows * 256, parameters, || {
                std::hint::black_box(score(&model, None, &items, 1.0)?);
                Ok(())
            })
        }
        other => Err(format!("unknown measurement {other}").into()),
    }
}
