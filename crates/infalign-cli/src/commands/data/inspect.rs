//! `infalign data inspect`: what a data file is and holds.

use std::fmt::Write as _;

use infalign_data::{Inspection, RecordOptions, Spread};

use crate::{
    args::{Format, Inspect},
    error::Result,
    print::{self, FAINT, Table},
};

/// Bad rows that are told in text; JSON lists more.
const TOLD: usize = 10;

pub(super) fn run(args: &Inspect) -> Result<()> {
    let options = RecordOptions {
        format: args.form.clone(),
        rename: args.rename.clone(),
        ..RecordOptions::default()
    };
    let found = infalign_data::inspect(&args.file, &options)?;
    if args.format == Format::Json {
        return print::json(&found);
    }
    print::text(page(&found))?;
    for error in found.bad.first.iter().take(TOLD) {
        print::caveat(error);
    }
    if found.bad.count > TOLD as u64 {
        print::note("more of them: --format json");
    }
    Ok(())
}

fn page(found: &Inspection) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("{}: {}", found.file, found.format));
    line(format!("{FAINT}{}{FAINT:#}", found.summary));
    line(format!("{FAINT}because of {}{FAINT:#}", found.why));
    let gives: Vec<&str> = found.converts_to.iter().map(|to| to.name()).collect();
    if !gives.is_empty() {
        line(format!("{FAINT}converts to {}{FAINT:#}", gives.join(", ")));
    }
    line(String::new());
    line(counts(found).trim_end().to_owned());
    let spreads = spreads(found);
    if let Some(table) = spreads {
        line(String::new());
        line(table.trim_end().to_owned());
    }
    if let Some(rewards) = &found.rewards {
        line(String::new());
        line(format!(
            "rewards: {} from {} to {}, mean {:.4}; {} responses have none",
            rewards.count, rewards.min, rewards.max, rewards.mean, rewards.absent
        ));
    }
    if let Some(all) = &found.preferences {
        line(String::new());
        line(format!(
            "preferences: {}, {} of them ties; {} have a margin, {} of these speak for the rejected response",
            all.count, all.ties, all.margins, all.reversed
        ));
    }
    if !found.missing.is_empty() {
        line(String::new());
        let gaps = found.missing.iter();
        let gaps: Vec<String> = gaps
            .map(|gap| format!("{} in {} rows", gap.field, gap.rows))
            .collect();
        line(format!("missing or empty: {}", gaps.join(", ")));
    }
    if let Some(example) = &found.example {
        line(String::new());
        line("example:".to_owned());
        line(format!("{example:#}"));
    }
    out
}

fn counts(found: &Inspection) -> String {
    let mut out = String::new();
    let mut row = |name: &str, count: u64| {
        // Writing to a text cannot fail.
        let _ = writeln!(out, "{name:<18}{count:>10}");
    };
    row("rows", found.rows);
    row("bad rows", found.bad.count);
    row("duplicate rows", found.duplicate_rows);
    row("distinct prompts", found.prompts);
    row("repeated prompts", found.repeated_prompts);
    if found.answers > 0 {
        row("with an answer", found.answers);
    }
    out
}

fn spreads(found: &Inspection) -> Option<String> {
    let rows = [
        ("responses per prompt", &found.responses_per_prompt),
        ("characters of prompts", &found.prompt_characters),
        ("characters of responses", &found.response_characters),
    ];
    let heads = [
        "", "number", "min", "25%", "median", "75%", "99%", "max", "mean",
    ];
    let mut table = Table::new(&heads);
    let mut any = false;
    for (name, spread) in rows {
        if let Some(spread) = spread {
            table.row(cells(name, spread));
            any = true;
        }
    }
    any.then(|| table.numbers().to_string())
}

fn cells(name: &str, spread: &Spread) -> Vec<String> {
    let numbers = [
        spread.count,
        spread.min,
        spread.q25,
        spread.median,
        spread.q75,
        spread.q99,
        spread.max,
    ];
    let mut cells = vec![name.to_owned()];
    cells.extend(numbers.iter().map(u64::to_string));
    cells.push(format!("{:.1}", spread.mean));
    cells
}
