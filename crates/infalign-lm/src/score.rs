//! Figures of given responses: log-probabilities, exact KL and entropy at every token; scores of a classification or value head.
//!
//! Sequences of any length share a forward pass row by row, without padding, and on a CPU no row knows its neighbours: the figures of a
//! sequence are the same bits in whatever company it is scored. Responses to one prompt that follow each other share the rows of the prompt.

use burn::Tensor;

use crate::{
    batch::Batch,
    computed::alike,
    error::{Error, Result},
    model::{Decoder, values},
    ops::{
        embedding::indices,
        head::{self, RowStats, Rows},
        linear::linear,
    },
    spec::Head,
};

/// Tokens of one forward pass, about: enough to fill the cores, few enough that activations stay in the caches.
const TOKENS: usize = 2048;
/// Tokens for each token that is computed: their hidden states, which are as many, stay small beside the activations.
const MOST_SHARED: usize = 16;

/// A response after its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Prompt and response.
    pub tokens: Vec<u32>,
    /// Where the response begins; at least 1, since the first token is not predicted from anything.
    pub from: usize,
}

/// What is found at a response's tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// One for each token of the response.
    pub tokens: Vec<RowStats>,
}

impl Scored {
    /// log π(response | prompt) at the temperature that was asked for.
    #[must_use]
    pub fn log_prob(&self) -> f64 {
        self.tokens.iter().map(|t| f64::from(t.log_prob)).sum()
    }

    /// `Σ_t KL(π ‖ p)`, each given what stands before: the Rao-Blackwellised estimate of the sequence KL (arXiv 2504.10637), 0 without a reference.
    #[must_use]
    pub fn kl(&self) -> f64 {
        self.tokens.iter().map(|t| f64::from(t.kl)).sum()
    }
}

/// Figures at every response token under `model`, and against `reference` where one is given; in the order of `sequences`.
///
/// `temperature` divides the logits of both: 1 for the models' own distributions, else that of the sampling that made the responses.
///
/// # Errors
/// A sequence that does not fit the model, or a response that begins at 0; the message has its number. Both models must share the vocabulary.
pub fn score(
    model: &Decoder,
    reference: Option<&Decoder>,
    sequences: &[Sequence],
    temperature: f32,
) -> Result<Vec<Scored>> {
    if let Some(reference) = reference
        && reference.spec().vocab != model.spec().vocab
    {
        return Err(Error::Setting {
            field: "reference".to_owned(),
            found: format!("a model of {} tokens", reference.spec().vocab),
            expected: format!(
                "the same vocabulary as the model's, {} tokens",
                model.spec().vocab
            ),
        });
    }
    let mut scored = Vec::with_capacity(sequences.len());
    for part in parts(sequences) {
        let batch = batch(part, scored.len(), model)?;
        let mut targets = vec![None; batch.tokens().len()];
        for (s, w) in part.iter().zip(batch.offsets().windows(2)) {
            for t in s.from..s.tokens.len() {
                targets[w[0] + t - 1] = Some(s.tokens[t]);
            }
        }
        let rows = Rows {
            targets: &targets,
            temperature,
            softcap: model.spec().logit_softcap,
            reference: reference.map(|r| (r.hidden(&batch), r.head())),
        };
        let stats = head::measure(&model.hidden(&batch), model.head(), &rows)?;
        for w in batch.offsets().windows(2) {
            let tokens = stats[w[0]..w[1]].iter().copied().flatten().collect();
            scored.push(Scored { tokens });
        }
    }
    Ok(scored)
}

/// Figures at every row of a batch that has a target, in row order, without gradients.
///
/// `targets` has one entry for each token of the batch: what should follow it.
///
/// # Errors
/// A target beyond the vocabulary.
pub fn measure(
    model: &Decoder,
    batch: &Batch,
    targets: &[Option<u32>],
) -> Result<Vec<Option<RowStats>>> {
    let rows = Rows {
        targets,
        temperature: 1.0,
        softcap: model.spec().logit_softcap,
        reference: None,
    };
    head::measure(&model.hidden(batch), model.head(), &rows)
}

