//! `infalign sft`: prompts with completions, or conversations, to a model that completes them.

use std::path::Path;

use infalign_data::read_examples;
use infalign_lm::Folder;
use infalign_train::{
    HubTokenizer, SftOptions, SftRows, Truncate, sft_rows,
    supervised::{Data, Rows},
};
use serde::Serialize;

use super::{
    bad_rows,
    training::{self, Config},
};
use crate::{args::Sft, error::Result, machine, print};

const RATE: f64 = 2e-5;
const LORA_RATE: f64 = 2e-4;

/// What only this command is told.
#[derive(Debug, Serialize)]
struct Own<'a> {
    model: &'a Path,
    data: &'a Path,
    truncate: Truncate,
    skip_bad_rows: bool,
}

pub(super) fn run(args: &Sft) -> Result<()> {
    let device = machine::open(&args.training.machine)?;
    let folder = Folder::open(&args.model)?;
    folder.tokenizer()?;
    let mut inputs = vec![args.data.clone()];
    inputs.extend(training::model_files(&args.model)?);
    let own = Own {
        model: &args.model,
        data: &args.data,
        truncate: args.truncate.cutting(),
        skip_bad_rows: args.skip_bad_rows,
    };
    let rate = if args.training.lora_r.is_some() {
        LORA_RATE
    } else {
        RATE
    };
    let config = Config::new("sft", own, &args.training, rate, &inputs)?;
    config.run(&args.training, |dir, interrupt| {
        let policy = training::from_folder(&folder, config.lora(), args.training.seed, device)?;
        let data = rows(args, &folder)?;
        let words = (folder.tokenizer()?, folder.tokens());
        config.learn(dir, interrupt, &args.training, &policy, &data, words)
    })
}

fn rows(args: &Sft, folder: &Folder) -> Result<Data> {
    let options = SftOptions {
        context: training::context(&args.training, folder.spec().max_positions)?,
        truncate: args.truncate.cutting(),
        ..SftOptions::default()
    };
    let tokenizer = HubTokenizer::new(folder.tokenizer()?, folder.tokens(), folder.spec().vocab)?;
    let bad = bad_rows::on_bad(args.skip_bad_rows);
    let make = |validation: f64| {
        let examples = || Ok(read_examples(&args.data, bad)?);
        let held_out = (validation, args.training.seed);
        sft_rows(
            examples,
            folder.chat_template(),
            &tokenizer,
            &options,
            held_out,
        )
    };
    let (training, validation) = training::held_out(&args.training, make)?;
    if args.skip_bad_rows {
        let mut examples = read_examples(&args.data, bad)?;
        examples.by_ref().for_each(drop);
        bad_rows::tell(examples.bad());
    }
    tell_cut(&training);
    Ok(Data {
        training: Rows::Sft(training),
        validation: validation.map(Rows::Sft),
    })
}

fn tell_cut(rows: &SftRows) {
    if rows.cut() > 0 {
        print::caveat(format!("{} examples were cut to the context", rows.cut()));
    }
    if rows.dropped() > 0 {
        print::caveat(format!(
            "{} examples were left out: too long, or with nothing to learn",
            rows.dropped()
        ));
    }
}
