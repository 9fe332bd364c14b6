//! The law of u under each policy against what training aimed at: whether the policy took the shape, or only the KL.
//!
//! Densities are means over an arm's seeds. The band is ±1.96 standard errors: over prompts and over seeds,
//! added as [`infalign::estimate::over_seeds`] adds them (with 1.96 for Student's quantile: a band to look at, not a test).

use infalign::evaluation::LawOfU;

use super::arm::Arm;
use crate::{
    axis::Axis,
    figures::significant,
    panel::{Bar, Line, Panel, SMALL, Sample, Weight},
    tone::{Palette, Tone},
};

/// Half-width of a 95% interval in standard errors, of many values.
const REACH: f64 = 1.96;

/// A law with its standard errors, averaged over seeds.
pub(crate) struct MeanLaw {
    /// Edges of the cells.
    pub(crate) edges: Vec<f64>,
    /// Density in each cell.
    pub(crate) density: Vec<f64>,
    /// Standard error of each.
    pub(crate) standard_error: Vec<f64>,
    /// What the law should look like, where a target is known.
    pub(crate) expected: Option<Vec<f64>>,
    /// The target itself.
    pub(crate) target: Option<Vec<f64>>,
}

impl MeanLaw {
    /// The mean over the seeds of an arm; `None` where their cells differ or there are none.
    pub(crate) fn of(laws: &[&LawOfU]) -> Option<Self> {
        let edges = laws.first()?.edges.clone();
        if edges.len() < 2 || laws.iter().any(|law| law.edges != edges) {
            return None;
        }
        let (cells, seeds) = (edges.len() - 1, laws.len() as f64);
        let mean = |of: &dyn Fn(&LawOfU) -> Option<f64>| -> Option<f64> {
            let all: Option<Vec<f64>> = laws.iter().map(|law| of(law)).collect();
            all.map(|all| all.iter().sum::<f64>() / seeds)
        };
        let list = |of: &dyn Fn(&LawOfU, usize) -> Option<f64>| -> Option<Vec<f64>> {
            (0..cells).map(|cell| mean(&|law| of(law, cell))).collect()
        };
        let density = list(&|law, cell| law.density.get(cell).copied())?;
        let prompts = list(&|law, cell| law.standard_error.get(cell).map(|se| se * se))?;
        let standard_error = (0..cells)
            .map(|cell| {
                let squares: f64 = laws
                    .iter()
                    .map(|law| (law.density[cell] - density[cell]).powi(2))
                    .sum();
                let over_seeds = if laws.len() > 1 {
                    squares / (seeds - 1.0) / seeds
                } else {
                    0.0
                };
                (prompts[cell] + over_seeds).sqrt()
            })
            .collect();
        Some(Self {
            expected: list(&|law, cell| law.expected.as_ref()?.get(cell).copied()),
            target: list(&|law, cell| law.target.as_ref()?.get(cell).copied()),
            edges,
            density,
            standard_error,
        })
    }
}

/// The highest density of a run: the top of the axis that all its panels share.
pub(crate) fn highest(arms: &[Arm<'_>]) -> f64 {
    let policies = arms.iter().flat_map(|arm| &arm.policies);
    policies
        .flat_map(|policy| {
            policy
                .law
                .density
                .iter()
                .chain(policy.law.expected.iter().flatten())
        })
        .fold(1.5_f64, |most, value| most.max(*value))
}

/// One small panel per arm.
pub(crate) fn panels(arms: &[&Arm<'_>], highest: f64, palette: &Palette) -> Vec<Panel> {
    let laws: Vec<(&&Arm<'_>, MeanLaw)> = arms
        .iter()
        .filter_map(|arm| {
            let laws: Vec<&LawOfU> = arm.policies.iter().map(|policy| &policy.law).collect();
            MeanLaw::of(&laws).map(|law| (arm, law))
        })
        .collect();
    laws.iter()
        .map(|(arm, law)| {
            let tone = palette.tone(arm.reward);
            let mut panel = Panel::new(
                SMALL,
                arm.short.clone(),
                (
                    Axis::new("u, quantile under the base", 0.0, 1.0, false),
                    Axis::new(
                        "density of u (base: 1 everywhere)",
                        0.0,
                        1.08 * highest,
                        false,
                    ),
                ),
                alt(arm, law),
            );
            panel.level = Some((1.0, String::new()));
            panel.bars = bars(law, tone);
            panel.lines = vec![steps("measured", &law.edges, &law.density, tone, false)];
            let aim = law.expected.as_ref().or(law.target.as_ref());
            if let Some(aim) = aim {
                panel
                    .lines
                    .push(steps("aimed at", &law.edges, aim, Tone::Ink, true));
            }
            for line in &mut panel.lines {
                line.name.clear();
            }
            panel
        })
        .collect()
}

fn alt(arm: &Arm<'_>, law: &MeanLaw) -> String {
    let last = law.density.len() - 1;
    let aim = law.expected.as_ref().or(law.target.as_ref());
    let wanted = |cell: usize| {
        aim.map_or_else(String::new, |aim| {
            format!(" (aimed at {})", significant(aim[cell], 3))
        })
    };
    format!(
        "Density of the calibrated reward under {}: {}{} in the lowest cell, {}{} in the highest; the base has 1.",
        arm.label,
        significant(law.density[0], 3),
        wanted(0),
        significant(law.density[last], 3),
        wanted(last)
    )
}

/// The bands of a histogram's uncertainty.
fn bars(law: &MeanLaw, tone: Tone) -> Vec<Bar> {
    law.density
        .iter()
        .zip(&law.standard_error)
        .enumerate()
        .filter(|(_, (_, se))| se.is_finite())
        .map(|(cell, (density, se))| Bar {
            tone,
            x: (law.edges[cell], law.edges[cell + 1]),
            y: ((density - REACH * se).max(0.0), density + REACH * se),
            text: format!(
                "u {:.3}–{:.3}\ndensity {density:.3} ± {:.3}{}",
                law.edges[cell],
                law.edges[cell + 1],
                REACH * se,
                law.expected
                    .as_ref()
                    .map_or_else(String::new, |expected| format!(
                        "\naimed at {:.3}",
                        expected[cell]
                    ))
            ),
        })
        .collect()
}

/// A histogram's outline.
pub(crate) fn steps(name: &str, edges: &[f64], values: &[f64], tone: Tone, dashed: bool) -> Line {
    let points = values
        .iter()
        .enumerate()
        .flat_map(|(cell, value)| {
            [edges[cell], edges[cell + 1]].map(|x| Sample {
                x,
                y: *value,
                text: String::new(),
            })
        })
        .collect();
    Line {
        name: name.to_owned(),
        tone,
        weight: Weight::Plain,
        dashed,
        points,
    }
}
