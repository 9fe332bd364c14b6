//! Raw rewards from a server, for checks against the real ones: `cargo run -p infalign-remote --example remote_rewards -- SPEC [PROMPT RESPONSE]…`.
//!
//! Prints what the probe found and a line `reward<TAB>response` for each response. The key is read from `INFALIGN_API_KEY`.

use std::{env, error::Error, io::Write};

use infalign_remote::{
    Key, Patience,
    reward::{Asked, Probe, RemoteReward},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let spec = words
        .next()
        .ok_or("usage: remote_rewards SPEC [PROMPT RESPONSE]…")?
        .parse()?;
    let texts: Vec<String> = words.collect();
    let asked: Vec<Asked<'_>> = texts
        .chunks_exact(2)
        .map(|pair| Asked {
            prompt_id: "given",
            prompt: &pair[0],
            response: &pair[1],
            answer: None,
        })
        .collect();
    let patience = Patience {
        tries: 3,
        ..Patience::default()
    };
    let reward = RemoteReward::open(&spec, Key::from_environment()?, patience, &Probe::default())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", reward.identity())?;
    if let Some(caveat) = reward.caveat() {
        writeln!(out, "{caveat}")?;
    }
    for (value, a) in reward.rewards(&asked)?.iter().zip(&asked) {
        writeln!(out, "{value}\t{}", a.response)?;
    }
    Ok(())
}
