//! `infalign evaluate --samples`: responses of policies and of the base under procedures, by rewards in the files or by judges.

use std::{collections::BTreeMap, num::NonZero, path::PathBuf};

use infalign::{
    calibration::{Calibrator, RankRule},
    estimate::{Estimate, LogProbsOf},
    evaluation::{
        CalibratedPrompt, Deployed, Evaluation, Judge, Pairs, Pairwise, PolicySamples, Question,
        Responses, Samples, TrainedOn, evaluate,
    },
};
use infalign_data::{Fingerprint, ReadOptions, RewardTable, read_table, write_atomic};
use infalign_pipeline::pairs::{self, Met, compare};
use infalign_remote::reward::JudgeSpec;
use infalign_report::{RunReport, SampleSet, SampleText, run_report};
use infalign_reward::{Opening, RemoteOpening, RewardSpec, open_judge};

use super::{
    make,
    matched::{Side, matched},
};
use crate::{
    args::{Evaluate, Format},
    commands::{judging::Judges, responses},
    error::{Error, Result},
    machine,
    print::{self, Table},
    resolve,
};

/// The judge that the files bring along.
const RECORDED: &str = "recorded";
/// The N that are tried where nothing is typed.
const DRAWS: [usize; 4] = [2, 4, 8, 16];
/// Prompts of which the page shows responses, and how many of each policy.
const SHOWN: (usize, usize) = (20, 2);

/// A side with everything that the mathematics takes: (judges, prompts, responses).
struct Judged {
    side: Side,
    rewards: Vec<Vec<Vec<f32>>>,
    lengths: Vec<Vec<u32>>,
    truncated: Vec<Vec<bool>>,
}

pub(super) fn run(args: &Evaluate) -> Result<()> {
    let names = match args.judges.as_slice() {
        [] => vec![RECORDED.to_owned()],
        typed => typed.to_vec(),
    };
    let base = args
        .base
        .as_deref()
        .ok_or_else(|| Error::Usage("give --base".to_owned()))?;
    let mut sides = vec![Side::read(base)?];
    for typed in &args.samples {
        sides.push(Side::read(typed)?);
    }
    let asking = asking(args, &names)?;
    let judged = judged(args, matched(sides)?, &names, &asking)?;
    let procedures = procedures(args, &judged)?;
    let table = calibration(args)?;
    let mut evaluation = evaluation(args, &judged, &names, &procedures, table.as_ref())?;
    evaluation.pairwise = compared(args, &judged, &procedures, &asking)?;
    let report = match &args.out {
        None => None,
        Some(folder) => {
            make(folder)?;
            let record = record(args, &judged, &evaluation)?;
            let json = |mut out: &mut (dyn std::io::Write + Send)| {
                serde_json::to_writer_pretty(&mut out, &evaluation)?;
                out.write_all(b"\n")
            };
            write_atomic(folder.join("results.json"), json)?;
            let page = run_report(&record)?;
            let path = folder.join("report.html");
            write_atomic(&path, |out| out.write_all(page.as_bytes()))?;
            Some(path)
        }
    };
    if args.stage.format == Format::Json {
        return print::json(&evaluation);
    }
    tell(&evaluation)?;
    report.map_or(Ok(()), |path: PathBuf| {
        print::text(format_args!("report: {}\n", path.display()))
    })
}

fn tell(evaluation: &Evaluation) -> Result<()> {
    let judges = evaluation.judges.iter();
    let heads: Vec<String> = judges.map(|j| format!("wins by {}", j.name)).collect();
    let mut table = Table::new(
        &["procedure", "policy"]
            .into_iter()
            .chain(heads.iter().map(String::as_str))
            .collect::<Vec<_>>(),
    );
    for procedure in &evaluation.procedures {
        for policy in &evaluation.policies {
            let rates = policy
                .win_rates
                .iter()
                .filter(|r| r.procedure == *procedure);
            let mut cells = vec![procedure.clone(), policy.name.clone()];
            cells.extend(rates.map(|r| in_percent(&r.win_rate)));
            table.row(cells);
        }
    }
    print::text(format_args!(
        "{} prompts; {} and {} responses to each of the policies and of {}; win rates in %, with 95% intervals over prompts\n",
        evaluation.prompts, evaluation.samples, evaluation.base_samples, evaluation.base
    ))?;
    print::text(table.numbers())?;
    print::pairwise(evaluation)?;
    for comparison in &evaluation.comparisons {
        print::text(format_args!(
            "{} over {} under {} by {}: {} points\n",
            comparison.left,
            comparison.right,
            comparison.procedure,
            comparison.judge,
            in_percent(&comparison.difference)
        ))?;
    }
    for warning in &evaluation.warnings {
        print::caveat(warning);
    }
    Ok(())
}

