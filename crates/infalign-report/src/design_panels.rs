//! A design as panels: win rate against KL, and Φ* beside the recommended Φ.

use infalign::design::{Design, Point};

use crate::{
    axis::Axis,
    error::{Error, Result},
    figures::{in_nats, percent, significant},
    panel::{Line, Mark, Panel, SIZE, Sample, Weight},
    tone::{Palette, Shape, Tone, is_optimum},
};

/// Every transform that these designs name.
pub(crate) fn names(designs: &[Design]) -> Vec<&str> {
    let mut names = Vec::new();
    for design in designs {
        names.extend(design.points.iter().map(|point| &*point.transform));
        names.extend(design.transforms.iter().map(|row| &*row.transform));
        names.push(&*design.recommended.transform);
    }
    names
}

/// The panels of a design: the frontier, and Φ where the design holds it.
pub(crate) fn panels(design: &Design) -> Result<Vec<Panel>> {
    let palette = Palette::new(names(core::slice::from_ref(design)));
    let mut panels = vec![frontier(design, &palette)?];
    if !design.phi.is_empty() {
        panels.push(phi(design, &palette)?);
    }
    Ok(panels)
}

/// The curves of a frontier, each sorted by KL, the optimum first (below the others).
pub(crate) fn curves(design: &Design, palette: &Palette) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for point in &design.points {
        check(point)?;
        let sample = Sample {
            x: point.kl,
            y: point.win_rate,
            text: reading(point),
        };
        match lines.iter_mut().find(|line| line.name == point.transform) {
            Some(line) => line.points.push(sample),
            None => lines.push(Line {
                name: point.transform.clone(),
                tone: palette.tone(&point.transform),
                weight: if is_optimum(&point.transform) {
                    Weight::Bold
                } else {
                    Weight::Plain
                },
                dashed: point.transform == "raw",
                points: vec![sample],
            }),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|a, b| a.x.total_cmp(&b.x));
        // Without KL the policy is the base, which wins half: every frontier starts there.
        if line.points.len() > 1 && line.points[0].x > 0.0 {
            let text = "the base policy\nwin rate 50.0%\nKL 0 nats".to_owned();
            line.points.insert(
                0,
                Sample {
                    x: 0.0,
                    y: 0.5,
                    text,
                },
            );
        }
    }
    lines.sort_by_key(|line| !is_optimum(&line.name));
    Ok(lines)
}

fn frontier(design: &Design, palette: &Palette) -> Result<Panel> {
    let place = format!("the design for {}", design.procedure);
    Error::finite("kl", &place, design.kl)?;
    check(&design.base_procedure)?;
    let lines = curves(design, palette)?;
    if lines.is_empty() {
        return Err(Error::Empty {
            name: "points",
            remedy: "ask for the frontier (`--frontier`) when designing",
        });
    }
    let farthest = design.points.iter().map(|p| p.kl).fold(design.kl, f64::max);
    // The curves part most near the budget and the base's own point: show those in the middle.
    let reach = farthest.min((2.5 * design.kl).max(1.8 * design.base_procedure.kl));
    let x = Axis::new("KL(π‖p), nats", 0.0, reach, false);
    let seen = || {
        design
            .points
            .iter()
            .filter(|p| p.kl <= x.high)
            .map(|p| p.win_rate)
    };
    let mut low = seen().fold(0.5, f64::min);
    let base = &design.base_procedure;
    // Far below chance the base's own point would flatten every curve: it becomes a note.
    let shown = base.win_rate > 0.4;
    if shown {
        low = low.min(base.win_rate);
    }
    let high = seen().fold(if shown { base.win_rate } else { low }, f64::max);
    let y = win_rate_axis(
        &format!("win rate under {}, %", design.procedure),
        low,
        high,
    );
    // `best-of:4 of the base`
    let told = base.transform.clone();
    let mut marks = vec![Mark {
        name: design.recommended.transform.clone(),
        tone: palette.tone(&design.recommended.transform),
        shape: palette.shape(&design.recommended.transform),
        at: Sample {
            x: Error::finite("kl", "recommended", design.recommended.kl)?,
            y: Error::finite("win_rate", "recommended", design.recommended.win_rate)?,
            text: format!(
                "recommended\nwin rate {}\nKL {}\nβ {}\none plain sample {}",
                percent(design.recommended.win_rate),
                in_nats(design.recommended.kl),
                significant(design.recommended.beta, 4),
                percent(design.recommended.standard_win_rate)
            ),
        },
        shift: 0.0,
        minor: false,
        across: None,
        whisker: None,
        from: None,
        label: None,
    }];
    if shown {
        marks.push(Mark {
            name: told.clone(),
            tone: Tone::Muted,
            shape: Shape::Circle,
            at: Sample {
                x: base.kl,
                y: base.win_rate,
                text: reading(base),
            },
            shift: 0.0,
            minor: false,
            across: None,
            whisker: None,
            from: None,
            label: Some(told.clone()),
        });
    }
    Ok(Panel {
        size: SIZE,
        bars: Vec::new(),
        unnamed: false,
        title: "Win rate against KL".to_owned(),
        x,
        y,
        rules: vec![(design.kl, format!("asked: {}", in_nats(design.kl)))],
        level: None,
        alt: format!(
            "Win rate under {} against KL for {} transforms. At {} the optimum wins {}, {} wins {}.",
            design.procedure,
            lines.iter().filter(|line| !is_optimum(&line.name)).count(),
            in_nats(design.kl),
            percent(design.optimum.win_rate),
            design.recommended.transform,
            percent(design.recommended.win_rate)
        ),
        lines: emphasised(lines, &design.recommended.transform),
        marks,
        note: (!shown)
            .then(|| format!("{told}: {} at {}", percent(base.win_rate), in_nats(base.kl))),
    })
}

