//! `infalign sample`: responses of a language model to prompts.

mod defaults;
pub(in crate::commands) mod server;
mod sinks;

use std::{
    io::{IsTerminal, stdout},
    sync::Arc,
};

use infalign_data::{Turns, read_prompts};
use infalign_lm::{
    Adapter, Decoder, Device, Folder, Head,
    sample::{
        Batching, Error as SampleError, Job, LongPrompt, Resources, Sampler, Sampling, Sink,
        generate,
    },
};

use crate::{
    args::{Format, LongPrompts, Sample},
    error::{Error, Result},
    machine, print,
    prompts::Prompting,
};
use sinks::{Failing, Growing, Lines, Texts};

/// A prompt, as it was given and as tokens.
#[derive(Debug)]
struct Asked {
    id: Arc<str>,
    prompt: Turns,
    tokens: Vec<u32>,
}

pub(super) fn run(args: &Sample) -> Result<()> {
    if args.n == 0 {
        return Err(Error::Usage("--n 0: give at least 1".to_owned()));
    }
    let model = match (&args.policy, &args.model) {
        (Some(address), _) => return server::run(args, address),
        (None, Some(model)) => model,
        (None, None) => return Err(Error::Usage("give --model or --policy".to_owned())),
    };
    let device = machine::open(&args.machine)?;
    let folder = Folder::open(model)?;
    let mut settings = defaults::settings(args, &folder)?;
    settings.validate().map_err(infalign_lm::Error::from)?;
    let batching = Batching {
        max_batch: args.max_batch,
        long_prompt: match args.truncate {
            LongPrompts::Error => LongPrompt::Error,
            LongPrompts::Left => LongPrompt::TruncateLeft,
        },
        ..Batching::default()
    };
    let prompting = Prompting::new(&folder, args.dress)?;
    let asked = asked(args, &prompting)?;
    if asked.is_empty() {
        return Err(Error::Usage(
            "no prompt; give some, or a file of them with --prompts".to_owned(),
        ));
    }
    check(&asked, &folder, args.truncate)?;
    settings.seed = args.seed;
    let eos = &folder.tokens().eos;
    let sampler = Sampler::<infalign_lm::Error>::new(settings.clone(), batching, eos)
        .map_err(infalign_lm::Error::from)?
        .with_text(|| Box::new(prompting.tokenizer().stream(true)));
    let resources = Resources {
        cache_bytes: machine::cache_bytes(args.memory.as_deref())?,
        max_batch: args.max_batch,
        longest: longest(&asked, &settings, &folder, args.truncate),
    };
    let mut model = open(args, &folder, &device)?;
    let terminal = stdout().is_terminal();
    let format = args
        .format
        .unwrap_or(if terminal { Format::Text } else { Format::Json });
    let mut go =
        |sink: &mut dyn FailingSink| sample(&mut model, &sampler, resources, &asked, args.n, sink);
    match format {
        Format::Json => go(&mut Lines::new(&asked, args.n)),
        Format::Text if asked.len() == 1 && args.n == 1 => {
            go(&mut Growing::new(&asked[0], terminal))
        }
        Format::Text => go(&mut Texts::new(&asked, args.n)),
    }
}

/// A sink that keeps what standard output said.
trait FailingSink: Sink<infalign_lm::Error> + Failing {}
impl<T: Sink<infalign_lm::Error> + Failing> FailingSink for T {}

fn sample(
    model: &mut Decoder,
    sampler: &Sampler<'_, infalign_lm::Error>,
    resources: Resources,
    asked: &[Asked],
    n: usize,
    sink: &mut dyn FailingSink,
) -> Result<()> {
    let jobs = asked.iter().map(|a| {
        Ok(Job {
            prompt_id: Arc::clone(&a.id),
            prompt: a.tokens.clone(),
            samples: 0..n,
        })
    });
    let mut sink = sinks::Through(sink);
    let report = generate(model, sampler, resources, jobs, &mut sink);
    if let Some(error) = sink.0.failure() {
        return Err(error);
    }
    for warning in &report?.warnings {
        print::caveat(warning);
    }
    Ok(())
}

fn asked(args: &Sample, prompting: &Prompting<'_>) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    let mut add = |id: String, prompt: Turns| {
        asked.push(Asked {
            id: id.into(),
            tokens: prompting.tokens(&prompt)?,
            prompt,
        });
        Result::Ok(())
    };
    for (number, text) in args.prompt.iter().enumerate() {
        add(number.to_string(), Turns::Text(text.clone()))?;
    }
    if let Some(file) = &args.prompts {
        for row in read_prompts(file)? {
            let row = row?;
            add(row.id, row.prompt).map_err(|e| at(&row.place, e))?;
        }
    }
    Ok(asked)
}

/// The error with the place of the row that it is about.
fn at(place: &infalign_data::Place, error: Error) -> Error {
    match error {
        Error::Usage(what) => Error::Usage(format!("{place}: {what}")),
        other => other,
    }
}

/// Refuses prompts that cannot be sampled from before any is.
fn check(asked: &[Asked], folder: &Folder, truncate: LongPrompts) -> Result<()> {
    let context = folder.spec().max_positions;
    for a in asked {
        let prompt_id = Arc::clone(&a.id);
        let refused = match a.tokens.len() {
            0 => SampleError::EmptyPrompt { prompt_id },
            tokens if tokens >= context && truncate == LongPrompts::Error => {
                SampleError::LongPrompt {
                    prompt_id,
                    tokens,
                    context,
                }
            }
            _ => continue,
        };
        return Err(infalign_lm::Error::from(refused).into());
    }
    Ok(())
}

/// The most tokens of a prompt with its response.
fn longest(asked: &[Asked], settings: &Sampling, folder: &Folder, truncate: LongPrompts) -> usize {
    let context = folder.spec().max_positions;
    if truncate == LongPrompts::Left {
        return context; // what is cut depends on it
    }
    let prompt = asked.iter().map(|a| a.tokens.len()).max().unwrap_or(0);
    prompt.saturating_add(settings.max_tokens).min(context)
}

fn open(args: &Sample, folder: &Folder, device: &Device) -> Result<Decoder> {
    if folder.spec().head != Head::CausalLm {
        return Err(infalign_lm::Error::WrongHead {
            found: folder.spec().head,
            needed: "a language model",
        }
        .into());
    }
    let model = Decoder::open(folder, Head::CausalLm, 0, device)?;
    Ok(match &args.adapter {
        Some(adapter) => {
            let adapter = Adapter::read(adapter, model.spec())?;
            model.with_adapter(&adapter)?.merged()
        }
        None => model,
    })
}
