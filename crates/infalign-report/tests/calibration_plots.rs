//! The diagnostics of a calibration as files and words.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use infalign::{
    evaluation::{CalibratedPrompt, CalibrationDiagnostics, Planned, diagnose},
    procedure::BestOf,
    transform::Exp,
};
use infalign_report::{calibration_plots, calibration_words};

fn diagnostics(plans: bool) -> CalibrationDiagnostics {
    let rows: Vec<Vec<f32>> = (0..40)
        .map(|p: usize| (0..12).map(|i| ((p * 7 + i * 5) % 13) as f32).collect())
        .collect();
    let prompts: Vec<CalibratedPrompt<'_>> = rows
        .iter()
        .map(|row| CalibratedPrompt {
            id: "x",
            rollouts: &row[..10],
            fresh: &row[10..],
        })
        .collect();
    let plan = Planned {
        transform: Arc::new(Exp::new(10.0).unwrap()),
        procedure: Arc::new(BestOf::new(4).unwrap()),
        kl: 0.5,
    };
    let plans = if plans { vec![plan] } else { Vec::new() };
    diagnose(&prompts, &plans, 0).unwrap().unwrap()
}

#[test]
fn every_diagnostic_has_its_picture() {
    let names = |plans| -> Vec<&'static str> {
        let plots = calibration_plots(&diagnostics(plans)).unwrap();
        for (name, svg) in &plots {
            let parsed = roxmltree::Document::parse(svg).unwrap();
            assert_eq!(parsed.root_element().tag_name().name(), "svg", "{name}");
        }
        plots.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        names(true),
        ["law", "pit", "reliability", "spread", "needed-k"]
    );
    assert_eq!(names(false), ["law", "pit", "reliability", "spread"]);
}

#[test]
fn words_hold_the_figures() {
    let found = diagnostics(true);
    let words = calibration_words(&found);
    assert!(
        words
            .facts
            .iter()
            .any(|(name, value)| name.contains("Kolmogorov") && value.contains("p = "))
    );
    assert_eq!(words.needed[0].procedure, "best-of:4");
    assert!(words.needed[0].short, "ten rollouts are too few for exp:10");
}
