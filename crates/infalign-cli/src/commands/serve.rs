//! `infalign serve`: the reward service, filled with a run or with files.

use std::{fs, path::Path, sync::Arc, time::Duration};

use infalign::{Transform, TransformSpec};
use infalign_data::{Lookup, Turns, read_calibration, read_prompts};
use infalign_lm::Device;
use infalign_pipeline::{BaseDraws, Calibrated, Wording, config};
use infalign_reward::{Asked, Opening, Reward, RewardSpec};
use infalign_serve::{
    Batching, KnownPrompt, Labels, Limits, Line, Parts, Rewarder, Roller, Settings, Tls, Tokens,
    Unknown, run, switch,
};
use infalign_train::Interrupt;

use super::judging::Judges;
use crate::{
    args::{Label, Serve, UnknownPrompts},
    error::{Error, Result},
    machine::{self, Caller},
    print,
};

const TOKEN: &str = "INFALIGN_SERVE_TOKEN";

/// A reward of ours behind the service's seam. The service hands over messages; a reward gets them, and the text that the policy saw.
struct OfReward {
    reward: Box<dyn Reward>,
    /// What a run's policy sees of a prompt; without one, what stands before a response in plain words.
    wording: Option<Wording>,
}

impl OfReward {
    fn text(&self, id: &str, prompt: &Turns) -> Result<String, String> {
        match &self.wording {
            Some(wording) => wording.text(id, prompt).map_err(|e| e.to_string()),
            None => Ok(prompt.before_response()),
        }
    }
}

impl Rewarder for OfReward {
    fn raw(&mut self, asked: &[infalign_serve::Asked]) -> Result<Vec<f32>, String> {
        let texts = asked.iter().map(|a| self.text(&a.prompt_id, &a.prompt));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let asked: Vec<Asked<'_>> = asked
            .iter()
            .zip(&texts)
            .map(|(a, text)| Asked {
                prompt_id: &a.prompt_id,
                prompt: text,
                messages: a.prompt.messages(),
                response: &a.response,
                answer: a.answer.as_deref(),
            })
            .collect();
        let found = self.reward.rewards(&asked).map_err(|e| e.to_string())?;
        Ok(found.into_iter().map(|r| r.0).collect())
    }

    fn name(&self) -> &str {
        self.reward.name()
    }
}

/// The run's base behind the service's seam.
struct OfBase(BaseDraws);

impl Roller for OfBase {
    fn rollouts(
        &mut self,
        id: &str,
        prompt: &Turns,
        k: usize,
        seed: u64,
    ) -> Result<Vec<String>, String> {
        self.0.draw(id, prompt, k, seed).map_err(|e| e.to_string())
    }
}

pub(super) fn run_service(args: &Serve) -> Result<()> {
    let device = machine::open_beside(&args.machine, Caller::Waits)?;
    if args.place.overwrite {
        return Err(Error::Usage(
            "--overwrite: a service reads a run and changes nothing".to_owned(),
        ));
    }
    if args.calibration.is_some() && (!args.place.set.is_empty() || args.place.name.is_some()) {
        return Err(Error::Usage(
            "--set and --name are of a run: give its configuration in place of --calibration"
                .to_owned(),
        ));
    }
    let wait = args.batch_wait;
    if !(0.0..=60_000.0).contains(&wait) {
        return Err(Error::Usage(format!(
            "--batch-wait {wait}: expected milliseconds from 0 to 60000"
        )));
    }
    let conversation = args.conversation.as_ref().map(|text| text.parse());
    let mut settings = Settings {
        listen: args.listen,
        tokens: tokens(args.token_file.as_deref())?,
        tls: match (&args.tls_cert, &args.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls {
                certificate: certificate.clone(),
                key: key.clone(),
            }),
            _ => None,
        },
        labels: match args.labels {
            Label::Id => Labels::PromptId,
            Label::Answer => Labels::Answer,
        },
        log_prompts: args.log_prompts,
        conversation: conversation.transpose()?,
        batching: Batching {
            most: args.batch,
            wait: Duration::from_secs_f64(args.batch_wait / 1000.0),
            queue: args.queue,
        },
        limits: Limits {
            body: args.max_body << 20,
            connections: args.max_connections,
            ..Limits::default()
        },
        grace: Duration::from_secs(args.grace),
        threads: args.machine.threads.map_or(0, Into::into),
        ..Settings::default()
    };
    if !args.end_token.is_empty() {
        settings.end_tokens.clone_from(&args.end_token);
    }
    let mut parts = match &args.calibration {
        Some(table) => loose(args, table, &mut settings, device)?,
        None => of_run(args, &mut settings, device)?,
    };
    if !args.machine.quiet {
        parts.log = Some(Arc::new(|line: &Line| {
            if let Ok(text) = serde_json::to_string(line) {
                print::note(&text);
            }
        }));
    }
    let scheme = if settings.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let (stop, stopped) = switch();
    let _interrupt = Interrupt::install(move |_| {
        print::note("\nstopping: answering what was taken");
        stop.stop();
    })?;
    let told = |address| {
        print::note(&format!(
            "serving rewards at {scheme}://{address}; OpenRLHF: --reward.remote_url {scheme}://{address}/get_reward"
        ));
    };
    Ok(run(settings, parts, told, stopped)?)
}

