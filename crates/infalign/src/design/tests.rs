//! The answers that users see, against the values to hold.

#![expect(clippy::unwrap_used, reason = "parameters are valid")]

use super::*;
use crate::procedure::ProcedureSpec;

fn procedure(text: &str) -> Arc<dyn Procedure> {
    let ProcedureSpec::Ready(p) = text.parse().unwrap() else {
        unreachable!("{text} needs no file")
    };
    p
}

fn row<'a>(design: &'a Design, transform: &str) -> &'a TransformRow {
    design
        .transforms
        .iter()
        .find(|r| r.transform == transform)
        .unwrap()
}

#[test]
fn the_default_table_of_best_of_four() {
    let d = design(&Question::new(procedure("best-of:4"), Budget::Kl(0.5))).unwrap();
    // MATH §7, KL .5.
    assert!((row(&d, "identity").win_rate - 0.7998).abs() < 1e-4);
    assert!((row(&d, "exp:10").win_rate - 0.8715).abs() < 1e-4);
    assert!(
        d.transforms
            .windows(2)
            .all(|w| w[0].win_rate >= w[1].win_rate)
    );
    assert!(
        d.transforms
            .iter()
            .all(|r| (r.kl - 0.5).abs() < 1e-9 && r.share_of_optimum <= 1.0)
    );
    assert!(
        d.recommended.transform.starts_with("exp:"),
        "{:?}",
        d.recommended
    );
    assert!(d.optimum.win_rate - d.recommended.win_rate < 0.005);
    assert!(
        (d.base_procedure.win_rate - 0.8).abs() < 1e-9
            && (d.base_procedure.kl - (4f64.ln() - 0.75)).abs() < 1e-9
    );
    assert!(d.warnings.is_empty(), "{:?}", d.warnings);
}

#[test]
fn the_default_table_of_worst_of_four() {
    let d = design(&Question::new(procedure("worst-of:4"), Budget::Kl(1.0))).unwrap();
    // MATH §7, KL 1.
    assert!((row(&d, "identity").win_rate - 0.9745).abs() < 1e-4);
    assert!((row(&d, "exp:-10").win_rate - 0.9927).abs() < 1e-4);
    assert!(
        d.warnings.is_empty() && d.optimum.certificate.gap.unwrap() < 1e-8,
        "{:?}",
        d.warnings
    );
}

#[test]
fn a_price_in_place_of_a_budget() {
    let d = design(&Question::new(procedure("best-of:4"), Budget::Beta(0.3))).unwrap();
    assert!((d.kl - 0.3701).abs() < 1e-4);
    assert!(d.transforms.iter().all(|r| r.beta == 0.3));
}

#[test]
fn the_frontier_never_crosses_the_optimum() {
    let question = Question {
        frontier: true,
        ..Question::new(procedure("best-of:4"), Budget::Kl(0.5))
    };
    let d = design(&question).unwrap();
    let best: Vec<&Point> = d
        .points
        .iter()
        .filter(|p| p.transform == "optimum")
        .collect();
    assert!(best.len() >= 60 && best[0].kl < 1.1e-3 && best[best.len() - 1].kl > 3.9);
    assert!(best.windows(2).all(|w| w[1].win_rate > w[0].win_rate));
    for name in d.transforms.iter().map(|r| &r.transform) {
        let curve: Vec<&Point> = d.points.iter().filter(|p| &p.transform == name).collect();
        assert_eq!(curve.len(), best.len(), "{name}");
        assert!(
            curve
                .iter()
                .zip(&best)
                .all(|(c, b)| c.win_rate <= b.win_rate + 1e-9),
            "{name}"
        );
    }
    let threaded = design(&Question {
        threads: 3,
        ..question
    })
    .unwrap();
    assert_eq!(threaded, d);
    assert_eq!(d.phi.len(), 201);
    assert!(
        d.phi
            .windows(2)
            .all(|w| w[1].optimum >= w[0].optimum - 1e-12
                && w[1].recommended >= w[0].recommended - 1e-12)
    );
}

#[test]
fn k_costs_and_raw_are_beside_the_rest() {
    let row_of_rewards: Vec<f32> = (0..2000)
        .map(|i| {
            crate::numeric::special::normal_quantile(((f64::from(i) + 0.5) / 2000.0).into()) as f32
        })
        .collect();
    let question = Question {
        k: Some(100),
        raw: Some(RawRewards::new([row_of_rewards.as_slice()]).unwrap()),
        ..Question::new(procedure("best-of:4"), Budget::Kl(0.5))
    };
    let d = design(&question).unwrap();
    assert!((row(&d, "raw").win_rate - 0.8450).abs() < 2e-3);
    let exp = row(&d, "exp:10").at_k.unwrap();
    assert!(
        exp.loss > 0.0
            && exp.loss < 0.02
            && exp.kl_at_ideal_beta > 0.5
            && exp.beta > row(&d, "exp:10").beta
    );
    assert!((exp.kl - 0.5).abs() < 1e-6);
}

#[test]
fn odd_questions_are_answered_or_refused() {
    let ask = |text: &str, budget| design(&Question::new(procedure(text), budget));
    assert!(ask("best-of:4", Budget::Kl(-1.0)).is_err());
    assert!(ask("best-of:4", Budget::Beta(f64::NAN)).is_err());
    let standard = ask("standard", Budget::Kl(0.5)).unwrap();
    assert_eq!(standard.recommended.transform, "identity");
    let flat = transform::Table::new(
        "flat.csv",
        &[(0.0, 0.0), (0.5, 1.0), (0.7, 0.9), (1.0, 1.0)],
    )
    .unwrap();
    let question = Question {
        transforms: vec![TransformSpec::Ready(Arc::new(flat)), TransformSpec::Optimal],
        ..Question::new(procedure("best-of:4"), Budget::Kl(0.5))
    };
    let d = design(&question).unwrap();
    assert!(
        d.warnings
            .iter()
            .any(|w| matches!(w, crate::Warning::NonMonotone { .. })),
        "{:?}",
        d.warnings
    );
    assert!((row(&d, "optimal").win_rate - d.optimum.win_rate).abs() < 1e-8);
    let unread = Question {
        transforms: vec!["table:x.csv".parse().unwrap()],
        ..question
    };
    assert!(design(&unread).is_err());
}
