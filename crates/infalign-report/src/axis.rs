//! Axes: a range, a name with its unit, a scale, and ticks at round numbers or where asked.

use crate::figures::nats;

/// One axis of a panel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// What it shows, with the unit.
    pub(crate) name: String,
    /// Lower end.
    pub(crate) low: f64,
    /// Upper end, above `low`.
    pub(crate) high: f64,
    /// Whether values are fractions that read as percent.
    pub(crate) percent: bool,
    /// Ticks of an axis in the square root of its (non-negative) value; `None` for a linear axis.
    ///
    /// To first order W − ½ grows as √KL, so frontiers are nearly straight over √KL and small
    /// budgets keep their room; over-optimisation is customarily drawn over it (arXiv 2210.10760).
    pub(crate) root_ticks: Option<Vec<f64>>,
    /// Ticks with labels of their own, on a linear axis; `None` for round numbers.
    pub(crate) named_ticks: Option<Vec<(f64, String)>>,
}

/// Least distance of two ticks on a square-root axis, as a share of it.
const ROOT_GAP: f64 = 0.09;

impl Axis {
    /// An axis over `[low, high]`, opened a little where the two coincide.
    pub(crate) fn new(name: &str, low: f64, high: f64, percent: bool) -> Self {
        let high = if high > low {
            high
        } else {
            low + low.abs().max(1.0) * 0.1
        };
        Self {
            name: name.to_owned(),
            low,
            high,
            percent,
            root_ticks: None,
            named_ticks: None,
        }
    }

    /// Where `value` lies: 0 at the lower end, 1 at the upper.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let along = |value: f64| match self.root_ticks {
            Some(_) => value.max(0.0).sqrt(),
            None => value,
        };
        (along(value) - along(self.low)) / (along(self.high) - along(self.low))
    }

    /// The ticks of a square-root axis that are far enough apart, from the right.
    fn rooted(&self, ticks: &[f64]) -> Vec<(f64, String)> {
        let mut kept: Vec<f64> = Vec::new();
        let mut inside: Vec<f64> = ticks.iter().copied().filter(|t| *t <= self.high).collect();
        inside.sort_by(|a, b| b.total_cmp(a));
        for tick in inside {
            if kept
                .last()
                .is_none_or(|last| self.share(*last) - self.share(tick) >= ROOT_GAP)
            {
                kept.push(tick);
            }
        }
        kept.into_iter()
            .rev()
            .map(|tick| (tick, nats(tick)))
            .collect()
    }

    /// Ticks at multiples of 1, 2 or 5 times a power of ten, about `wanted` of them, with labels.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        if let Some(ticks) = &self.root_ticks {
            return self.rooted(ticks);
        }
        if let Some(ticks) = &self.named_ticks {
            return ticks.clone();
        }
        let scale = if self.percent { 100.0 } else { 1.0 };
        let (low, high) = (self.low * scale, self.high * scale);
        let rough = (high - low) / wanted.max(1) as f64;
        let decade = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * decade)
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(10.0 * decade);
        // Slack of a millionth of a step: an end that is a round number keeps its tick.
        let first = (low / step - 1e-6).ceil() as i64;
        let last = (high / step + 1e-6).floor() as i64;
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        (first..=last)
            .map(|i| {
                let value = i as f64 * step;
                (
                    value / scale,
                    format!("{value:.decimals$}").replace('-', "−"),
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::new("W", 0.5, 1.0, true);
        let labels: Vec<String> = axis.ticks(5).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["50", "60", "70", "80", "90", "100"]);
        let axis = Axis::new("KL", 0.0, 1.53, false);
        let labels: Vec<String> = axis.ticks(5).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.0", "0.5", "1.0", "1.5"]);
        for (low, high) in [(0.0, 1e-3), (-0.2, 0.3), (1e-9, 2e-9), (0.0, 8.0)] {
            let axis = Axis::new("", low, high, false);
            let ticks = axis.ticks(5);
            assert!((2..=8).contains(&ticks.len()), "{low}..{high}: {ticks:?}");
            assert!(
                ticks
                    .iter()
                    .all(|(t, _)| (-1e-5..=1.00001).contains(&axis.share(*t)))
            );
        }
    }

    #[test]
    fn square_root_axes_keep_ticks_apart() {
        let budgets = vec![0.0, 0.1, 0.11, 0.5, 1.0, 2.0, 9.0];
        let mut axis = Axis::new("KL", 0.0, 2.25, false);
        axis.root_ticks = Some(budgets);
        let labels: Vec<String> = axis.ticks(5).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0", "0.11", "0.5", "1", "2"]);
        assert_eq!(axis.share(2.25 / 4.0), 0.5);
    }

    #[test]
    fn a_range_of_nothing_opens() {
        let axis = Axis::new("KL", 0.0, 0.0, false);
        assert!(axis.high > axis.low);
        assert!(axis.share(0.0).is_finite());
    }
}
