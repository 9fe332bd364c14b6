//! Trainings that go on side by side, a line for each: redrawn in place on a terminal, now and then a line that names its training elsewhere.
//!
//! ```text
//! training identity                                            news stand above the lines, and stay
//! raw: step 120/120  reward 1.910  …                           so does the last line of a training that has ended
//! identity: step 57/120  reward 1.204  …                       what is under way is drawn anew
//! exp:-10: step 12/120  reward 0.313  …
//! ```
//!
//! Whoever writes to the same place does so through [`Board::aside`], so that no two writers meet in a line.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Metrics, Sink, Style,
    progress::{Pace, cut},
};
use crate::error::{Error, Result};

/// Lines that are drawn at most: a picture that is higher than the terminal cannot be drawn in place.
const MOST: usize = 16;

/// Where trainings are shown; clones are the same place.
#[derive(Debug)]
pub struct Board<W> {
    screen: Arc<Mutex<Screen<W>>>,
    style: Style,
}

impl<W> Clone for Board<W> {
    fn clone(&self) -> Self {
        Self {
            screen: Arc::clone(&self.screen),
            style: self.style,
        }
    }
}

impl<W: Write> Board<W> {
    /// Through a writer, which a program points to its standard error.
    pub fn new(writer: W, style: Style) -> Self {
        let screen = Screen {
            writer,
            style,
            lines: BTreeMap::new(),
            next: 0,
            drawn: 0,
        };
        Self {
            screen: Arc::new(Mutex::new(screen)),
            style,
        }
    }

    /// A line for a training of `total` steps, of which `done` had been taken at `wall` (seconds since 1970).
    #[must_use]
    pub fn line(&self, name: &str, total: u64, done: u64, wall: f64) -> Line<W> {
        let mut screen = lock(&self.screen);
        let place = screen.next;
        screen.next += 1;
        Line {
            screen: Arc::clone(&self.screen),
            place,
            name: name.to_owned(),
            pace: Pace::new(self.style, total, done, wall),
        }
    }

    /// Lets `tell` write whole lines to the same place, above what is under way.
    pub fn aside<R>(&self, tell: impl FnOnce() -> R) -> R {
        let mut screen = lock(&self.screen);
        // What cannot be drawn is not worth a failure: the next line of a training reports it.
        drop(screen.put(None));
        let told = tell();
        drop(screen.put(Some("")));
        told
    }
}

/// The line of one training.
#[derive(Debug)]
pub struct Line<W: Write> {
    screen: Arc<Mutex<Screen<W>>>,
    place: u64,
    name: String,
    pace: Pace,
}

impl<W: Write> Line<W> {
    fn show(&self, line: &str) -> Result<()> {
        lock(&self.screen).show(self.place, &format!("{}: {line}", self.name))
    }
}

impl<W: Write> Sink for Line<W> {
    fn append(&mut self, metrics: &Metrics) -> Result<()> {
        match self.pace.due(metrics) {
            Some(line) => self.show(&line),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(line) = self.pace.last() {
            self.show(&line)?;
        }
        lock(&self.screen).leave(self.place)
    }
}

impl<W: Write> Drop for Line<W> {
    /// A training that failed leaves its line as well.
    fn drop(&mut self) {
        drop(lock(&self.screen).leave(self.place));
    }
}

/// What is drawn.
#[derive(Debug)]
struct Screen<W> {
    writer: W,
    style: Style,
    /// Of a terminal: the lines under way, by their places.
    lines: BTreeMap<u64, String>,
    next: u64,
    /// Lines of the picture; the cursor stands behind the last.
    drawn: usize,
}

impl<W: Write> Screen<W> {
    fn show(&mut self, place: u64, line: &str) -> Result<()> {
        match self.style {
            Style::Quiet => Ok(()),
            Style::Plain => writeln!(self.writer, "{line}")
                .and_then(|()| self.writer.flush())
                .map_err(|e| Error::write("the progress line", e)),
            Style::Terminal { columns } => {
                self.lines.insert(place, cut(line, columns));
                self.put(Some(""))
            }
        }
    }

    /// Takes a line out of the picture; it stays above.
    fn leave(&mut self, place: u64) -> Result<()> {
        match self.lines.remove(&place) {
            Some(line) => self.put(Some(&format!("{line}\n"))),
            None => Ok(()),
        }
    }

    /// Removes the picture; then, unless that was all, writes `above` and draws it anew.
    fn put(&mut self, above: Option<&str>) -> Result<()> {
        let mut text = String::new();
        if self.drawn > 0 {
            text.push('\r');
            if self.drawn > 1 {
                let _ = write!(text, "\x1b[{}A", self.drawn - 1); // a String takes everything
            }
            text.push_str("\x1b[J");
        }
        self.drawn = 0;
        if let Some(above) = above {
            text.push_str(above);
            self.draw(&mut text);
        }
        if text.is_empty() {
            return Ok(());
        }
        self.writer
            .write_all(text.as_bytes())
            .and_then(|()| self.writer.flush())
            .map_err(|e| Error::write("the progress line", e))
    }