/// A calibration table, a reward and Φ as typed.
fn loose(args: &Serve, table: &Path, settings: &mut Settings, device: Device) -> Result<Parts> {
    if args.unknown == UnknownPrompts::Rollout {
        return Err(Error::Usage(
            "--unknown rollout draws from a run's base: give the configuration of a run".to_owned(),
        ));
    }
    let mapped = table.extension().is_some_and(|e| e == "safetensors");
    let calibration = if mapped {
        Lookup::open(table)?
    } else {
        Lookup::new(read_calibration(table)?)?
    };
    if let Some(text) = &args.transform {
        settings.transform = transform(text)?;
    }
    let mut prompts = Vec::new();
    if let Some(file) = &args.prompts {
        for row in read_prompts(file)? {
            let row = row?;
            prompts.push(KnownPrompt {
                id: row.id,
                prompt: row.prompt,
                answer: row.answer,
            });
        }
    }
    let spec = args.reward.as_ref().map(|r| r.parse::<RewardSpec>());
    let spec = spec.transpose()?;
    let judges = Judges {
        rate: spec.as_ref().is_some_and(RewardSpec::has_judge),
        compare: false,
    };
    let asking = Opening {
        remote: args.judging.asking(judges, None, None)?,
        ..Opening::new(device)
    };
    let reward = spec.map(|spec| {
        opening(move || {
            let reward = spec.open(&asking).map_err(|e| e.to_string())?;
            let wording = None;
            Ok(Box::new(OfReward { reward, wording }) as Box<dyn Rewarder>)
        })
    });
    Ok(Parts {
        calibration: Some(calibration),
        prompts,
        reward,
        unknown: if args.unknown == UnknownPrompts::Pooled {
            Unknown::Pooled
        } else {
            Unknown::Error
        },
        log: None,
    })
}

/// A run's calibration, reward and base, and the Φ of one of its policies.
fn of_run(args: &Serve, settings: &mut Settings, device: Device) -> Result<Parts> {
    if args.judging.rubric.is_some()
        || args.judging.scale.is_some()
        || args.judging.judge_tokens.is_some()
        || args.judging.keep_verdicts.is_some()
    {
        return Err(Error::Usage(
            "--rubric, --scale, --judge-tokens and --keep-verdicts are of --reward: a run says in its configuration what judges are told ([judge]), and keeps their verdicts".to_owned(),
        ));
    }
    let mut config = config::read(args.config.as_deref(), &args.place.set)?;
    if let Some(seed) = args.place.seed {
        config.seed = seed;
    }
    let name = super::run::name(args.config.as_deref(), &args.place);
    let run = Calibrated::open(&config, &args.place.runs.join(name))?;
    let variant = run.variant(args.policy.as_deref())?;
    settings.transform = variant.transform.clone();
    settings.procedure = variant.procedure.clone();
    print::note(&format!(
        "{}: β {:.4} at a KL of {}",
        variant.name, variant.beta, variant.kl
    ));
    let known = |(id, prompt, answer)| KnownPrompt { id, prompt, answer };
    let prompts = run.prompts(&config)?.into_iter().map(known).collect();
    let calibration = run.calibration.clone();
    let run = Arc::new((run, config));
    let (of_reward, on) = (Arc::clone(&run), device.clone());
    let reward = opening(move || {
        let (run, config) = &*of_reward;
        let reward = run.reward(config, &on).map_err(|e| e.to_string())?;
        let wording = Some(run.wording(config).map_err(|e| e.to_string())?);
        Ok(Box::new(OfReward { reward, wording }) as Box<dyn Rewarder>)
    });
    let unknown = match args.unknown {
        UnknownPrompts::Error => Unknown::Error,
        UnknownPrompts::Pooled => Unknown::Pooled,
        UnknownPrompts::Rollout => Unknown::Rollout {
            k: args.k.map_or(run.1.calibration.rollouts, Into::into),
            seed: run.1.seed,
            roller: opening(move || {
                let (run, config) = &*run;
                let base = run.base(config, &device).map_err(|e| e.to_string())?;
                Ok(Box::new(OfBase(base)) as Box<dyn Roller>)
            }),
        },
    };
    Ok(Parts {
        calibration: Some(calibration),
        prompts,
        reward: Some(reward),
        unknown,
        log: None,
    })
}

/// Φ as typed; none for `raw`.
fn transform(text: &str) -> Result<Option<Arc<dyn Transform>>> {
    if text == "raw" {
        return Ok(None);
    }
    match crate::resolve::transforms(&[text.to_owned()])?.pop() {
        Some(TransformSpec::Ready(transform)) => Ok(Some(transform)),
        _ => Err(Error::Usage(format!(
            "--transform {text}: it belongs to a procedure and a budget; give the configuration of a run whose policy it is"
        ))),
    }
}

/// An opening, boxed.
fn opening<T: ?Sized>(
    open: impl FnOnce() -> Result<Box<T>, String> + Send + 'static,
) -> infalign_serve::Opening<T> {
    Box::new(open)
}

/// The tokens of a file's lines, or of the variable.
fn tokens(file: Option<&Path>) -> Result<Tokens> {
    let text = match file {
        Some(path) => fs::read_to_string(path).map_err(|source| infalign_data::Error::Read {
            path: path.to_owned(),
            source,
        })?,
        None => std::env::var(TOKEN).unwrap_or_default(),
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(Tokens::new(lines)?)
}
