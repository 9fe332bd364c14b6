//! Designs where the reward has few values: hand-made cases, theory, and budgets out of reach.

#![expect(clippy::unwrap_used, reason = "questions are valid")]

use super::*;
use crate::{
    design::design,
    procedure::{Procedure, ProcedureSpec},
    raw::RawRewards,
    transform::TransformSpec,
};

fn procedure(text: &str) -> Arc<dyn Procedure> {
    let ProcedureSpec::Ready(p) = text.parse().unwrap() else {
        unreachable!("{text} needs no file")
    };
    p
}

fn question(text: &str, budget: Budget) -> Question {
    Question::new(procedure(text), budget)
}

fn row<'a>(design: &'a Design, transform: &str) -> &'a TransformRow {
    let mut rows = design.transforms.iter();
    rows.find(|r| r.transform == transform).unwrap()
}

#[test]
fn on_two_levels_every_increasing_transform_is_the_same_policy() {
    let question = Question {
        phi: true,
        ..question("best-of:8", Budget::Kl(0.4))
    };
    let d = design_levels(&question, &[0.9, 0.1]).unwrap();
    // The pass rate q that spends 0.4 nats, by bisection of the definition.
    let (mut low, mut high) = (0.1f64, 1.0 - 1e-12);
    for _ in 0..100 {
        let q = 0.5 * (low + high);
        let kl = q * (q / 0.1).ln() + (1.0 - q) * ((1.0 - q) / 0.9).ln();
        if kl < 0.4 { low = q } else { high = q }
    }
    let pass = |q: f64| 1.0 - (1.0 - q).powi(8);
    let want = 0.5 * (1.0 + pass(low) - pass(0.1));
    for r in &d.transforms {
        assert!(
            (r.win_rate - want).abs() < 1e-9,
            "{}: {} {want}",
            r.transform,
            r.win_rate
        );
        assert!((r.standard_win_rate - 0.5 * (1.0 + low - 0.1)).abs() < 1e-9);
        assert!((r.kl - 0.4).abs() < 1e-11 && (r.share_of_optimum - 1.0).abs() < 1e-8);
    }
    assert_eq!(d.recommended.transform, "identity");
    assert!(
        d.recommended
            .reason
            .contains("no harsher transform adds anything"),
        "{}",
        d.recommended.reason
    );
    assert!(d.optimum.certificate.gap.unwrap() < 1e-10 && d.warnings.is_empty());
    // pass@8 of the base itself, taken as a policy.
    let base = &d.base_procedure;
    assert!((base.standard_win_rate - 0.5 * (1.0 + pass(0.1) - 0.1)).abs() < 1e-14);
    let places: Vec<f64> = d.phi.iter().map(|p| p.u).collect();
    assert!((places[0] - 0.45).abs() < 1e-15 && (places[1] - 0.95).abs() < 1e-15);
    assert_eq!((d.phi[0].optimum, d.phi[1].recommended), (0.0, 1.0));
}

#[test]
fn many_levels_tend_to_the_continuum() {
    let question = Question {
        transforms: ["identity", "log", "exp:10", "exp:-5", "optimal"]
            .map(|t| t.parse().unwrap())
            .to_vec(),
        ..question("best-of:4", Budget::Kl(0.5))
    };
    let smooth = design(&question).unwrap();
    let d = design_levels(&question, &vec![1.0 / 800.0; 800]).unwrap();
    for r in &smooth.transforms {
        let ours = row(&d, &r.transform);
        assert!((ours.win_rate - r.win_rate).abs() < 1e-4, "{}", r.transform);
        assert!((ours.standard_win_rate - r.standard_win_rate).abs() < 2e-3);
    }
    assert!((d.optimum.win_rate - smooth.optimum.win_rate).abs() < 1e-4);
    assert!((row(&d, "optimal").win_rate - d.optimum.win_rate).abs() < 1e-8);
    assert_eq!(d.recommended.transform, smooth.recommended.transform);
}

#[test]
fn a_judge_with_ten_marks() {
    let masses = [0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.2, 0.15, 0.07, 0.03];
    for (text, sign) in [
        ("best-of:4", 1.0),
        ("worst-of:4", -1.0),
        ("rewind:0.7/4", 0.0),
    ] {
        let question = Question {
            frontier: true,
            ..question(text, Budget::Kl(0.5))
        };
        let d = design_levels(&question, &masses).unwrap();
        assert!(d.transforms.len() >= 6, "{text}");
        assert!(
            d.transforms
                .windows(2)
                .all(|w| w[0].win_rate >= w[1].win_rate)
        );
        for r in &d.transforms {
            assert!(
                (r.kl - 0.5).abs() < 1e-10 && r.win_rate <= d.optimum.win_rate + 1e-9,
                "{text} {}",
                r.transform
            );
            let exponent = r
                .transform
                .strip_prefix("exp:")
                .map(|t| t.parse::<f64>().unwrap());
            assert!(
                exponent.is_none_or(|t| t * sign >= 0.0),
                "{text}: {}",
                r.transform
            );
        }
        let best: Vec<&Point> = d
            .points
            .iter()
            .filter(|p| p.transform == "optimum")
            .collect();
        let top = NEARLY * -(0.03f64.ln());
        assert!(best.len() >= 60 && (best[best.len() - 1].kl - top.min(4.0)).abs() < 1e-9);
        for point in &d.points {
            let above = best
                .iter()
                .find(|b| (b.kl - point.kl).abs() < 1e-9)
                .unwrap();
            assert!(
                point.win_rate <= above.win_rate + 1e-7,
                "{text}: {point:?} {above:?}"
            );
        }
        assert_eq!(d.phi.len(), 10);
        let uncertified = matches!(d.warnings[..], [Warning::NoCertificate { .. }]);
        assert_eq!(
            uncertified,
            d.optimum.certificate.gap.is_none(),
            "{:?}",
            d.warnings
        );
    }
}