    fn draw(&mut self, text: &mut String) {
        if self.lines.is_empty() {
            return;
        }
        let mut lines: Vec<String> = self.lines.values().take(MOST).cloned().collect();
        if self.lines.len() > MOST {
            lines.push(format!("… and {} more", self.lines.len() - MOST));
        }
        self.drawn = lines.len();
        // A narrower terminal cuts the lines instead of wrapping them, which would break the count of lines.
        let _ = write!(text, "\x1b[?7l{}\x1b[?7h", lines.join("\n")); // a String takes everything
    }
}

/// A thread that failed halfway leaves a picture that the next one draws over.
fn lock<W>(screen: &Mutex<Screen<W>>) -> MutexGuard<'_, Screen<W>> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn record(step: u64, wall: f64) -> Metrics {
        Metrics::new(step, wall).value("loss", 2.5)
    }

    /// What a terminal shows in the end: every line, and whether the cursor is behind the last.
    fn seen(bytes: &[u8]) -> Vec<String> {
        let mut rows = vec![String::new()];
        let (mut row, mut column) = (0, 0);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\r' => column = 0,
                '\n' => {
                    (row, column) = (row + 1, 0);
                    rows.resize(rows.len().max(row + 1), String::new());
                }
                '\x1b' => {
                    assert_eq!(rest.next(), Some('['));
                    let mut number = String::new();
                    let code = loop {
                        match rest.next().unwrap() {
                            c @ ('0'..='9' | '?') => number.push(c),
                            c => break c,
                        }
                    };
                    match code {
                        'A' => row -= number.parse::<usize>().unwrap(),
                        'J' => {
                            rows.truncate(row + 1);
                            let kept = rows[row].chars().take(column).collect();
                            rows[row] = kept;
                        }
                        'l' | 'h' => assert_eq!(number, "?7"),
                        other => unreachable!("{other}"),
                    }
                }
                c => {
                    assert_eq!(rows[row].chars().count(), column, "nothing is written over");
                    rows[row].push(c);
                    column += 1;
                }
            }
        }
        rows
    }

    fn shown(board: &Board<Vec<u8>>) -> Vec<String> {
        seen(&lock(&board.screen).writer)
    }

    #[test]
    fn every_training_has_a_line_on_a_terminal_and_news_stand_above() {
        let board = Board::new(Vec::new(), Style::Terminal { columns: 80 });
        let (mut a, mut b) = (board.line("a", 9, 0, 0.0), board.line("b", 9, 0, 0.0));
        b.append(&record(1, 1.0)).unwrap();
        a.append(&record(1, 1.0)).unwrap();
        a.append(&record(2, 2.0)).unwrap();
        let line = |name, step| format!("{name}: step {step}/9  loss 2.500");
        let left = |name, step, left| format!("{}  {left} s left", line(name, step));
        assert_eq!(shown(&board), [left("a", 2, 7), left("b", 1, 8)]);
        board.aside(|| ());
        assert_eq!(shown(&board), [left("a", 2, 7), left("b", 1, 8)]);
        a.append(&record(9, 2.01)).unwrap();
        assert_eq!(shown(&board)[0], left("a", 2, 7), "too soon to be drawn");
        a.finish().unwrap();
        b.append(&record(2, 2.0)).unwrap();
        assert_eq!(shown(&board), [line("a", 9), left("b", 2, 7)]);
        drop(a);
        drop(b);
        assert_eq!(
            shown(&board),
            [line("a", 9), left("b", 2, 7), String::new()]
        );
    }

    #[test]
    fn more_lines_than_a_terminal_has_are_counted() {
        let board = Board::new(Vec::new(), Style::Terminal { columns: 80 });
        let mut lines: Vec<_> = (0..MOST + 3)
            .map(|i| board.line(&i.to_string(), 5, 0, 0.0))
            .collect();
        for line in &mut lines {
            line.append(&record(5, 1.0)).unwrap();
        }
        let found = shown(&board);
        assert_eq!(found.len(), MOST + 1);
        assert_eq!(found[MOST], "… and 3 more");
        lines.remove(0);
        let found = shown(&board);
        assert_eq!(found[0], "0: step 5/5  loss 2.500", "the first has ended");
        assert_eq!(found[MOST + 1], "… and 2 more");
    }

    #[test]
    fn elsewhere_lines_name_their_training_and_quiet_is_quiet() {
        for (style, expected) in [
            (
                Style::Plain,
                "a: step 5/5  loss 2.500\nb: step 1/5  loss 2.500  4 s left\n",
            ),
            (Style::Quiet, ""),
        ] {
            let board = Board::new(Vec::new(), style);
            let (mut a, mut b) = (board.line("a", 5, 0, 0.0), board.line("b", 5, 0, 0.0));
            a.append(&record(5, 1.0)).unwrap();
            b.append(&record(1, 1.0)).unwrap();
            a.finish().unwrap();
            board.aside(|| ());
            drop((a, b));
            let written = lock(&board.screen).writer.clone();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }
}
