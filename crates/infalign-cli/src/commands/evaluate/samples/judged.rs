//! Responses under their judges: rewards that the files bring along, rewards that are asked for, and a language model that compares.

use std::num::NonZero;

use infalign::evaluation::{Deployed, Pairwise};
use infalign_pipeline::pairs::{self, Met, compare};
use infalign_remote::reward::JudgeSpec;
use infalign_reward::{Opening, RemoteOpening, RewardSpec, open_judge};

use crate::{
    args::Evaluate,
    commands::{evaluate::matched::Side, judging::Judges, responses},
    error::{Error, Result},
    machine,
};

/// The judge that the files bring along.
pub(super) const RECORDED: &str = "recorded";

/// A side with everything that the mathematics takes: (judges, prompts, responses).
pub(super) struct Judged {
    pub(super) side: Side,
    pub(super) rewards: Vec<Vec<Vec<f32>>>,
    pub(super) lengths: Vec<Vec<u32>>,
    pub(super) truncated: Vec<Vec<bool>>,
}

/// What judges are asked with; `names` are the rewards.
pub(super) fn asking(args: &Evaluate, names: &[String]) -> Result<RemoteOpening> {
    let mut judges = Judges {
        rate: false,
        compare: !args.compare.is_empty(),
    };
    for name in names.iter().filter(|name| *name != RECORDED) {
        judges.rate |= name.parse::<RewardSpec>()?.has_judge();
    }
    let beside = args.out.as_ref().map(|folder| folder.join("verdicts"));
    args.judging
        .asking(judges, args.pair_rubric.as_ref(), beside)
}

/// Refuses prompts without a text for a judge that needs one.
fn with_texts(side: &Side, flag: &str, judge: &str) -> Result<()> {
    match side.prompts.iter().find(|p| p.prompt.is_none()) {
        None => Ok(()),
        Some(bare) => Err(Error::Usage(format!(
            "{}: prompt `{}` has no text for {flag} {judge}; give a file with prompts and responses",
            side.file.display(),
            bare.id
        ))),
    }
}

/// What each policy and the base output under procedures, compared by every judge of `--compare`.
pub(super) fn compared(
    args: &Evaluate,
    judged: &[Judged],
    procedures: &[Deployed],
    asking: &RemoteOpening,
) -> Result<Vec<Pairwise>> {
    let Some((base, policies)) = judged.split_first() else {
        return Ok(Vec::new());
    };
    if !args.compare.is_empty() && !procedures.iter().any(Deployed::is_one_order) {
        return Err(Error::Usage(
            "--compare: no --procedure outputs one order statistic; a judge compares what standard, best-of:N, worst-of:N or order:J/N output".to_owned(),
        ));
    }
    let most = args.compare_pairs.map_or(1, NonZero::get);
    let mut found = Vec::new();
    for text in &args.compare {
        let spec: JudgeSpec = text.parse().map_err(infalign_reward::Error::from)?;
        let mut judge = open_judge(&spec, asking)?;
        with_texts(&base.side, "--compare", text)?;
        for policy in policies {
            let met: Vec<Met<'_>> = (0..base.side.prompts.len())
                .map(|p| {
                    let prompt = &base.side.prompts[p];
                    Met {
                        id: &prompt.id,
                        prompt: responses::text(prompt.prompt.as_ref()).into(),
                        answer: prompt.answer.as_deref(),
                        policy: drawn(policy, p),
                        base: drawn(base, p),
                    }
                })
                .collect();
            let name = &policy.side.name;
            found.extend(compare(&mut judge, name, procedures, most, &met)?);
        }
    }
    Ok(found)
}

/// A side's responses to a prompt.
fn drawn(judged: &Judged, p: usize) -> pairs::Side<'_> {
    let all = &judged.side.prompts[p].responses;
    pairs::Side {
        texts: all.iter().map(|r| r.text.as_str()).collect(),
        rewards: &judged.rewards[0][p],
    }
}

/// Every response under every judge, the base first.
pub(super) fn judged(
    args: &Evaluate,
    sides: Vec<Side>,
    names: &[String],
    asking: &RemoteOpening,
) -> Result<Vec<Judged>> {
    let mut rewards: Vec<Vec<Vec<Vec<f32>>>> = sides.iter().map(|_| Vec::new()).collect();
    let mut device = None;
    for name in names {
        if name == RECORDED {
            for (side, rewards) in sides.iter().zip(&mut rewards) {
                rewards.push(recorded(side)?);
            }
            continue;
        }
        let spec: RewardSpec = name.parse()?;
        let device = match &device {
            Some(device) => device,
            None => device.insert(machine::open(&args.stage.machine)?),
        };
        let mut judge = spec.open(&Opening {
            remote: asking.clone(),
            ..Opening::new(device.clone())
        })?;
        for (side, rewards) in sides.iter().zip(&mut rewards) {
            with_texts(side, "--judge", name)?;
            rewards.push(responses::rewards(judge.as_mut(), &side.prompts)?);
        }
    }
    let one = |(side, rewards): (Side, _)| {
        let all = |f: fn(&infalign_data::Response) -> u32| -> Vec<Vec<u32>> {
            let row = |p: &infalign_data::SampledPrompt| p.responses.iter().map(f).collect();
            side.prompts.iter().map(row).collect()
        };
        let length = |r: &infalign_data::Response| {
            let count = match &r.sampled {
                Some(sampled) => sampled.tokens.len(),
                None => r.text.split_whitespace().count(),
            };
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let cut = |r: &infalign_data::Response| {
            u32::from(r.sampled.as_ref().is_some_and(|s| s.truncated))
        };
        Judged {
            rewards,
            lengths: all(length),
            truncated: all(cut)
                .into_iter()
                .map(|row| row.into_iter().map(|c| c == 1).collect())
                .collect(),
            side,
        }
    };
    Ok(sides.into_iter().zip(rewards).map(one).collect())
}

/// The rewards that a file brings along.
fn recorded(side: &Side) -> Result<Vec<Vec<f32>>> {
    let row = |p: &infalign_data::SampledPrompt| {
        let rewards = p.responses.iter().map(|r| r.reward).collect::<Option<_>>();
        rewards.ok_or_else(|| {
            Error::Usage(format!(
                "{}: the responses to prompt `{}` have no rewards; give --judge, or a file with a reward of every response",
                side.file.display(),
                p.id
            ))
        })
    };
    side.prompts.iter().map(row).collect()
}
