//! Where the gain is: how many points of the win rate come from responses of each quantile of the base.
//!
//! From the histogram of u under the policy, taken as levels ℓ with base masses `p_ℓ` (the widths of the cells) and policy masses `q_ℓ`:
//!
//! ```text
//! W − ½ = Σ_ℓ (T(q)_ℓ − T(p)_ℓ) (c_ℓ − ½),   c_ℓ the chance of level ℓ against T(p)
//! ```
//!
//! ([`infalign::finite`]; the ½ drops out of the sum because both sides are distributions). The terms show which quantiles the policy left
//! and which it took, weighed by what that is worth under the procedure. Their sum is the win rate of the law averaged over prompts, with
//! ties inside a cell, and so near the measured one rather than equal to it.
//!
//! A procedure that the library cannot build from its text (`cdf:FILE`) has no panel.

use infalign::{evaluation::LawOfU, finite::Levels, procedure::ProcedureSpec};

use super::{arm::Arm, law::MeanLaw};
use crate::{
    axis::Axis,
    figures::{points, significant},
    panel::{Line, Panel, SIZE, Sample, Weight},
    tone::Palette,
};

/// One panel per procedure for the arms of one budget.
pub(crate) fn panels(arms: &[&Arm<'_>], procedures: &[&str], palette: &Palette) -> Vec<Panel> {
    procedures
        .iter()
        .filter_map(|procedure| panel(arms, procedure, palette))
        .collect()
}

fn panel(arms: &[&Arm<'_>], procedure: &str, palette: &Palette) -> Option<Panel> {
    let mut lines = Vec::new();
    let mut sums = Vec::new();
    for arm in arms {
        let laws: Vec<&LawOfU> = arm.policies.iter().map(|policy| &policy.law).collect();
        let law = MeanLaw::of(&laws)?;
        let terms = contributions(&law, procedure)?;
        sums.push(format!("{} {}", arm.label, points(terms.iter().sum())));
        // As a density, so that cells of different widths compare: points per tenth of the quantiles.
        let points = terms
            .iter()
            .enumerate()
            .map(|(cell, term)| {
                let width = law.edges[cell + 1] - law.edges[cell];
                let y = 100.0 * term * 0.1 / width;
                Sample {
                    x: f64::midpoint(law.edges[cell], law.edges[cell + 1]),
                    y,
                    text: format!(
                        "u {:.3}–{:.3}\n{} points",
                        law.edges[cell],
                        law.edges[cell + 1],
                        signed(100.0 * term)
                    ),
                }
            })
            .collect();
        lines.push(Line {
            name: arm.short.clone(),
            tone: palette.tone(arm.reward),
            weight: Weight::Plain,
            dashed: arm.reward == "raw",
            points,
        });
    }
    let values = || {
        lines
            .iter()
            .flat_map(|line| &line.points)
            .map(|point| point.y)
    };
    let high = values().fold(0.1, f64::max);
    let low = values().fold(0.0, f64::min);
    let slack = 0.06 * (high - low);
    let low = if low < 0.0 { low - slack } else { low };
    let mut panel = Panel::new(
        SIZE,
        format!("Deployed with {procedure}"),
        (
            Axis::new("u, quantile under the base", 0.0, 1.0, false),
            Axis::new(
                "points of win rate per tenth of the quantiles",
                low,
                high + slack,
                false,
            ),
        ),
        format!(
            "Points of win rate under {procedure} by quantile of the base; sums: {}.",
            sums.join(", ")
        ),
    );
    panel.level = (low < 0.0).then(|| (0.0, String::new()));
    panel.lines = lines;
    Some(panel)
}

/// The terms of the sum above, one per cell.
fn contributions(law: &MeanLaw, procedure: &str) -> Option<Vec<f64>> {
    let Ok(ProcedureSpec::Ready(procedure)) = procedure.parse() else {
        return None;
    };
    let widths: Vec<f64> = law.edges.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let problem = Levels::new(&widths).ok()?.problem(procedure).ok()?;
    let masses: Vec<f64> = law
        .density
        .iter()
        .zip(&widths)
        .map(|(d, w)| d * w)
        .collect();
    let total: f64 = masses.iter().sum();
    let masses: Vec<f64> = masses.iter().map(|mass| mass / total).collect();
    let (policy, base) = (
        problem.procedure().apply(&masses),
        problem.procedure().apply(problem.base()),
    );
    let terms: Vec<f64> = policy
        .iter()
        .zip(&base)
        .zip(problem.scores())
        .map(|((q, p), c)| (q - p) * (c.below() - 0.5))
        .collect();
    terms.iter().all(|term| term.is_finite()).then_some(terms)
}

fn signed(points: f64) -> String {
    if points < 0.0 {
        format!("−{}", significant(-points, 3))
    } else {
        format!("+{}", significant(points, 3))
    }
}
