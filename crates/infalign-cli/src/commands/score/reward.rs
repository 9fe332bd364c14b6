//! `infalign score --reward`: any reward on the responses of any data file.

use infalign_data::{SampledPrompt, TableBuilder, Turns, read_samples, write_table};
use infalign_lm::Device;
use infalign_reward::{Opening, RewardSpec};
use serde::Serialize;

use crate::{
    args::{Format, Score},
    commands::{bad_rows, judging::Judges, responses},
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
    let mut samples = read_samples(&args.data, &bad_rows::reading(args.skip_bad_rows))?;
    let mut out = Out::new(args, format);
    loop {
        let prompts = responses::some(&mut samples)?;
        if prompts.is_empty() {
            break;
        }
        let rewards = responses::rewards(reward.as_mut(), &prompts)?;
        out.take(prompts, rewards)?;
    }
    bad_rows::tell(samples.bad());
    out.finish(args, spec)
}

/// Where rewards go, and what is said about all of them.
struct Out {
    to: To,
    prompts: usize,
    responses: usize,
    sum: f64,
}

enum To {
    /// A file, written at the end.
    File(Vec<SampledPrompt>, Vec<Vec<f32>>),
    /// JSON lines, as they come.
    Lines,
    /// A table, printed at the end.
    Table(Table),
}

impl Out {
    fn new(args: &Score, format: Format) -> Self {
        let to = match format {
            _ if args.out.is_some() => To::File(Vec::new(), Vec::new()),
            Format::Json => To::Lines,
            Format::Text => To::Table(Table::new(&["prompt", "response", "reward"])),
        };
        Self {
            to,
            prompts: 0,
            responses: 0,
            sum: 0.0,
        }
    }

    fn take(&mut self, prompts: Vec<SampledPrompt>, rewards: Vec<Vec<f32>>) -> Result<()> {
        self.prompts += prompts.len();
        self.responses += rewards.iter().map(Vec::len).sum::<usize>();
        self.sum += rewards.iter().flatten().map(|r| f64::from(*r)).sum::<f64>();
        if let To::File(all, theirs) = &mut self.to {
            all.extend(prompts);
            theirs.extend(rewards);
            return Ok(());
        }
        for (prompt, rewards) in prompts.iter().zip(&rewards) {
            for (index, (response, reward)) in prompt.responses.iter().zip(rewards).enumerate() {
                match &mut self.to {
                    To::Table(table) => {
                        table.row([prompt.id.clone(), index.to_string(), format!("{reward:.4}")]);
                    }
                    _ => print::json_line(&Line {
                        prompt_id: &prompt.id,
                        index,
                        response: &response.text,
                        reward: *reward,
                    })?,
                }
            }
        }
        Ok(())
    }

    fn finish(self, args: &Score, spec: &RewardSpec) -> Result<()> {
        match (&args.out, self.to) {
            (Some(out), To::File(prompts, rewards)) => {
                write_table(out, &table(&prompts, &rewards)?)?;
                let out = out.display();
                print::note(&format!("wrote {out}: column `rewards`, {spec}"));
            }
            (_, To::Table(table)) => print::text(table.numbers())?,
            _ => {}
        }
        print::note(&format!(
            "{} responses to {} prompts: mean reward {:.4}",
            self.responses,
            self.prompts,
            self.sum / self.responses.max(1) as f64
        ));
        Ok(())
    }
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
