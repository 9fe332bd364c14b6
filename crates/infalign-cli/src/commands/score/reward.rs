//! `infalign score --reward`: any reward on the responses of any data file.

use infalign_data::{RecordOptions, SampledPrompt, TableBuilder, Turns, read_samples, write_table};
use infalign_lm::Device;
use infalign_reward::{Opening, RewardSpec};
use serde::Serialize;

use crate::{
    args::{Format, Score},
    commands::{judging::Judges, responses},
    error::Result,
    print::{self, Table},
};

/// A response with its raw reward.
#[derive(Serialize)]
struct Line<'a> {
    prompt_id: &'a str,
    index: usize,
    response: &'a str,
    reward: f32,
}

/// Prints every response with its reward, or writes them beside the responses.
pub(super) fn run(args: &Score, spec: &RewardSpec, device: Device, format: Format) -> Result<()> {
    let judges = Judges {
        rate: spec.has_judge(),
        compare: false,
    };
    let beside = args.out.as_ref().map(|out| {
        let mut name = out.clone().into_os_string();
        name.push(".verdicts");
        name.into()
    });
    let mut reward = spec.open(&Opening {
        remote: args.judging.asking(judges, None, beside)?,
        ..Opening::new(device)
    })?;
    let prompts = read_samples(&args.data, &RecordOptions::default())?;
    let rewards = responses::rewards(reward.as_mut(), &prompts)?;
    if let Some(out) = &args.out {
        write_table(out, &table(&prompts, &rewards)?)?;
        print::note(&format!(
            "wrote {}: column `rewards`, {spec}",
            out.display()
        ));
    } else if format == Format::Json {
        for (prompt, rewards) in prompts.iter().zip(&rewards) {
            for (index, (response, reward)) in prompt.responses.iter().zip(rewards).enumerate() {
                print::json_line(&Line {
                    prompt_id: &prompt.id,
                    index,
                    response: &response.text,
                    reward: *reward,
                })?;
            }
        }
    } else {
        let mut table = Table::new(&["prompt", "response", "reward"]);
        for (prompt, rewards) in prompts.iter().zip(&rewards) {
            for (index, reward) in rewards.iter().enumerate() {
                table.row([prompt.id.clone(), index.to_string(), format!("{reward:.4}")]);
            }
        }
        print::text(table.numbers())?;
    }
    let count = rewards.iter().map(Vec::len).sum::<usize>().max(1);
    let sum: f64 = rewards.iter().flatten().map(|r| f64::from(*r)).sum();
    print::note(&format!(
        "{} responses to {} prompts: mean reward {:.4}",
        count,
        prompts.len(),
        sum / count as f64
    ));
    Ok(())
}

/// Responses with a column of rewards; prompts as texts where all of them are.
fn table(prompts: &[SampledPrompt], rewards: &[Vec<f32>]) -> Result<infalign_data::RewardTable> {
    let texts = prompts
        .iter()
        .all(|p| matches!(p.prompt, Some(Turns::Text(_))));
    let mut table = TableBuilder::new(["rewards"])?;
    for (prompt, rewards) in prompts.iter().zip(rewards) {
        let text = texts.then(|| responses::text(prompt.prompt.as_ref()));
        let responses: Vec<&str> = prompt.responses.iter().map(|r| &*r.text).collect();
        table.insert(&prompt.id, text.as_deref(), &[rewards], &responses)?;
    }
    Ok(table.finish()?)
}
