//! Measurements as Markdown tables: win rates in %, differences in points, intervals over prompts.

use infalign::{
    estimate::Estimate,
    recorded::{Judged, Measurement, Recorded},
};

use super::findings::in_nats;

/// Every row of one procedure: a table to a budget, in the order of the results.
pub(super) fn every_row(recorded: &Recorded, procedure: &str) -> String {
    let mut text = String::new();
    let rows: Vec<_> = of(recorded, procedure).collect();
    for group in rows.chunk_by(|a, b| a.kl_budget == b.kl_budget) {
        text.push_str(&format!("\n**{}**\n\n", in_nats(group[0].kl_budget)));
        let mut heads = vec!["transform".to_owned(), "KL spent".to_owned()];
        heads.push("effective responses".to_owned());
        for judge in &recorded.judges {
            heads.push(format!("win rate by `{judge}`"));
            heads.push("over raw".to_owned());
        }
        heads.extend(["standard", "expected", "theory"].map(str::to_owned));
        text.push_str(&head(&heads));
        for row in group {
            let mut cells = vec![
                format!("`{}`", row.transform),
                format!("{:.3}", row.kl.mean),
            ];
            cells.push(format!("{:.1}", row.effective_samples.mean));
            for judged in &row.judged {
                cells.push(with_interval(&judged.win_rate));
                cells.push(over_raw(judged));
            }
            let standard = row.judged.first().map(|j| j.standard_win_rate.mean);
            cells.push(standard.map_or_else(String::new, percent));
            cells.push(
                row.expected
                    .map_or_else(|| "–".to_owned(), |e| percent(e.win_rate)),
            );
            cells.push(percent(row.predicted.win_rate));
            text.push_str(&line(&cells));
        }
    }
    text
}

/// The measurements of one procedure.
pub(super) fn of<'a>(
    recorded: &'a Recorded,
    procedure: &str,
) -> impl Iterator<Item = &'a Measurement> {
    recorded
        .measurements
        .iter()
        .filter(move |row| row.procedure == procedure)
}

/// The head of a table, first column to the left, the others to the right.
pub(super) fn head<S: AsRef<str>>(cells: &[S]) -> String {
    let rule: String = (0..cells.len())
        .map(|i| if i == 0 { "|---|" } else { "---:|" })
        .collect();
    format!("{}{rule}\n", line(cells))
}

/// A row of a table.
pub(super) fn line<S: AsRef<str>>(cells: &[S]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// `83.1`: a rate in %.
pub(super) fn percent(rate: f64) -> String {
    format!("{:.1}", 100.0 * rate)
}

/// `+1.9`: a difference of rates in points.
pub(super) fn points(difference: f64) -> String {
    let text = format!("{:+.1}", 100.0 * difference);
    // A proper minus sign, and none before a difference that rounds to nothing.
    text.replace("-0.0", "0.0")
        .replace("+0.0", "0.0")
        .replace('-', "−")
}

/// `83.1 (82.0–84.2)`.
pub(super) fn with_interval(rate: &Estimate) -> String {
    format!(
        "{} ({}–{})",
        percent(rate.mean),
        percent(rate.low),
        percent(rate.high)
    )
}

/// `+1.9 (+0.5, +3.4)`, in bold where the interval leaves out zero; a dash where there is no such difference.
pub(super) fn over_raw(judged: &Judged) -> String {
    judged.over_raw.map_or_else(
        || "–".to_owned(),
        |d| {
            let text = format!("{} ({}, {})", points(d.mean), points(d.low), points(d.high));
            if d.low > 0.0 || d.high < 0.0 {
                format!("**{text}**")
            } else {
                text
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_signed_and_nothing_has_no_sign() {
        assert_eq!(points(0.0123), "+1.2");
        assert_eq!(points(-0.0123), "−1.2");
        assert_eq!(points(-0.0004), "0.0");
        assert_eq!(points(-0.1004), "−10.0");
        assert_eq!(points(0.0004), "0.0");
    }

    #[test]
    fn a_table_has_a_rule_for_each_column() {
        assert_eq!(head(&["a", "b", "c"]), "| a | b | c |\n|---|---:|---:|\n");
    }
}
