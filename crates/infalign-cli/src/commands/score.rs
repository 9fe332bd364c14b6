//! `infalign score`: log-probabilities, exact KL and entropy of given responses, or a reward model's rewards.

use std::io::{IsTerminal, stdout};

use infalign_data::{ScoringRow, read_scoring};
use infalign_lm::{Adapter, Decoder, Folder, Head, Scored, Sequence, classify, score};
use serde::Serialize;

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
#[serde(untagged)]
enum Figures {
    Likelihood {
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
    },
    Reward {
        reward: f32,
    },
    Rewards {
        rewards: Vec<f32>,
    },
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
    let device = machine::open(&args.machine)?;
    if !(args.temperature.is_finite() && args.temperature > 0.0) {
        return Err(Error::Usage(format!(
            "--temperature {}: expected a number above 0",
            args.temperature
        )));
    }
    let folder = Folder::open(&args.model)?;
    let prompting = Prompting::new(&folder, args.dress)?;
    let rows = read_scoring(&args.data)?;
    let head = folder.spec().head;
    let of_tokens = args.reference.is_some() || args.per_token || args.temperature != 1.0;
    if head != Head::CausalLm && of_tokens {
        return Err(infalign_lm::Error::WrongHead {
            found: head,
            needed: "a language model (for --reference, --per-token and --temperature)",
        }
        .into());
    }
    let mut model = Decoder::open(&folder, head, 0, &device)?;
    if let Some(adapter) = &args.adapter {
        let adapter = Adapter::read(adapter, model.spec())?;
        model = model.with_adapter(&adapter)?;
    }
    let mut reference = match &args.reference {
        // The same tensors: no second copy.
        Some(path) if same(path, &args.model) => Some(model.base()),
        Some(path) => {
            let folder = Folder::open(path)?;
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
    let format = args.format.unwrap_or(if stdout().is_terminal() {
        Format::Text
    } else {
        Format::Json
    });
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

fn same(a: &std::path::Path, b: &std::path::Path) -> bool {
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
            args.model.display()
        )));
    }
    let context = folder.spec().max_positions;
    let vocab = folder.spec().vocab;
    let mut waiting = Vec::with_capacity(row.responses.len());
    for (index, response) in (row.index..).zip(row.responses) {
        let mut tokens = prompt.clone();
        // A reward model reads the text by its own tokenizer: the row's tokens are those of the model that wrote it.
        match &row.tokens {
            Some(own) if folder.spec().head == Head::CausalLm => tokens.extend(own),
            _ => {
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
    let found: Vec<Figures> = match models.model.spec().head {
        Head::CausalLm => {
            let reference = models.reference.as_ref();
            let scored = score(&models.model, reference, &sequences, args.temperature)?;
            let one = |(scored, sequence)| likelihood(scored, sequence, reference.is_some(), args);
            scored.iter().zip(&sequences).map(one).collect()
        }
        Head::Classifier { .. } | Head::Value => {
            let tokens: Vec<Vec<u32>> = sequences.into_iter().map(|s| s.tokens).collect();
            let one = |rewards: Vec<f32>| match rewards[..] {
                [reward] => Figures::Reward { reward },
                _ => Figures::Rewards { rewards },
            };
            classify(&models.model, &tokens)?
                .into_iter()
                .map(one)
                .collect()
        }
    };
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
    Figures::Likelihood {
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
    rewards: f64,
    likelihood: bool,
}

impl Out {
    fn new(format: Format, models: &Models) -> Self {
        let likelihood = models.model.spec().head == Head::CausalLm;
        let kl = models.reference.is_some();
        let heads: &[&str] = match (likelihood, kl) {
            (true, true) => &[
                "prompt",
                "response",
                "tokens",
                "log π",
                "per token",
                "entropy",
                "KL(π‖p)",
            ],
            (true, false) => &[
                "prompt",
                "response",
                "tokens",
                "log π",
                "per token",
                "entropy",
            ],
            (false, _) => &["prompt", "response", "reward"],
        };
        Self {
            table: (format == Format::Text).then(|| Table::new(heads)),
            responses: 0,
            tokens: 0,
            log_prob: 0.0,
            kl: kl.then_some(0.0),
            rewards: 0.0,
            likelihood,
        }
    }

    fn lines(&mut self, lines: Vec<Line>) -> Result<()> {
        for line in lines {
            self.count(&line.figures);
            match &mut self.table {
                None => print::json_line(&line)?,
                Some(table) => table.row(cells(&line)),
            }
        }
        Ok(())
    }

    fn count(&mut self, figures: &Figures) {
        self.responses += 1;
        match figures {
            Figures::Likelihood {
                tokens,
                log_prob,
                kl,
                ..
            } => {
                self.tokens += tokens;
                self.log_prob += log_prob;
                if let (Some(sum), Some(kl)) = (&mut self.kl, kl) {
                    *sum += kl;
                }
            }
            Figures::Reward { reward } => self.rewards += f64::from(*reward),
            Figures::Rewards { .. } => {}
        }
    }

    fn finish(self) -> Result<()> {
        if let Some(table) = self.table {
            print::text(table.numbers())?;
        }
        let responses = match self.responses {
            1 => "1 response".to_owned(),
            n => format!("{n} responses"),
        };
        let n = self.responses.max(1) as f64;
        if self.likelihood {
            let per_token = -self.log_prob / self.tokens.max(1) as f64;
            let kl = self.kl.map_or_else(String::new, |kl| {
                format!(", KL(π‖p) {:.4} nats per response", kl / n)
            });
            print::note(&format!(
                "{responses} of {} tokens: {per_token:.4} nats per token{kl}",
                self.tokens
            ));
        } else {
            print::note(&format!("{responses}: mean reward {:.4}", self.rewards / n));
        }
        Ok(())
    }
}

fn cells(line: &Line) -> Vec<String> {
    let mut cells = vec![line.prompt_id.clone(), line.index.to_string()];
    match &line.figures {
        Figures::Likelihood {
            tokens,
            log_prob,
            entropy,
            kl,
            ..
        } => {
            let n = (*tokens).max(1) as f64;
            cells.push(tokens.to_string());
            cells.push(format!("{log_prob:.4}"));
            cells.push(format!("{:.4}", log_prob / n));
            cells.push(format!("{:.4}", entropy / n));
            cells.extend(kl.map(|kl| format!("{kl:.4}")));
        }
        Figures::Reward { reward } => cells.push(format!("{reward:.4}")),
        Figures::Rewards { rewards } => cells.push(
            rewards
                .iter()
                .map(|r| format!("{r:.4}"))
                .collect::<Vec<_>>()
                .join(", "),
        ),
    }
    cells
}