/// The scores of a classification head, `labels` for each sequence, at its last token that is not padding, as transformers takes it.
///
/// # Errors
/// A model with another head; a sequence that does not fit.
pub fn classify(model: &Decoder, sequences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
    let Head::Classifier { labels } = model.spec().head else {
        return Err(Error::WrongHead {
            found: model.spec().head,
            needed: "a sequence-classification head (`*ForSequenceClassification`)",
        });
    };
    let pad = model.spec().tokens.pad;
    let mut scores = Vec::with_capacity(sequences.len());
    for part in parts(sequences) {
        let batch = batch(part, scores.len(), model)?;
        let last: Vec<u32> = batch
            .offsets()
            .windows(2)
            .map(|w| last_token(&batch, w, pad))
            .collect();
        let hidden = model.hidden(&batch);
        let hidden = hidden.clone().select(0, indices(&last, &hidden.device()));
        let rows = values(&head_scores(model, hidden));
        scores.extend(rows.chunks(labels).map(<[f32]>::to_vec));
    }
    Ok(scores)
}

/// The values of a value head, one for each token.
///
/// # Errors
/// A model with another head; a sequence that does not fit.
pub fn token_values(model: &Decoder, sequences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
    if model.spec().head != Head::Value {
        return Err(Error::WrongHead {
            found: model.spec().head,
            needed: "a value head",
        });
    }
    let mut found = Vec::with_capacity(sequences.len());
    for part in parts(sequences) {
        let batch = batch(part, found.len(), model)?;
        let all = values(&head_scores(model, model.hidden(&batch)));
        found.extend(batch.offsets().windows(2).map(|w| all[w[0]..w[1]].to_vec()));
    }
    Ok(found)
}

/// The row of a sequence's last token that is not padding; of its first if there is none, as transformers takes it.
pub(crate) fn last_token(batch: &Batch, offsets: &[usize], pad: Option<u32>) -> u32 {
    let tokens = &batch.tokens()[offsets[0]..offsets[1]];
    let at = tokens.iter().rposition(|t| Some(*t) != pad).unwrap_or(0);
    u32::try_from(offsets[0] + at).unwrap_or(u32::MAX)
}

/// Hidden states times the head's matrix: `(rows, labels)`.
pub(crate) fn head_scores(model: &Decoder, hidden: Tensor<2>) -> Tensor<2> {
    linear(hidden, model.head(), None, None)
}

/// Anything with tokens.
trait Tokens {
    fn tokens(&self) -> &[u32];
    /// The place where its response begins, if it has one.
    fn from(&self) -> usize;
}

impl Tokens for Sequence {
    fn tokens(&self) -> &[u32] {
        &self.tokens
    }
    fn from(&self) -> usize {
        self.from
    }
}

impl Tokens for Vec<u32> {
    fn tokens(&self) -> &[u32] {
        self
    }
    fn from(&self) -> usize {
        1
    }
}

/// Runs of sequences of about [`TOKENS`] tokens together, where a beginning that follows its like is not counted again.
fn parts<S: Tokens>(sequences: &[S]) -> Vec<&[S]> {
    let mut parts = Vec::new();
    let mut rest = sequences;
    while !rest.is_empty() {
        let (mut computed, mut all) = (0, 0);
        let mut last: &[u32] = &[];
        let fit = rest
            .iter()
            .take_while(|s| {
                computed += s.tokens().len() - alike(last, s.tokens());
                all += s.tokens().len();
                last = s.tokens();
                computed <= TOKENS && all <= MOST_SHARED * TOKENS
            })
            .count();
        let (part, other) = rest.split_at(fit.max(1));
        parts.push(part);
        rest = other;
    }
    parts
}

/// The batch of a part whose first sequence has number `first`.
fn batch<S: Tokens>(part: &[S], first: usize, model: &Decoder) -> Result<Batch> {
    if let Some(n) = part
        .iter()
        .position(|s| s.from() == 0 || s.from() > s.tokens().len())
    {
        return Err(Error::EmptySequence {
            sequence: first + n,
        });
    }
    let tokens: Vec<&[u32]> = part.iter().map(Tokens::tokens).collect();
    Batch::new(&tokens, model.spec()).map_err(|e| e.numbered_from(first))
}
