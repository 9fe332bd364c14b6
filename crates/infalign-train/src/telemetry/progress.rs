//! One line about a run for whoever watches: redrawn on a terminal, now and then a line elsewhere.
//!
//! ```text
//! step 120/2000  loss 2.314  lr 3.0e-4  4.1k tok/s  1 h 02 min left
//! ```
//!
//! The time left is that of the steps to come at this session's mean speed. Time is the records'
//! own (`wall`), so that nothing here looks at a clock.

use std::io::Write;

use super::{Metrics, Sink};
use crate::error::{Error, Result};

const REDRAW: f64 = 0.1; // seconds between two pictures on a terminal
const PLAIN: f64 = 10.0; // seconds between two lines elsewhere …
const TENTHS: u64 = 10; // … or a tenth of the run, whichever comes first

/// How the line is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Redrawn in place, cut at so many columns.
    Terminal {
        /// The terminal's width.
        columns: usize,
    },
    /// A line about every ten seconds or tenth of the run, and the last.
    Plain,
    /// Not at all.
    Quiet,
}

/// Shows progress through a writer, which a program points to its standard error.
#[derive(Debug)]
pub struct Progress<W> {
    writer: W,
    pace: Pace,
    drawn: bool, // the cursor stands behind a picture
}

impl<W: Write> Progress<W> {
    /// Of a run of `total` steps, of which `done` had been taken at `wall` (seconds since 1970).
    pub const fn new(writer: W, style: Style, total: u64, done: u64, wall: f64) -> Self {
        Self {
            writer,
            pace: Pace::new(style, total, done, wall),
            drawn: false,
        }
    }

    fn show(&mut self, line: &str) -> Result<()> {
        let shown = match self.pace.style {
            Style::Quiet => return Ok(()),
            Style::Plain => writeln!(self.writer, "{line}"),
            Style::Terminal { columns } => {
                self.drawn = true;
                write!(self.writer, "\r\x1b[2K{}", cut(line, columns))
            }
        };
        shown
            .and_then(|()| self.writer.flush())
            .map_err(|e| Error::write("the progress line", e))
    }
}

impl<W: Write> Sink for Progress<W> {
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
        if std::mem::take(&mut self.drawn) {
            writeln!(self.writer).map_err(|e| Error::write("the progress line", e))?;
        }
        Ok(())
    }
}

/// As much of a line as a terminal shows: its last column stays free, because some wrap when it is written.
pub(super) fn cut(line: &str, columns: usize) -> String {
    line.chars().take(columns.saturating_sub(1)).collect()
}

/// The line of a training, and when it is worth showing.
#[derive(Debug)]
pub(super) struct Pace {
    style: Style,
    total: u64,
    started: (u64, f64), // step and time of the session's begin
    shown: Option<f64>,  // when last
    tenth: u64,
    pending: Option<String>, // not shown yet
}

impl Pace {
    pub(super) const fn new(style: Style, total: u64, done: u64, wall: f64) -> Self {
        Self {
            style,
            total,
            started: (done, wall),
            shown: None,
            tenth: tenth(done, total),
            pending: None,
        }
    }

    /// The line of a step, if one is due.
    pub(super) fn due(&mut self, metrics: &Metrics) -> Option<String> {
        let line = self.line(metrics);
        let since = self
            .shown
            .map_or(f64::INFINITY, |shown| metrics.wall - shown);
        let tenth = tenth(metrics.step, self.total);
        let due = match self.style {
            Style::Quiet => return None,
            Style::Terminal { .. } => since >= REDRAW,
            Style::Plain => since >= PLAIN || tenth > self.tenth,
        };
        if !due {
            self.pending = Some(line);
            return None;
        }
        (self.shown, self.tenth, self.pending) = (Some(metrics.wall), tenth, None);
        Some(line)
    }

    /// The newest line, if it was not due.
    pub(super) fn last(&mut self) -> Option<String> {
        self.pending.take()
    }

    fn line(&self, metrics: &Metrics) -> String {
        let mut parts = vec![format!("step {}/{}", metrics.step, self.total)];
        if let Some(u) = metrics.get("reward_calibrated") {
            // Reinforcement learning: what it gains, and what it pays.
            let raw = metrics.get("reward_raw").unwrap_or(f64::NAN);
            parts.push(format!("reward {raw:.3}  quantile {u:.3}"));
            if let Some(kl) = metrics.get("kl") {
                parts.push(format!("KL {kl:.3}"));
            }
            if let Some(beta) = metrics.get("beta") {
                parts.push(format!("β {beta:.3}"));
            }
        } else {
            if let Some(loss) = metrics.get("loss") {
                parts.push(format!("loss {loss:.3}"));
            }
            if let Some(rate) = metrics.get("learning_rate") {
                parts.push(format!("lr {rate:.1e}"));
            }
        }
        if let Some(speed) = metrics.get("tokens_per_second") {
            parts.push(format!("{} tok/s", thousands(speed)));
        }
        let (step, wall) = self.started;
        let taken = metrics.step.saturating_sub(step) as f64;
        let left = self.total.saturating_sub(metrics.step) as f64;
        if taken > 0.0 && left > 0.0 {
            let seconds = (metrics.wall - wall).max(0.0) / taken * left;
            parts.push(format!("{} left", duration(seconds)));
        }
        parts.join("  ")
    }
}

