//! Writes what the task is made of, and judges responses: `corpus`, `tokenizer`, `prompts`, `gold`, `preferences`.
//!
//! ```text
//! cargo run --release -p infalign-tavern --example tavern -- corpus LINES SEED > corpus.jsonl
//! cargo run --release -p infalign-tavern --example tavern -- prompts [training|held-out] > prompts.jsonl
//! infalign sample --model crates/infalign-tavern/assets/policy --prompts prompts.jsonl --n 100 \
//!   | cargo run --release -p infalign-tavern --example tavern -- gold > rollouts.jsonl
//! infalign design --procedure worst-of:4 --kl 0.5 --calibration rollouts.jsonl
//! ```
#![expect(clippy::print_stdout, reason = "a program's output is what it prints")]

use std::{error::Error, io::stdin};

use infalign_tavern::{GOLD_NAME, Part, gold, grammar, prompts, tokenizer_json};
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
        _ => return Err("one of: corpus LINES SEED, tokenizer, prompts [PART], gold".into()),
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
