//! Everything that the program says: results on standard output, the rest on standard error. Colours only where a terminal shows them.

mod design;
mod recorded;
mod table;

use std::{fmt::Display, io::Write};

use anstyle::{AnsiColor, Style};
use infalign::{Warning, registry::Entry};
use serde::Serialize;

use crate::error::{Error, Result};
pub(crate) use design::design;
pub(crate) use recorded::recorded;

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

/// A line of progress or news.
pub(crate) fn note(text: &str) {
    // Nobody can be told that standard error is closed.
    drop(writeln!(anstream::stderr(), "{FAINT}{text}{FAINT:#}"));
}

/// A caveat.
pub(crate) fn warning(warning: &Warning) {
    drop(writeln!(
        anstream::stderr(),
        "{YELLOW}warning{YELLOW:#}: {warning}"
    ));
}

/// Why the program stops.
pub(crate) fn error(error: &Error) {
    drop(writeln!(anstream::stderr(), "{RED}error{RED:#}: {error}"));
}

/// A result as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// A result as text.
fn text(text: impl Display) -> Result<()> {
    let mut out = anstream::stdout().lock();
    write!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// A registry.
pub(crate) fn entries(entries: &[Entry]) -> Result<()> {
    let mut table = table::Table::new(&["", "example", "what it is"]);
    for entry in entries {
        table.row([
            entry.syntax.to_owned(),
            entry.example.to_owned(),
            entry.summary.to_owned(),
        ]);
    }
    text(table)
}
