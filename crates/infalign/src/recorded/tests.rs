//! Measured tables against the theory, against invariances, and against each other.

#![expect(clippy::unwrap_used, reason = "tables are valid")]

use super::*;
use crate::{numeric::special::normal_quantile, procedure::ProcedureSpec};
use rand::RngExt;

fn question(procedures: &[&str], kls: &[f64], columns: &[&str]) -> Question {
    let parse = |text: &&str| match text.parse().unwrap() {
        ProcedureSpec::Ready(p) => p,
        ProcedureSpec::Cdf(file) => unreachable!("{file} is not read here"),
    };
    Question {
        procedures: procedures.iter().map(parse).collect(),
        kls: kls.to_vec(),
        transforms: Vec::new(),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        seed: 0,
    }
}

/// Gaussian proxy rewards, and a gold reward that agrees with them up to noise.
fn table(prompts: usize, k: usize) -> Vec<(String, Vec<f32>, Vec<f32>)> {
    (0..prompts)
        .map(|i| {
            let id = format!("prompt {i}");
            let mut rng = split::stream(&id, 7);
            let proxy: Vec<f32> = (0..k)
                .map(|_| normal_quantile(rng.random::<f64>().into()) as f32)
                .collect();
            let gold = proxy
                .iter()
                .map(|p| p + normal_quantile(rng.random::<f64>().into()) as f32)
                .collect();
            (id, proxy, gold)
        })
        .collect()
}

fn borrowed(table: &[(String, Vec<f32>, Vec<f32>)]) -> Vec<PromptRewards<'_>> {
    table
        .iter()
        .map(|(id, proxy, gold)| PromptRewards {
            id,
            columns: vec![proxy, gold],
        })
        .collect()
}

fn row<'a>(recorded: &'a Recorded, procedure: &str, transform: &str) -> &'a Measurement {
    recorded
        .measurements
        .iter()
        .find(|m| m.procedure == procedure && m.transform == transform)
        .unwrap()
}

#[test]
fn gaussian_rewards_measure_what_the_theory_expects() {
    let data = table(300, 200);
    let (recorded, designs) = run(
        &borrowed(&data),
        &question(&["best-of:4", "worst-of:4"], &[0.5], &["proxy", "gold"]),
    )
    .unwrap();
    assert_eq!(
        (
            recorded.calibration_responses,
            recorded.evaluation_responses
        ),
        (100, 100)
    );
    assert_eq!(designs.len(), 2);
    for m in &recorded.measurements {
        let w = m.judged[0].win_rate;
        let want = m.expected.unwrap_or(m.predicted);
        let slack = 4.0 * w.standard_error + 0.006;
        assert!(
            (w.mean - want.win_rate).abs() < slack,
            "{} {}: {} against {}",
            m.procedure,
            m.transform,
            w.mean,
            want.win_rate
        );
        assert!(
            (m.kl.mean - 0.5).abs() < 0.05,
            "{} {}: KL {}",
            m.procedure,
            m.transform,
            m.kl.mean
        );
        // Gold agrees with the proxy only in part.
        assert!(m.judged[1].win_rate.mean < w.mean && m.judged[1].win_rate.mean > 0.5);
    }
    let best = row(&recorded, "best-of:4", "exp:10");
    assert!(
        best.judged[0].win_rate.mean
            > row(&recorded, "best-of:4", "identity").judged[0]
                .win_rate
                .mean
    );
    let worst = row(&recorded, "worst-of:4", "exp:-10");
    assert!(
        worst.judged[0].win_rate.mean > row(&recorded, "worst-of:4", "raw").judged[0].win_rate.mean
    );
}

#[test]
fn calibrated_rows_are_blind_to_increasing_maps_and_raw_is_not() {
    let data = table(40, 60);
    let mapped: Vec<_> = data
        .iter()
        .map(|(id, proxy, gold)| {
            (
                id.clone(),
                proxy.iter().map(|p| (2.0 * p).exp()).collect(),
                gold.clone(),
            )
        })
        .collect();
    let q = question(&["best-of:4"], &[0.3], &["proxy", "gold"]);
    let (a, _) = run(&borrowed(&data), &q).unwrap();
    let (b, _) = run(&borrowed(&mapped), &q).unwrap();
    // What changes is the distance to raw, since raw does.
    let without_raw = |m: &Measurement| {
        let mut m = m.clone();
        for judged in &mut m.judged {
            judged.over_raw = None;
        }
        m
    };
    for m in a.measurements.iter().filter(|m| m.transform != "raw") {
        let other = row(&b, "best-of:4", &m.transform);
        assert_eq!(without_raw(m), without_raw(other));
    }
    assert_ne!(row(&a, "best-of:4", "raw"), row(&b, "best-of:4", "raw"));
}

#[test]
fn the_order_of_prompts_does_not_matter_to_a_prompt() {
    let data = table(10, 40);
    let q = question(&["best-of:2"], &[0.2], &["proxy", "gold"]);
    let (a, _) = run(&borrowed(&data), &q).unwrap();
    let mut reversed = borrowed(&data);
    reversed.reverse();
    let (b, _) = run(&reversed, &q).unwrap();
    for (a, b) in a.measurements.iter().zip(&b.measurements) {
        assert!((a.judged[0].win_rate.mean - b.judged[0].win_rate.mean).abs() < 1e-12);
    }
}

#[test]
fn ties_and_thin_prompts_are_said_and_faults_refused() {
    let mut data = table(20, 20);
    data.push(("short".to_owned(), vec![1.0, 2.0], vec![0.0, 1.0]));
    for (_, proxy, _) in &mut data {
        for p in proxy.iter_mut() {
            *p = p.round();
        }
    }
    let q = question(&["best-of:4"], &[0.5], &["proxy", "gold"]);
    let (recorded, _) = run(&borrowed(&data), &q).unwrap();
    assert_eq!(recorded.prompts, 20);
    let said = |f: fn(&Warning) -> bool| recorded.warnings.iter().any(f);
    assert!(said(|w| matches!(
        w,
        Warning::PromptsLeftOut { count: 1, .. }
    )));
    assert!(said(
        |w| matches!(w, Warning::Ties { column, .. } if column == "proxy")
    ));
    assert!(said(|w| matches!(w, Warning::UnevenK { min: 2, max: 20 })));
    assert!(said(|w| matches!(w, Warning::LowEffectiveSamples { .. })));

    assert!(run(&[], &q).is_err());
    data[3].1[5] = f32::NAN;
    let message = run(&borrowed(&data), &q).unwrap_err().to_string();
    assert!(message.contains("prompt 3: rewards[5]"), "{message}");
}
