//! `infalign score`: log-probabilities, exact KL and entropy of given responses, or their rewards.

mod reward;
mod server;

use std::{
    io::{IsTerminal, stdout},
    path::Path,
};

use infalign_data::{ScoringRow, read_scoring};
use infalign_lm::{Adapter, Decoder, Folder, Head, Scored, Sequence, score};
use infalign_reward::RewardSpec;
use serde::Serialize;

use super::judging::Judges;
use crate::{
    args::{Format, Score},
    error::{Error, Result},
    machine,
    print::{self, Table},
    prompts::Prompting,
};

/// Tokens that are scored together.
const TOGETHER: usize = 32_768;

/// The models.
struct Models {
    model: Decoder,
    reference: Option<Decoder>,
}

/// A response in waiting.
struct Waiting {
    prompt_id: String,
    index: u64,
    response: String,
    sequence: Sequence,
}

/// A response with its figures.
#[derive(Serialize)]
struct Line {
    prompt_id: String,
    index: u64,
    response: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct Figures {
    tokens: usize,
    /// log π(response | prompt), in nats.
    log_prob: f64,
    /// Σ over tokens of the entropy of the distribution that each was drawn from.
    entropy: f64,
    /// Σ over tokens of KL(π‖p) over the vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    kl: Option<f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    each: Option<Each>,
}

/// The figures of every token.
#[derive(Serialize)]
struct Each {
    token_ids: Vec<u32>,
    token_log_probs: Vec<f32>,
    token_entropies: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_kls: Option<Vec<f32>>,
}

pub(super) fn run(args: &Score) -> Result<()> {
    if args.reward.is_none() {
        args.judging.check(Judges::default())?;
    }
    let device = machine::open(&args.machine)?;
    let format = args.format.unwrap_or(if stdout().is_terminal() {
        Format::Text
    } else {
        Format::Json
    });
    if let Some(address) = &args.policy {
        return server::run(args, address, format);
    }
    let path = match (&args.model, &args.reward) {
        (Some(path), _) => path,
        (None, Some(text)) => {
            of_text(args)?;
            return reward::run(args, &text.parse()?, device, format);
        }
        (None, None) => return Err(Error::Usage("give --model or --reward".to_owned())),
    };
    if !(args.temperature.is_finite() && args.temperature > 0.0) {
        return Err(Error::Usage(format!(
            "--temperature {}: expected a number above 0",
            args.temperature
        )));
    }
    let folder = Folder::open(path)?;
    let head = folder.spec().head;
    let of_tokens = args.reference.is_some() || args.per_token || args.temperature != 1.0;
    if head != Head::CausalLm && (of_tokens || args.adapter.is_some()) {
        return Err(infalign_lm::Error::WrongHead {
            found: head,
            needed: "a language model (for --reference, --adapter, --per-token and --temperature)",
        }
        .into());
    }
    if head != Head::CausalLm {
        let spec = RewardSpec::Model {
            folder: path.clone(),
            dress: super::reward::dress(args.dress),
            eos: args.eos,
        };
        return reward::run(args, &spec, device, format);
    }
    if args.out.is_some() || args.skip_bad_rows {
        return Err(Error::Usage(
            "--out and --skip-bad-rows are of rewards: give --reward or a reward model, or redirect what is printed"
                .to_owned(),
        ));
    }
    let prompting = Prompting::new(&folder, args.dress)?;
    let rows = read_scoring(&args.data)?;
    let mut model = Decoder::open(&folder, head, 0, &device)?;
    if let Some(adapter) = &args.adapter {
        let adapter = Adapter::read(adapter, model.spec())?;
        model = model.with_adapter(&adapter)?;
    }
    let mut reference = match &args.reference {
        // The same tensors: no second copy.
        Some(other) if same(other, path) => Some(model.base()),
        Some(other) => {
            let folder = Folder::open(other)?;
            Some(Decoder::open(&folder, Head::CausalLm, 0, &device)?)
        }
        None => None,
    };
    // The weights stay as they are from here on.
    model.freeze();
    if let Some(reference) = &mut reference {
        reference.freeze();
    }
    let models = Models { model, reference };
    let mut out = Out::new(format, &models);
    let mut waiting = Vec::new();
    let mut tokens = 0;
    for row in rows {
        for response in responses(row?, &prompting, &folder, args)? {
            tokens += response.sequence.tokens.len();
            waiting.push(response);
        }
        if tokens >= TOGETHER {
            out.lines(figures(std::mem::take(&mut waiting), &models, args)?)?;
            tokens = 0;
        }
    }
    out.lines(figures(waiting, &models, args)?)?;
    out.finish()
}

/// Refuses flags of a model, which a reward would ignore.
fn of_text(args: &Score) -> Result<()> {
    if args.per_token || args.temperature != 1.0 || args.eos || args.dress.chat || args.dress.raw {
        return Err(Error::Usage(
            "--per-token, --temperature, --eos, --chat and --raw are of --model; a reward model takes `model:FOLDER:raw:eos`"
                .to_owned(),
        ));
    }
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A row's responses as sequences.
fn responses(
    row: ScoringRow,
    prompting: &Prompting<'_>,
    folder: &Folder,
    args: &Score,
) -> Result<Vec<Waiting>> {
    let at = |what: String| Error::Usage(format!("{}: {what}", row.place));
    let prompt = prompting.tokens(&row.prompt).map_err(|e| match e {
        Error::Usage(what) => at(what),
        other => other,
    })?;
    if prompt.is_empty() {
        return Err(at("the prompt has no tokens; give it text".to_owned()));
    }
    let eos = args.eos.then(|| folder.tokens().eos.first().copied());
    if eos == Some(None) {
        return Err(Error::Usage(format!(
            "--eos: {} names no end-of-sequence token",
            folder.path().display()
        )));
    }
    let context = folder.spec().max_positions;
    let vocab = folder.spec().vocab;
    let mut waiting = Vec::with_capacity(row.responses.len());
    for (index, response) in (row.index..).zip(row.responses) {
        let mut tokens = prompt.clone();
        match &row.tokens {
            Some(own) => tokens.extend(own),
            None => {
                tokens.extend(prompting.tokenizer().encode(&response, false)?);
                tokens.extend(eos.flatten());
            }
        }
        if tokens.len() > context {
            return Err(at(format!(
                "prompt and response {index} have {} tokens together, but the model's context is {context}; shorten them",
                tokens.len()
            )));
        }
        if let Some(token) = tokens.iter().find(|&&t| t as usize >= vocab) {
            return Err(at(format!(
                "token {token} is beyond the model's vocabulary of {vocab}; score with the tokenizer that the response was made with"
            )));
        }
        waiting.push(Waiting {
            prompt_id: row.id.clone(),
            index,
            response,
            sequence: Sequence {
                tokens,
                from: prompt.len(),
            },
        });
    }
    Ok(waiting)
}

fn figures(waiting: Vec<Waiting>, models: &Models, args: &Score) -> Result<Vec<Line>> {
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let sequences: Vec<Sequence> = waiting.iter().map(|w| w.sequence.clone()).collect();
    let reference = models.reference.as_ref();
    let scored = score(&models.model, reference, &sequences, args.temperature)?;
    let one = |(scored, sequence)| likelihood(scored, sequence, reference.is_some(), args);
    let found = scored.iter().zip(&sequences).map(one);
    let line = |(w, figures): (Waiting, Figures)| Line {
        prompt_id: w.prompt_id,
        index: w.index,
        response: w.response,
        figures,
    };
    Ok(waiting.into_iter().zip(found).map(line).collect())
}

fn likelihood(scored: &Scored, sequence: &Sequence, kl: bool, args: &Score) -> Figures {
    let each = |f: fn(&infalign_lm::RowStats) -> f32| scored.tokens.iter().map(f).collect();
    Figures {
        tokens: scored.tokens.len(),
        log_prob: scored.log_prob(),
        entropy: scored.tokens.iter().map(|t| f64::from(t.entropy)).sum(),
        kl: kl.then(|| scored.kl()),
        each: args.per_token.then(|| Each {
            token_ids: sequence.tokens[sequence.from..].to_vec(),
            token_log_probs: each(|t| t.log_prob),
            token_entropies: each(|t| t.entropy),
            token_kls: kl.then(|| each(|t| t.kl)),
        }),
    }
}

/// Lines as they come, or a table at the end; and a sentence about all of them.
struct Out {
    table: Option<Table>,
    responses: usize,
    tokens: usize,
    log_prob: f64,
    kl: Option<f64>,
}

impl Out {
    fn new(format: Format, models: &Models) -> Self {
        let mut heads = vec![
            "prompt",
            "response",
            "tokens",
            "log π",
            "per token",
            "entropy",
        ];
        if models.reference.is_some() {
            heads.push("KL(π‖p)");
        }
        Self {
            table: (format == Format::Text).then(|| Table::new(&heads)),
            responses: 0,
            tokens: 0,
            log_prob: 0.0,
            kl: models.reference.as_ref().map(|_| 0.0),
        }
    }

    fn lines(&mut self, lines: Vec<Line>) -> Result<()> {
        for line in lines {
            let figures = &line.figures;
            self.responses += 1;
            self.tokens += figures.tokens;
            self.log_prob += figures.log_prob;
            if let (Some(sum), Some(kl)) = (&mut self.kl, figures.kl) {
                *sum += kl;
            }
            match &mut self.table {
                None => print::json_line(&line)?,
                Some(table) => table.row(cells(&line)),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        if let Some(table) = self.table {
            print::text(table.numbers())?;
        }
        let responses = match self.responses {
            1 => "1 response".to_owned(),
            n => format!("{n} responses"),
        };
        let per_token = -self.log_prob / self.tokens.max(1) as f64;
        let n = self.responses.max(1) as f64;
        let kl = self.kl.map_or_else(String::new, |kl| {
            format!(", KL(π‖p) {:.4} nats per response", kl / n)
        });
        print::note(&format!(
            "{responses} of {} tokens: {per_token:.4} nats per token{kl}",
            self.tokens
        ));
        Ok(())
    }
}

fn cells(line: &Line) -> Vec<String> {
    let figures = &line.figures;
    let n = figures.tokens.max(1) as f64;
    let mut cells = vec![
        line.prompt_id.clone(),
        line.index.to_string(),
        figures.tokens.to_string(),
        format!("{:.4}", figures.log_prob),
        format!("{:.4}", figures.log_prob / n),
        format!("{:.4}", figures.entropy / n),
    ];
    cells.extend(figures.kl.map(|kl| format!("{kl:.4}")));
    cells
}