/// `83.1 (82.0, 84.2)`.
pub(super) fn in_percent(e: &Estimate) -> String {
    format!(
        "{:.1} ({:.1}, {:.1})",
        100.0 * e.mean,
        100.0 * e.low,
        100.0 * e.high
    )
}

/// What judges are asked with; `names` are the rewards.
fn asking(args: &Evaluate, names: &[String]) -> Result<RemoteOpening> {
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
fn compared(
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
fn judged(
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

/// As typed; else plain sampling, and best and worst of every N for which there are responses.
fn procedures(args: &Evaluate, judged: &[Judged]) -> Result<Vec<Deployed>> {
    let samples = judged.iter().filter_map(|j| Some(j.lengths.first()?.len()));
    let fewest = samples.min().unwrap_or(0);
    let mut texts = args.procedures.clone();
    if texts.is_empty() {
        texts.push("standard".to_owned());
        let draws: Vec<usize> = match args.n.as_slice() {
            [] => DRAWS.into_iter().filter(|n| *n <= fewest).collect(),
            typed => typed.iter().copied().filter(|n| *n != 1).collect(),
        };
        for kind in ["best-of", "worst-of"] {
            texts.extend(draws.iter().map(|n| format!("{kind}:{n}")));
        }
    }
    texts
        .iter()
        .map(|text| Ok(Deployed::Ranked(resolve::procedure(text)?)))
        .collect()
}

fn calibration(args: &Evaluate) -> Result<Option<RewardTable>> {
    let read = |path| read_table(path, &ReadOptions::default());
    Ok(args.calibration.as_ref().map(read).transpose()?)
}

fn evaluation(
    args: &Evaluate,
    judged: &[Judged],
    names: &[String],
    procedures: &[Deployed],
    table: Option<&RewardTable>,
) -> Result<Evaluation> {
    let (base, policies) = judged
        .split_first()
        .ok_or_else(|| Error::Usage("give --base".to_owned()))?;
    let prompts: Vec<&str> = base.side.prompts.iter().map(|p| p.id.as_str()).collect();
    let named = base.side.prompts.iter().zip(&base.rewards[0]);
    let fresh: BTreeMap<&str, &[f32]> = named
        .filter(|(prompt, _)| prompt.named)
        .map(|(prompt, rewards)| (prompt.id.as_str(), rewards.as_slice()))
        .collect();
    let calibration = table.map_or_else(Vec::new, |table| {
        let one = |p| CalibratedPrompt {
            id: table.id(p),
            rollouts: table.rewards(0, p),
            fresh: fresh.get(table.id(p)).copied().unwrap_or_default(),
        };
        (0..table.prompts()).map(one).collect()
    });
    let samples = Samples {
        base: sides(base),
        policies: policies
            .iter()
            .map(|policy| PolicySamples {
                name: policy.side.name.clone(),
                trained_on: TrainedOn::Other(policy.side.name.clone()),
                designed_for: None,
                seed: None,
                kl_budget: None,
                beta: None,
                log_probs_of: LogProbsOf::Sampler,
                responses: sides(policy),
            })
            .collect(),
        prompts,
        calibration,
    };
    let judge = |(number, name): (usize, &String)| Judge {
        name: name.clone(),
        training: false,
        threshold: args.threshold.filter(|_| number == 0),
    };
    let question = Question {
        base: base.side.name.clone(),
        judges: names.iter().enumerate().map(judge).collect(),
        procedures: procedures.to_vec(),
        comparisons: Pairs::All,
        duels: Pairs::None,
        seed: args.stage.place.seed.unwrap_or(0),
    };
    Ok(evaluate(&samples, &question)?)
}

fn sides(judged: &Judged) -> Vec<Responses<'_>> {
    let one = |p: usize| Responses {
        rewards: judged
            .rewards
            .iter()
            .map(|rewards| rewards[p].as_slice())
            .collect(),
        lengths: &judged.lengths[p],
        truncated: &judged.truncated[p],
        ..Responses::default()
    };
    (0..judged.lengths.len()).map(one).collect()
}

fn record(args: &Evaluate, judged: &[Judged], evaluation: &Evaluation) -> Result<RunReport> {
    let judges: Vec<&str> = evaluation.judges.iter().map(|j| j.name.as_str()).collect();
    let tokens = judged.iter().all(|j| {
        let mut all = j.side.prompts.iter().flat_map(|p| &p.responses);
        all.all(|r| r.sampled.is_some())
    });
    let mut question = format!(
        "How often do responses of {} win against those of {}, when deployment runs {}? Procedures select by {}; judged by {}, on {} prompts.",
        listed(evaluation.policies.iter().map(|p| p.name.as_str())),
        evaluation.base,
        listed(evaluation.procedures.iter().map(String::as_str)),
        judges[0],
        listed(judges.iter().copied()),
        evaluation.prompts,
    );
    // The answer in a few words, where the question is of many procedures; the tables have the rest.
    let usual = |procedure: &str| procedure == "standard" || procedure.ends_with(":4");
    let few = !evaluation.procedures.iter().any(|p| usual(p)) || evaluation.procedures.len() <= 3;
    for policy in &evaluation.policies {
        let rates = policy.win_rates.iter();
        for rate in rates.filter(|r| r.judge == judges[0] && (few || usual(&r.procedure))) {
            let e = rate.win_rate;
            question.push_str(&format!(
                " {} wins {:.1}% ({:.1}–{:.1}) under {}.",
                policy.name,
                100.0 * e.mean,
                100.0 * e.low,
                100.0 * e.high,
                rate.procedure
            ));
        }
    }
    if !tokens {
        question.push_str(" Lengths are in words, as the files hold no tokens.");
    }
    let mut reproduce = vec![
        (
            "Version".to_owned(),
            format!("infalign {}", env!("CARGO_PKG_VERSION")),
        ),
        ("Seed".to_owned(), evaluation.seed.to_string()),
    ];
    let files = judged.iter().map(|j| &j.side.file).chain(&args.calibration);
    for file in files {
        let name = file.display().to_string();
        let hash = Fingerprint::new().file("", file)?.hex();
        reproduce.push((format!("Fingerprint of {name}"), hash));
    }
    Ok(RunReport {
        title: "Samples compared".to_owned(),
        question,
        evaluation: evaluation.clone(),
        designs: Vec::new(),
        curves: Vec::new(),
        samples: shown(judged)?,
        reproduce,
    })
}

#[expect(
    single_use_lifetimes,
    reason = "anonymous lifetimes in `impl Trait` are unstable"
)]
fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

/// Some responses of every side, with their quantiles among the base's.
fn shown(judged: &[Judged]) -> Result<Vec<SampleSet>> {
    let Some(base) = judged.first() else {
        return Ok(Vec::new());
    };
    let mut sets = Vec::new();
    for (p, prompt) in base.side.prompts.iter().enumerate().take(SHOWN.0) {
        let calibrator = Calibrator::new(&base.rewards[0][p], RankRule::MidRank)?;
        let mut responses = Vec::new();
        for side in judged {
            let texts = side.side.prompts[p]
                .responses
                .iter()
                .zip(&side.rewards[0][p]);
            for (response, raw) in texts.take(SHOWN.1) {
                let raw = f64::from(*raw);
                responses.push(SampleText {
                    policy: side.side.name.clone(),
                    text: response.text.clone(),
                    raw,
                    quantile: Some(calibrator.calibrate(raw)),
                });
            }
        }
        sets.push(SampleSet {
            prompt_id: prompt.id.clone(),
            prompt: responses::text(prompt.prompt.as_ref()),
            responses,
        });
    }
    Ok(sets)
}
