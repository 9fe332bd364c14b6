//! Stages `eval/POLICY/pairs-J`: what each policy and the base output under procedures, compared by a judge.

use infalign::evaluation::Pairwise;
use infalign_data::{Fingerprint, RunDir};
use infalign_remote::reward::Judge;

use super::{BASE, Sampled, executed};
use crate::{
    ask::Question,
    config::Config,
    error::Result,
    pairs::{Met, Side, compare},
    run::Around,
    stages::{read_json, write_json},
    variants::Variant,
};

/// Every judge's verdicts on every policy. What was asked before is known by the run's folder of verdicts.
pub(crate) fn compared(
    dir: &mut RunDir,
    around: &Around<'_>,
    (config, questions): (&Config, &[Question]),
    judges: &mut [Judge],
    base: &Sampled,
    policies: &[(&Variant, &Sampled)],
) -> Result<Vec<Pairwise>> {
    let procedures = executed(config)?;
    let most = config.evaluate.compare_pairs;
    let mut all = Vec::new();
    for (number, judge) in judges.iter_mut().enumerate() {
        for (variant, sampled) in policies {
            let stage = format!("eval/{}/pairs-{number}", variant.slug);
            let file = format!("{stage}.json");
            let names: Vec<String> = procedures.iter().map(ToString::to_string).collect();
            let mut inputs = Fingerprint::new()
                .bytes(judge.name(), judge.identity_of_pairs().as_bytes())
                .value("procedures", &names)?
                .value("pairs", &most)?;
            for slug in [BASE, &variant.slug] {
                inputs = inputs
                    .stage(dir, &format!("eval/{slug}"))?
                    .stage(dir, &format!("eval/{slug}/rewards-0"))?;
            }
            let what = format!(
                "comparing {} with the base by {}",
                variant.name,
                judge.name()
            );
            let done = dir.stage(&stage, &inputs, &[&file], |dir| {
                around.tell(&what);
                let met = met(questions, sampled, base);
                let found = compare(judge, &variant.name, &procedures, most, &met)?;
                write_json(dir, &file, &found)
            })?;
            around.tell_skipped(done, &what);
            all.extend(read_json::<Vec<Pairwise>>(&dir.file(&file))?);
        }
    }
    Ok(all)
}

/// The two sides at every held-out prompt.
fn met<'a>(questions: &'a [Question], policy: &'a Sampled, base: &'a Sampled) -> Vec<Met<'a>> {
    let side = |sampled: &'a Sampled, p: usize| Side {
        texts: sampled.rows[p]
            .responses
            .iter()
            .map(String::as_str)
            .collect(),
        rewards: &sampled.rewards[0][p].rewards,
    };
    let one = |(p, question): (usize, &'a Question)| Met {
        id: &question.prompt.id,
        prompt: question.shown(),
        answer: question.answer.as_deref(),
        policy: side(policy, p),
        base: side(base, p),
    };
    questions.iter().enumerate().map(one).collect()
}
