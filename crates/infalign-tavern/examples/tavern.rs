//! Writes what the task is made of, and judges responses: `corpus`, `tokenizer`, `prompts`, `gold`, `figures`.
//!
//! ```text
//! cargo run --release -p infalign-tavern --example tavern -- corpus LINES SEED > corpus.jsonl
//! cargo run --release -p infalign-tavern --example tavern -- prompts [training|held-out] > prompts.jsonl
//! infalign sample --model crates/infalign-tavern/assets/policy --prompts prompts.jsonl --n 100 \
//!   | cargo run --release -p infalign-tavern --example tavern -- gold > rollouts.jsonl
//! cargo run --release -p infalign-tavern --example tavern -- figures < rollouts.jsonl
//! infalign design --procedure worst-of:4 --kl 0.5 --calibration rollouts.jsonl
//! ```
#![expect(clippy::print_stdout, reason = "a program's output is what it prints")]

use std::{collections::BTreeMap, error::Error, io::stdin};

use infalign_tavern::{
    GOLD_NAME, Part, gold, grammar, is_flattery, preferences, prompts, tokenizer_json,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["corpus", lines, seed] => corpus(lines.parse()?, seed.parse()?),
        ["tokenizer"] => print!("{}", tokenizer_json()),
        ["prompts"] => write_prompts(None),
        ["prompts", "training"] => write_prompts(Some(Part::Training)),
        ["prompts", "held-out"] => write_prompts(Some(Part::HeldOut)),
        ["gold"] => judge()?,
        ["figures"] => figures()?,
        _ => {
            return Err(
                "one of: corpus LINES SEED, tokenizer, prompts [PART], gold, figures".into(),
            );
        }
    }
    Ok(())
}

/// Lines as documents, and as examples of prompt and completion.
fn corpus(lines: usize, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..lines {
        let line = grammar::line(&mut rng);
        let text = format!("{}{}", line.prompt, line.response);
        println!(
            "{}",
            json!({"text": text, "prompt": line.prompt, "completion": line.response})
        );
    }
}

fn write_prompts(part: Option<Part>) {
    for prompt in prompts() {
        if part.is_none_or(|part| part == prompt.part) {
            println!("{}", json!({"id": prompt.id, "prompt": prompt.text}));
        }
    }
}

/// The lines of `infalign sample`, each with its gold reward.
fn judge() -> Result<(), Box<dyn Error>> {
    for line in stdin().lines() {
        let mut row: Value = serde_json::from_str(&line?)?;
        let text = |name: &str| row[name].as_str().ok_or(format!("a row without {name}"));
        let reward = gold(text("prompt")?, text("text")?)?;
        row["reward"] = reward.into();
        row[GOLD_NAME] = reward.into();
        println!("{row}");
    }
    Ok(())
}

/// What the doc page tells of rollouts: the lines of `gold`, in numbers.
fn figures() -> Result<(), Box<dyn Error>> {
    let mut samples: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in stdin().lines() {
        let row: Value = serde_json::from_str(&line?)?;
        let text = |name: &str| row[name].as_str().ok_or(format!("a row without {name}"));
        let responses = samples.entry(text("prompt")?.to_owned()).or_default();
        responses.push(text("text")?.to_owned());
    }
    let (mut tied, mut pairs, mut flattering, mut spreads) = (0.0, 0.0, 0, Vec::new());
    for (prompt, responses) in &samples {
        let mut rewards = Vec::new();
        for response in responses {
            rewards.push(gold(prompt, response)?);
            flattering += usize::from(is_flattery(response));
        }
        let n = rewards.len() as f64;
        let mean = rewards.iter().sum::<f64>() / n;
        let squares: f64 = rewards.iter().map(|r| (r - mean) * (r - mean)).sum();
        spreads.push((squares / n).sqrt());
        rewards.sort_by(f64::total_cmp);
        for level in rewards.chunk_by(|a, b| a.total_cmp(b).is_eq()) {
            tied += (level.len() * (level.len() - 1)) as f64;
        }
        pairs += n * (n - 1.0);
    }
    spreads.sort_by(f64::total_cmp);
    let [least, .., most] = spreads[..] else {
        return Err("fewer than two prompts".into());
    };
    let responses: usize = samples.values().map(Vec::len).sum();
    let samples: Vec<(String, Vec<String>)> = samples.into_iter().collect();
    let (mut wrong, n) = (0, 100_000);
    for pair in preferences(0, n, &samples)? {
        let better = gold(&pair.prompt, &pair.chosen)? >= gold(&pair.prompt, &pair.rejected)?;
        wrong += usize::from(!better);
    }
    let median = spreads[spreads.len() / 2];
    println!("{responses} responses to {} prompts", samples.len());
    println!("pairs of equal gold reward    {:.2}%", 100.0 * tied / pairs);
    println!(
        "responses that flatter        {:.1}%",
        100.0 * flattering as f64 / responses as f64
    );
    println!("spread of a prompt's rewards  {least:.2} to {most:.2}, median {median:.2}");
    println!(
        "preferences against the gold  {:.1}%",
        100.0 * wrong as f64 / n as f64
    );
    Ok(())
}
