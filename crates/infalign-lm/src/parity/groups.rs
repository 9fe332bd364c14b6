//! Responses that share the rows of their prompt against the same responses by themselves, in every family.

use super::numbers::{CAUSAL, CLASSIFIERS, load};
use crate::{
    batch::Batch,
    model::{Decoder, values},
    ops::head::{RowGrad, RowStats, Rule},
    score::{Sequence, classify, score},
    train::{Gradients, Objective, gradients},
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

fn cross_entropy(model: &Decoder, sequences: &[Vec<u32>], checkpoint: bool) -> Gradients {
    let batch = Batch::new(sequences, model.spec()).expect("a batch");
    let targets: Vec<Option<u32>> = (sequences.iter())
        .flat_map(|s| s[1..].iter().copied().map(Some).chain([None]))
        .collect();
    let rule = Rule::Row(&mut |_, stats: RowStats| RowGrad {
        loss: -stats.log_prob,
        d_log_prob: -1.0,
        ..RowGrad::default()
    });
    let objective = Objective {
        targets: &targets,
        reference: None,
        temperature: 1.0,
        rule,
    };
    gradients(model, &batch, objective, checkpoint).expect("gradients")
}

fn shares(model: &Decoder, sequences: &[Vec<u32>]) -> bool {
    let batch = Batch::new(sequences, model.spec()).expect("a batch");
    batch.computed(model.device()).tokens.len() < batch.tokens().len()
}

#[test]
fn responses_are_scored_as_they_are_alone() {
    for name in CAUSAL {
        let model = load(name);
        let sequences = sequences(&model);
        assert!(shares(&model, &sequences), "{name}: nothing is shared");
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
        let together = classify(&model, &sequences).expect("scores");
        for (sequence, together) in sequences.iter().zip(&together) {
            let alone = classify(&model, core::slice::from_ref(sequence)).expect("scores");
            assert_eq!(&alone[0], together, "{name}");
        }
    }
}

#[test]
fn gradients_are_the_sums_over_the_responses() {
    for name in CAUSAL {
        let model = load(name);
        let sequences = sequences(&model);
        let together = cross_entropy(&model, &sequences, false);
        let by_layer = cross_entropy(&model, &sequences, true);
        let mut alone: Option<Gradients> = None;
        for sequence in &sequences {
            let one = cross_entropy(&model, core::slice::from_ref(sequence), false);
            match &mut alone {
                Some(sum) => sum.merge(one),
                None => alone = Some(one),
            }
        }
        let alone = alone.expect("gradients");
        assert!((together.loss - alone.loss).abs() < 1e-9 * alone.loss.abs());
        let all = together
            .leaves
            .iter()
            .zip(&by_layer.leaves)
            .zip(&alone.leaves);
        for (n, ((together, by_layer), alone)) in all.enumerate() {
            let [together, by_layer, alone] =
                [together, by_layer, alone].map(|t| t.as_ref().map(values).unwrap_or_default());
            assert_eq!(together, by_layer, "{name}: tensor {n}, layer by layer");
            assert_eq!(together.len(), alone.len(), "{name}: tensor {n}");
            let norm = |x: &mut dyn Iterator<Item = f32>| {
                x.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
            };
            let off = norm(&mut together.iter().zip(&alone).map(|(a, b)| a - b));
            let size = norm(&mut alone.iter().copied());
            assert!(
                off <= 1e-5 * size,
                "{name}: tensor {n} is off by {off:e} of {size:e}"
            );
        }
    }
}
