//! The table that `infalign design` prints.

use infalign::design::{Certificate, Design, TransformRow};

use super::{BOLD, FAINT, table::Table, text, warning};
use crate::error::Result;

/// The answer as text: a heading, the rows best first, the optimum, the recommendation, and the warnings.
pub(crate) fn design(answer: &Design, frontier: bool) -> Result<()> {
    text(page(answer, frontier))?;
    for caveat in &answer.warnings {
        warning(caveat);
    }
    Ok(())
}

fn page(answer: &Design, frontier: bool) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!(
        "{BOLD}{}{BOLD:#} at KL {} nats",
        answer.procedure,
        short(answer.kl)
    ));
    line(String::new());
    let at_k = answer.transforms.iter().any(|r| r.at_k.is_some());
    let mut heads = vec![
        "transform",
        "beta",
        "KL",
        "win rate",
        "standard",
        "of optimum",
    ];
    let k_heads = answer.k.map(|k| {
        [
            format!("win rate, K={k}"),
            format!("beta, K={k}"),
            "K enough".to_owned(),
        ]
    });
    if at_k {
        heads.extend(k_heads.iter().flatten().map(String::as_str));
    }
    let mut table = Table::new(&heads);
    for row in &answer.transforms {
        table.row(cells(
            row,
            row.transform == answer.recommended.transform,
            at_k,
        ));
    }
    let optimum = &answer.optimum;
    let mut last = vec![
        "optimum".to_owned(),
        significant(optimum.beta),
        nats(optimum.kl),
        format!("{:.4}", optimum.win_rate),
        format!("{:.4}", optimum.standard_win_rate),
        "100.0%".to_owned(),
    ];
    if at_k {
        last.extend(std::iter::repeat_n(String::new(), 3));
    }
    table.row(last);
    line(table.numbers().to_string());
    let recommended = &answer.recommended;
    line(format!(
        "Train with {BOLD}{}{BOLD:#} at beta {}: {}.",
        recommended.transform,
        significant(recommended.beta),
        recommended.reason
    ));
    line(format!(
        "{FAINT}Optimum: {}.{FAINT:#}",
        evidence(&optimum.certificate)
    ));
    line(format!(
        "{FAINT}win rate: {} of the policy against {} of the base. standard: one sample of each. beta: price of KL, for a transform with values in [0,1].{FAINT:#}",
        answer.procedure, answer.procedure
    ));
    if frontier {
        line(String::new());
        line(self::frontier(answer));
    }
    out
}

fn cells(row: &TransformRow, recommended: bool, at_k: bool) -> Vec<String> {
    let name = if recommended {
        format!("{} *", row.transform)
    } else {
        row.transform.clone()
    };
    let mut cells = vec![
        name,
        significant(row.beta),
        nats(row.kl),
        format!("{:.4}", row.win_rate),
        format!("{:.4}", row.standard_win_rate),
        format!("{:.1}%", 100.0 * row.share_of_optimum),
    ];
    if at_k {
        match row.at_k {
            Some(at) => cells.extend([
                format!("{:.4}", at.win_rate),
                significant(at.beta),
                at.enough
                    .map_or_else(|| ">4096".to_owned(), |k| k.to_string()),
            ]),
            None => cells.extend(std::iter::repeat_n("-".to_owned(), 3)),
        }
    }
    cells
}

/// Win rates at a few KLs, one column per transform.
fn frontier(answer: &Design) -> String {
    let mut names: Vec<&str> = Vec::new();
    for point in &answer.points {
        if !names.contains(&point.transform.as_str()) {
            names.push(&point.transform);
        }
    }
    let mut heads = vec!["KL"];
    heads.extend(&names);
    let mut table = Table::new(&heads);
    let of = |name: &str| {
        answer
            .points
            .iter()
            .filter(|p| p.transform == name)
            .collect::<Vec<_>>()
    };
    let columns: Vec<_> = names.iter().map(|name| of(name)).collect();
    let longest = columns.iter().max_by_key(|c| c.len());
    for (i, point) in longest
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(i, _)| i % 4 == 0)
    {
        let mut cells = vec![nats(point.kl)];
        for column in &columns {
            cells.push(
                column
                    .get(i)
                    .map_or_else(String::new, |p| format!("{:.4}", p.win_rate)),
            );
        }
        table.row(cells);
    }
    format!(
        "Win rate along the frontier (all points: --format json)\n{}",
        table.numbers()
    )
}

fn evidence(certificate: &Certificate) -> String {
    match certificate.gap {
        Some(gap) => {
            let gap = gap.max(1e-15);
            format!("certified: no policy is better by more than {gap:.0e} in win rate - beta KL")
        }
        None => format!(
            "best of {} starts, {} of which agree; stationary to {:.0e}",
            certificate.starts, certificate.agreeing, certificate.stationarity
        ),
    }
}

/// Four significant digits, in scientific notation where that is shorter.
pub(super) fn significant(x: f64) -> String {
    let size = x.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e4).contains(&size) {
        let digits = (3 - size.log10().floor() as i32).max(0) as usize;
        format!("{x:.digits$}")
    } else {
        format!("{x:.3e}")
    }
}

/// A KL to four decimals, or to four digits where that would show nothing.
fn nats(kl: f64) -> String {
    if kl >= 1e-3 {
        format!("{kl:.4}")
    } else {
        significant(kl)
    }
}

/// As few digits as say it to four significant ones.
fn short(x: f64) -> String {
    let text = significant(x);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