/// The recommended curve bold and on top.
fn emphasised(mut lines: Vec<Line>, recommended: &str) -> Vec<Line> {
    lines.sort_by_key(|line| line.name == recommended);
    lines
}

/// A win-rate axis around `[low, high]`: chance at its foot, no more than certainty at its top.
pub(crate) fn win_rate_axis(name: &str, low: f64, high: f64) -> Axis {
    let slack = 0.04 * (high - low).max(0.05);
    let low = if low < 0.5 {
        (low - slack).max(0.0)
    } else {
        0.5
    };
    Axis::new(name, low, (high + slack).min(1.0), true)
}

fn phi(design: &Design, palette: &Palette) -> Result<Panel> {
    let mut optimum = Vec::new();
    let mut recommended = Vec::new();
    for (i, point) in design.phi.iter().enumerate() {
        let place = format!("phi[{i}]");
        let u = Error::finite("u", &place, point.u)?;
        let sample = |name: &'static str, value: f64| -> Result<Sample> {
            let y = Error::finite(name, &place, value)?;
            Ok(Sample {
                x: u,
                y,
                text: format!("u {u:.3}\nΦ {y:.3}"),
            })
        };
        optimum.push(sample("optimum", point.optimum)?);
        recommended.push(sample("recommended", point.recommended)?);
    }
    let name = &design.recommended.transform;
    Ok(Panel {
        size: SIZE,
        bars: Vec::new(),
        unnamed: false,
        title: "The transform Φ".to_owned(),
        x: Axis::new("u, quantile of the reward under the base", 0.0, 1.0, false),
        y: Axis::new("Φ(u), scaled to [0, 1]", 0.0, 1.0, false),
        rules: Vec::new(),
        level: None,
        lines: vec![
            Line {
                name: "Φ* optimum".to_owned(),
                tone: Tone::Ink,
                weight: Weight::Bold,
                dashed: false,
                points: optimum,
            },
            Line {
                name: name.clone(),
                tone: palette.tone(name),
                weight: Weight::Plain,
                dashed: false,
                points: recommended,
            },
        ],
        marks: Vec::new(),
        note: None,
        alt: format!(
            "The coupled optimum's transform Φ* for {} at {} beside {name}, both scaled to [0, 1].",
            design.procedure,
            in_nats(design.kl)
        ),
    })
}

fn check(point: &Point) -> Result<()> {
    Error::finite("kl", &point.transform, point.kl)?;
    Error::finite("win_rate", &point.transform, point.win_rate)?;
    Ok(())
}

fn reading(point: &Point) -> String {
    let mut text = format!(
        "win rate {}\nKL {}",
        percent(point.win_rate),
        in_nats(point.kl)
    );
    if let Some(beta) = point.beta {
        text.push_str(&format!("\nβ {}", significant(beta, 4)));
    }
    text.push_str(&format!(
        "\none plain sample {}",
        percent(point.standard_win_rate)
    ));
    text
}
