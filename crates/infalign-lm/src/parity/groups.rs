//! Responses that share the rows of their prompt against the same responses by themselves, in every family.

use super::numbers::{CAUSAL, CLASSIFIERS, assert_close, cross_entropy, load};
use crate::{
    batch::Batch,
    model::{Decoder, values},
    ops::fused::is_cpu,
    score::{Sequence, classify, score},
    train::{Gradients, ScoreGrad, score_gradients},
};

/// Responses of several lengths to two prompts, as long as the context allows.
fn sequences(model: &Decoder) -> Vec<Vec<u32>> {
    let spec = model.spec();
    let prompt = (spec.max_positions - 12).min(70) as u32;
    let token = |n: u32| 3 + n % (spec.vocab as u32 - 3);
    [(1, 9), (1, 1), (1, 12), (2, 5), (2, 7)]
        .iter()
        .enumerate()
        .map(|(n, &(kind, len))| {
            let prompt = (0..prompt).map(|t| token(7 * t * kind));
            let response = (0..len).map(|t| token(11 * t + 5 * n as u32 + 1));
            prompt.chain(response).collect()
        })
        .collect()
}

/// Whether a model's device shares at all; those that do not have nothing to be tested here.
fn shares(model: &Decoder, sequences: &[Vec<u32>]) -> bool {
    let batch = Batch::new(sequences, model.spec()).expect("a batch");
    let shares = batch.computed(model.device()).tokens.len() < batch.tokens().len();
    assert_eq!(shares, is_cpu(model.device()));
    shares
}

/// The gradients of all sequences together and, tensor by tensor, the sums of those of each by itself.
fn agree(
    what: &str,
    sequences: &[Vec<u32>],
    together: &Gradients,
    alone: impl Fn(&[Vec<u32>]) -> Gradients,
) {
    let mut each = sequences.iter().map(|s| alone(core::slice::from_ref(s)));
    let mut sum = each.next().expect("a sequence");
    each.for_each(|one| sum.merge(one));
    assert!((together.loss - sum.loss).abs() < 1e-9 * sum.loss.abs());
    for (n, (together, sum)) in together.leaves.iter().zip(&sum.leaves).enumerate() {
        let [together, sum] = [together, sum].map(|t| values(t.as_ref().expect("a gradient")));
        assert_close(&together, &sum, 1e-5, &format!("{what}, tensor {n}"));
    }
}

#[test]
fn responses_are_scored_as_they_are_alone() {
    for name in CAUSAL {
        let model = load(name);
        let sequences = sequences(&model);
        if !shares(&model, &sequences) {
            return;
        }
        let items: Vec<Sequence> = (sequences.into_iter())
            .map(|tokens| Sequence { tokens, from: 1 })
            .collect();
        let together = score(&model, None, &items, 1.0).expect("figures");
        for (item, together) in items.iter().zip(&together) {
            let alone = score(&model, None, core::slice::from_ref(item), 1.0).expect("figures");
            assert_eq!(alone[0].tokens, together.tokens, "{name}");
        }
    }
}

#[test]
fn responses_are_classified_as_they_are_alone() {
    for name in CLASSIFIERS {
        let model = load(name);
        let sequences = sequences(&model);
        if !shares(&model, &sequences) {
            return;
        }
        let together = classify(&model, &sequences).expect("scores");
        for (sequence, together) in sequences.iter().zip(&together) {
            let alone = classify(&model, core::slice::from_ref(sequence)).expect("scores");
            assert_eq!(&alone[0], together, "{name}");
        }
        let squares = |sequences: &[Vec<u32>]| {
            let batch = Batch::new(sequences, model.spec()).expect("a batch");
            score_gradients(&model, &batch, |scores| ScoreGrad {
                loss: scores.iter().map(|s| f64::from(s * s) / 2.0).sum(),
                d_scores: scores.to_vec(),
            })
            .expect("gradients")
        };
        agree(name, &sequences, &squares(&sequences), squares);
    }
}

#[test]
fn gradients_are_the_sums_over_the_responses() {
    for name in CAUSAL {
        let model = load(name);
        let sequences = sequences(&model);
        if !shares(&model, &sequences) {
            return;
        }
        let (together, _) = cross_entropy(&model, &sequences, false);
        agree(name, &sequences, &together, |one| {
            cross_entropy(&model, one, false).0
        });
        let (by_layer, _) = cross_entropy(&model, &sequences, true);
        for (a, b) in together.leaves.iter().zip(&by_layer.leaves) {
            let [a, b] = [a, b].map(|t| values(t.as_ref().expect("a gradient")));
            assert_eq!(a, b, "{name}: layer by layer");
        }
    }
}
