//! Everything that the program says: results on standard output, the rest on standard error. Colours only where a terminal shows them.

mod design;
mod pairwise;
mod recorded;
mod table;

use std::{
    fmt::Display,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use anstyle::{AnsiColor, Style};
use infalign::{Warning, registry::Entry};
use serde::Serialize;

use crate::error::{Error, Result};
pub(crate) use design::design;
pub(crate) use pairwise::pairwise;
pub(crate) use recorded::recorded;
pub(crate) use table::Table;

const BOLD: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

/// Whether only errors are told.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only errors are told.
pub(crate) fn hush() {
    QUIET.store(true, Ordering::Relaxed);
}

/// A line of progress or news.
pub(crate) fn note(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        // Nobody can be told that standard error is closed.
        drop(writeln!(anstream::stderr(), "{FAINT}{text}{FAINT:#}"));
    }
}

/// A caveat.
pub(crate) fn warning(warning: &Warning) {
    caveat(warning);
}

/// A caveat of any kind.
pub(crate) fn caveat(text: impl Display) {
    if !QUIET.load(Ordering::Relaxed) {
        drop(writeln!(
            anstream::stderr(),
            "{YELLOW}warning{YELLOW:#}: {text}"
        ));
    }
}

/// A mistake of ours, told also when only errors are.
pub(crate) fn fault(text: &str) {
    drop(writeln!(anstream::stderr(), "{text}"));
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

/// A result as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::from)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}

/// A result as text.
pub(crate) fn text(text: impl Display) -> Result<()> {
    let mut out = anstream::stdout().lock();
    write!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// A registry.
pub(crate) fn entries(entries: &[Entry]) -> Result<()> {
    let mut table = Table::new(&["", "example", "what it is"]);
    for entry in entries {
        table.row([
            entry.syntax.to_owned(),
            entry.example.to_owned(),
            entry.summary.to_owned(),
        ]);
    }
    text(table)
}
