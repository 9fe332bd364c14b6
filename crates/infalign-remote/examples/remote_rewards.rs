//! Raw rewards from a server, for checks against the real ones: `cargo run -p infalign-remote --example remote_rewards -- SPEC [PROMPT RESPONSE]…`.
//!
//! SPEC is a reward server (`vllm:http://…`) or a judge (`judge:http://…`). Prints what was found at opening, and a line
//! `reward<TAB>response` for each response. The key is read from `INFALIGN_API_KEY`.

use std::{env, error::Error, io::Write};

use infalign_remote::{
    Key, Patience,
    reward::{Asked, Judge, JudgeOptions, Probe, RemoteReward},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let spec = words
        .next()
        .ok_or("usage: remote_rewards SPEC [PROMPT RESPONSE]…")?;
    let texts: Vec<String> = words.collect();
    let asked: Vec<Asked<'_>> = texts
        .chunks_exact(2)
        .map(|pair| Asked {
            prompt_id: "given",
            prompt: &pair[0],
            messages: None,
            response: &pair[1],
            answer: None,
        })
        .collect();
    let patience = Patience {
        tries: 3,
        ..Patience::default()
    };
    let key = Key::from_environment()?;
    let mut out = std::io::stdout().lock();
    let rewards = if spec.starts_with("judge:") {
        let mut judge = Judge::open(&spec.parse()?, key, patience, JudgeOptions::default())?;
        writeln!(out, "{}", judge.identity())?;
        judge.rewards(&asked)?
    } else {
        let reward = RemoteReward::open(&spec.parse()?, key, patience, &Probe::default())?;
        writeln!(out, "{}", reward.identity())?;
        if let Some(caveat) = reward.caveat() {
            writeln!(out, "{caveat}")?;
        }
        reward.rewards(&asked)?
    };
    for (value, a) in rewards.iter().zip(&asked) {
        writeln!(out, "{value}\t{}", a.response)?;
    }
    Ok(())
}
