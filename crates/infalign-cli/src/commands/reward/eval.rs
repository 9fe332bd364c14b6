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
    error::{Error, Result},
    machine,
    print::{self, Table},
};

pub(super) fn run(args: &RewardEval) -> Result<()> {
    let device = machine::open(&args.machine)?;
    let judged = match (&args.model, &args.reward) {
        (Some(model), _) => {
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
            by_reward(&spec, &Opening::new(device), args)?
        }
        (None, None) => return Err(Error::Usage("give --model or --reward".to_owned())),
    };
    tell(&evaluate(&judged)?, args.format)
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
        let (Turns::Text(text), Turns::Text(chosen), Turns::Text(rejected)) =
            (row.prompt, row.chosen, row.rejected)
        else {
            return Err(Error::Usage(format!(
                "{}: the row holds messages, but --reward reads texts; use --model, or convert the file",
                row.place
            )));
        };
        texts.push((
            prompt,
            prompt.to_string(),
            text,
            [chosen, rejected],
            row.tie,
        ));
    }
    pairs::tell_bad(&rows);
    let asked: Vec<Asked<'_>> = texts
        .iter()
        .flat_map(|(_, id, prompt, sides, _)| {
            sides.iter().map(move |response| Asked {
                prompt_id: id,
                prompt,
                response,
                answer: None,
            })
        })
        .collect();
    let rewards = reward.rewards(&asked)?;
    let one = |(text, rewards): (&(u64, String, String, [String; 2], bool), &[_])| {
        let of = |r: &infalign_reward::RawReward| r.0;
        Judged {
            prompt: text.0,
            chosen: of(&rewards[0]),
            rejected: of(&rewards[1]),
            tie: text.4,
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