#[test]
fn a_budget_out_of_reach_is_spent_as_far_as_it_goes() {
    let d = design_levels(&question("best-of:4", Budget::Kl(3.0)), &[0.5, 0.3, 0.2]).unwrap();
    let reached = 0.999 * 5f64.ln();
    assert!((d.optimum.kl - reached).abs() < 1e-9 && d.kl == 3.0);
    let warned: Vec<&str> = d
        .warnings
        .iter()
        .filter_map(|w| match w {
            Warning::KlUnreachable {
                transform,
                reached: to,
                ..
            } if (to - reached).abs() < 1e-9 => Some(transform.as_str()),
            _ => None,
        })
        .collect();
    // Said once, of the optimum: that the transforms stop there too needs no saying.
    assert_eq!(warned, ["optimum"]);
    for r in &d.transforms {
        assert!((r.kl - reached).abs() < 1e-8);
        assert!(r.share_of_optimum > 0.99 && r.share_of_optimum <= 1.0 + 1e-9);
    }
    // Worst-of-N cannot be tempted to spend more on a thin level below the top.
    let d = design_levels(&question("worst-of:4", Budget::Kl(2.0)), &[0.45, 0.05, 0.5]).unwrap();
    assert!((d.optimum.kl - 0.999 * 2f64.ln()).abs() < 1e-9);
    let flat = Table::new("flat.csv", &[(0.0, 1.0), (1.0, 1.0)]).unwrap();
    let flat = Question {
        transforms: vec![TransformSpec::Ready(Arc::new(flat))],
        k: Some(10),
        ..question("best-of:4", Budget::Kl(0.2))
    };
    let d = design_levels(&flat, &[0.5, 0.5]).unwrap();
    let r = &d.transforms[0];
    assert!(r.beta == 1.0 && r.kl == 0.0 && (r.win_rate - 0.5).abs() < 1e-15 && r.at_k.is_none());
}

#[test]
fn a_price_in_place_of_a_budget() {
    let d = design_levels(&question("best-of:4", Budget::Beta(0.3)), &[0.3, 0.3, 0.4]).unwrap();
    assert!(d.kl == d.optimum.kl && d.transforms.iter().all(|r| r.beta == 0.3));
    let one = design_levels(&question("best-of:4", Budget::Beta(0.3)), &[1.0]).unwrap();
    assert!(
        one.transforms
            .iter()
            .all(|r| r.kl == 0.0 && r.win_rate == 0.5)
    );
    assert_eq!(one.recommended.transform, "identity");
    assert!(design_levels(&question("best-of:4", Budget::Kl(0.3)), &[1.0]).is_err());
}

#[test]
fn rollouts_cost_what_they_cost() {
    let masses = [0.4, 0.3, 0.2, 0.1];
    let asked = Question {
        k: Some(8),
        ..question("best-of:4", Budget::Kl(0.5))
    };
    let d = design_levels(&asked, &masses).unwrap();
    for r in &d.transforms {
        let at = r.at_k.unwrap();
        assert!(
            (at.kl - 0.5).abs() < 1e-8 && at.loss > 0.0,
            "{}: {at:?}",
            r.transform
        );
        assert!((at.win_rate + at.loss - r.win_rate).abs() < 1e-12);
        assert!(
            at.enough
                .is_some_and(|k| (k <= 8) == (at.loss <= ACCEPTABLE_LOSS)),
            "{}: {at:?}",
            r.transform
        );
    }
    // Thresholds are no obstacle here.
    let rewind = Question {
        procedure: procedure("rewind:0.7/4"),
        ..asked.clone()
    };
    let d = design_levels(&rewind, &masses).unwrap();
    assert!(d.transforms.iter().all(|r| r.at_k.is_some()));
    let none = Question {
        k: Some(0),
        ..asked
    };
    assert!(design_levels(&none, &masses).is_err());
}

#[test]
fn a_saturated_procedure_has_an_answer() {
    // Best of 4096 of an answer that is right every other time: nothing left to win, and R at the base underflows.
    let d = design_levels(&question("best-of:4096", Budget::Kl(0.3)), &[0.5, 0.5]).unwrap();
    assert!((d.optimum.win_rate - 0.5).abs() < 1e-12);
    assert!(d.transforms.iter().all(|r| r.share_of_optimum.is_finite()));
}

#[test]
fn bad_questions_are_refused() {
    let asked = question("best-of:4", Budget::Kl(0.3));
    for masses in [&[][..], &[0.5, 0.6], &[0.5, f64::NAN], &[1.0, 0.0]] {
        assert!(design_levels(&asked, masses).is_err(), "{masses:?}");
    }
    for budget in [Budget::Kl(0.0), Budget::Kl(f64::NAN), Budget::Beta(-1.0)] {
        assert!(design_levels(&question("best-of:4", budget), &[0.5, 0.5]).is_err());
    }
    let raw = Question {
        raw: Some(RawRewards::new([[0.0f32, 1.0].as_slice()]).unwrap()),
        ..asked.clone()
    };
    let error = design_levels(&raw, &[0.5, 0.5]).unwrap_err().to_string();
    assert!(error.contains("table:FILE"), "{error}");
    let unread = Question {
        transforms: vec!["table:x.csv".parse().unwrap()],
        ..asked
    };
    assert!(design_levels(&unread, &[0.5, 0.5]).is_err());
}
