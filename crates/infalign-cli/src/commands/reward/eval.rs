//! `infalign reward eval`: a reward against preferences.

use infalign_data::Turns;
use infalign_lm::{Decoder, Folder};
use infalign_reward::{Asked, Opening, Reading, RewardSpec};
use infalign_train::preference::{Evaluation, Judged, evaluate, judge};

use super::{
    dress,
    pairs::{self, Prompts},
};
use crate::{
    args::{Format, RewardEval},
    commands::{bad_rows, judging::Judges},
    error::{Error, Result},
    machine,
    print::{self, Table},
};

pub(super) fn run(args: &RewardEval) -> Result<()> {
    let device = machine::open(&args.machine)?;
    let judged = match (&args.model, &args.reward) {
        (Some(model), _) => {
            args.judging.check(Judges::default())?;
            let folder = Folder::open(model)?;
            infalign_reward::check_head(&folder)?;
            let reading = Reading::new(&folder, dress(args.dress), args.eos)?;
            let pairs = pairs::pairs(&args.data, &reading, false, args.skip_bad_rows)?;
            let mut model = Decoder::open(&folder, folder.spec().head, 0, &device)?;
            model.freeze();
            judge(&model, &pairs)?
        }
        (None, Some(reward)) => {
            let spec: RewardSpec = reward.parse()?;
            let judges = Judges {
                rate: spec.has_judge(),
                compare: false,
            };
            let opening = Opening {
                remote: args.judging.asking(judges, None, None)?,
                ..Opening::new(device)
            };
            by_reward(&spec, &opening, args)?
        }
        (None, None) => return Err(Error::Usage("give --model or --reward".to_owned())),
    };
    tell(&evaluate(&judged)?, args.format)
}

/// A pair of responses.
struct Texts {
    prompt: u64,
    id: String,
    text: String,
    turns: Turns,
    sides: [String; 2],
    tie: bool,
}

/// What a response says; `None` for several messages.
fn reply(response: Turns) -> Option<String> {
    match response {
        Turns::Text(text) => Some(text),
        Turns::Messages(mut all) if all.len() == 1 => all.pop().map(|m| m.content),
        Turns::Messages(_) => None,
    }
}

/// The rewards of pairs of texts.
fn by_reward(spec: &RewardSpec, opening: &Opening, args: &RewardEval) -> Result<Vec<Judged>> {
    let mut reward = spec.open(opening)?;
    let mut rows = pairs::open(&args.data, args.skip_bad_rows)?;
    let mut prompts = Prompts::default();
    let mut texts = Vec::new();
    for row in &mut rows {
        let row = row?;
        let prompt = prompts.number(&row);
        let (Some(chosen), Some(rejected)) = (reply(row.chosen), reply(row.rejected)) else {
            return Err(Error::Usage(format!(
                "{}: a response has several messages, but --reward reads one; use --model, or convert the file",
                row.place
            )));
        };
        texts.push(Texts {
            prompt,
            id: prompt.to_string(),
            text: row.prompt.before_response(),
            turns: row.prompt,
            sides: [chosen, rejected],
            tie: row.tie,
        });
    }
    bad_rows::tell(rows.bad());
    let asked: Vec<Asked<'_>> = texts
        .iter()
        .flat_map(|pair| {
            pair.sides.iter().map(move |response| Asked {
                prompt_id: &pair.id,
                prompt: &pair.text,
                messages: pair.turns.messages(),
                response,
                answer: None,
            })
        })
        .collect();
    let rewards = reward.rewards(&asked)?;
    let one = |(pair, rewards): (&Texts, &[_])| {
        let of = |r: &infalign_reward::RawReward| r.0;
        Judged {
            prompt: pair.prompt,
            chosen: of(&rewards[0]),
            rejected: of(&rewards[1]),
            tie: pair.tie,
        }
    };
    Ok(texts.iter().zip(rewards.chunks_exact(2)).map(one).collect())
}

pub(super) fn tell(found: &Evaluation, format: Format) -> Result<()> {
    if format == Format::Json {
        return print::json(found);
    }
    let mut table = Table::new(&["confidence", "agrees", "pairs"]);
    for bin in &found.calibration {
        table.row([
            format!("{:.3}", bin.predicted),
            format!("{:.3}", bin.observed),
            bin.pairs.to_string(),
        ]);
    }
    print::text(table.numbers())?;
    let ties = match found.ties {
        0 => String::new(),
        n => format!("; {n} ties left out"),
    };
    let accuracy = found.accuracy;
    print::text(format!(
        "accuracy {:.3} [{:.3}, {:.3}] over {} prompts, {} pairs{ties}; log-loss {:.4} nats, calibration error {:.3}\n",
        accuracy.mean,
        accuracy.low,
        accuracy.high,
        accuracy.prompts,
        found.pairs,
        found.log_loss,
        found.expected_calibration_error
    ))
}