const fn tenth(step: u64, total: u64) -> u64 {
    if total == 0 {
        return 0;
    }
    (step as u128 * TENTHS as u128 / total as u128) as u64
}

/// 950, 4.1k, 27k, 1.3M.
fn thousands(value: f64) -> String {
    match value {
        v if v < 999.5 => format!("{v:.0}"),
        v if v < 9_950.0 => format!("{:.1}k", v / 1e3),
        v if v < 999_500.0 => format!("{:.0}k", v / 1e3),
        v => format!("{:.1}M", v / 1e6),
    }
}

/// 42 s, 3 min 05 s, 1 h 02 min, 2 d 03 h.
fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {:02} h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn record(step: u64, wall: f64) -> Metrics {
        Metrics::new(step, wall)
            .value("loss", 2.3141)
            .value("learning_rate", 3e-4)
            .timing("tokens_per_second", 4_096.0)
    }

    fn shown(style: Style, total: u64, records: &[(u64, f64)]) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, style, total, 0, 0.0);
        for &(step, wall) in records {
            progress.append(&record(step, wall)).unwrap();
        }
        progress.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_on_a_terminal_is_redrawn_and_left_with_a_break() {
        let style = Style::Terminal { columns: 80 };
        let out = shown(style, 2000, &[(1, 1.0), (2, 1.01), (100, 187.0)]);
        assert_eq!(
            out,
            "\r\x1b[2Kstep 1/2000  loss 2.314  lr 3.0e-4  4.1k tok/s  33 min 19 s left\
             \r\x1b[2Kstep 100/2000  loss 2.314  lr 3.0e-4  4.1k tok/s  59 min 13 s left\n"
        );
        let narrow = shown(Style::Terminal { columns: 10 }, 5, &[(5, 1.0)]);
        assert_eq!(narrow, "\r\x1b[2Kstep 5/5 \n");
    }

    #[test]
    fn elsewhere_a_line_every_ten_seconds_or_tenth_and_the_last() {
        let records: Vec<_> = (1..=40).map(|step| (step, step as f64 * 4.0)).collect();
        let out = shown(Style::Plain, 1000, &records);
        let steps: Vec<&str> = out.lines().map(|l| l.split("  ").next().unwrap()).collect();
        let ten_seconds = (1..=40).step_by(3).map(|s| format!("step {s}/1000"));
        assert_eq!(steps, ten_seconds.collect::<Vec<_>>());
        let fast: Vec<_> = (1..=25).map(|step| (step, step as f64 * 0.01)).collect();
        let out = shown(Style::Plain, 50, &fast);
        let steps: Vec<&str> = out.lines().map(|l| l.split('/').next().unwrap()).collect();
        assert_eq!(
            steps,
            [
                "step 1", "step 5", "step 10", "step 15", "step 20", "step 25"
            ]
        );
        assert_eq!(shown(Style::Plain, 50, &fast[..3]).lines().count(), 2);
    }

    #[test]
    fn quiet_is_quiet_and_missing_values_are_left_out() {
        assert_eq!(shown(Style::Quiet, 10, &[(1, 1.0), (10, 30.0)]), "");
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, Style::Plain, 3, 3, 0.0);
        progress.append(&Metrics::new(3, 0.0)).unwrap();
        assert_eq!(out, b"step 3/3\n");
    }

    #[test]
    fn reinforcement_learning_shows_gain_and_price() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, Style::Plain, 9, 0, 0.0);
        let metrics = Metrics::new(9, 1.0)
            .value("loss", 0.3)
            .value("reward_raw", 1.25)
            .value("reward_calibrated", 0.8126)
            .value("kl", 0.4968)
            .value("beta", 0.0231);
        progress.append(&metrics).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert_eq!(
            line,
            "step 9/9  reward 1.250  quantile 0.813  KL 0.497  β 0.023\n"
        );
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(999.4), "999");
        assert_eq!(thousands(999.6), "1.0k");
        assert_eq!(thousands(27_400.0), "27k");
        assert_eq!(thousands(1.26e6), "1.3M");
        assert_eq!(duration(59.6), "1 min 00 s");
        assert_eq!(duration(3_725.0), "1 h 02 min");
        assert_eq!(duration(180_000.0), "2 d 02 h");
    }
}
