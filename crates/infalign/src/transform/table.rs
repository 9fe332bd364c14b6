//! A piecewise linear Φ through given points: anything from a file.
//!
//! | input | answer |
//! |---|---|
//! | fewer than two points | error |
//! | u outside \[0,1\], NaN, not strictly increasing | error that names the row |
//! | Φ not finite | error that names the row |
//! | Φ falls somewhere | allowed; [`Table::first_fall`] says where, for a warning |
//! | u beyond the first or last point | that point's Φ |

use std::fmt;

use super::Transform;
use crate::{Error, Quantile, Result, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "table",
    syntax: "table:FILE",
    example: "table:phi.csv",
    summary: "piecewise linear through the rows `u,phi` of a CSV file",
};

/// Φ by linear interpolation.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    source: String,
    us: Vec<f64>,
    values: Vec<f64>,
    bounds: (f64, f64),
}

impl Table {
    /// Φ through the points (u, Φ), named by the file they came from.
    ///
    /// # Errors
    /// See the head of this file.
    pub fn new(source: impl Into<String>, points: &[(f64, f64)]) -> Result<Self> {
        if points.len() < 2 {
            return Err(Error::TooFewPoints {
                name: "table",
                have: points.len(),
                needed: 2,
            });
        }
        for (index, &(u, value)) in points.iter().enumerate() {
            if !(0.0..=1.0).contains(&u) {
                return Err(Error::BadValue {
                    name: "u",
                    index,
                    value: u,
                    allowed: "in [0,1]",
                });
            }
            if index > 0 && u <= points[index - 1].0 {
                return Err(Error::BadValue {
                    name: "u",
                    index,
                    value: u,
                    allowed: "greater than the one before it",
                });
            }
            if !value.is_finite() {
                return Err(Error::BadValue {
                    name: "phi",
                    index,
                    value,
                    allowed: "finite",
                });
            }
        }
        let (us, values): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(Self {
            source: source.into(),
            us,
            values,
            bounds: (low, high),
        })
    }

    /// The first pair of neighbouring us between which Φ falls.
    #[must_use]
    pub fn first_fall(&self) -> Option<(f64, f64)> {
        let at = self.values.windows(2).position(|w| w[1] < w[0])?;
        Some((self.us[at], self.us[at + 1]))
    }

    /// Φ(u) − base, measured from the nearer knot so that small distances keep their digits.
    fn relative(&self, u: Quantile, base: f64) -> f64 {
        let n = self.us.len();
        let right = self.us.partition_point(|&knot| knot <= u.below());
        if right == 0 {
            return self.values[0] - base;
        }
        if right == n {
            return self.values[n - 1] - base;
        }
        let (a, b) = (self.us[right - 1], self.us[right]);
        let (ya, yb) = (self.values[right - 1], self.values[right]);
        let slope = (yb - ya) / (b - a);
        let (from_a, to_b) = (u.below() - a, u.above() - (1.0 - b));
        if to_b < from_a {
            (yb - base) - slope * to_b
        } else {
            (ya - base) + slope * from_a
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table:{}", self.source)
    }
}

impl Transform for Table {
    fn value(&self, u: Quantile) -> f64 {
        self.relative(u, 0.0)
    }

    fn bounds(&self) -> (f64, f64) {
        self.bounds
    }

    fn gap(&self, u: Quantile) -> f64 {
        self.relative(u, self.bounds.1)
    }

    fn is_monotone(&self) -> bool {
        self.first_fall().is_none()
    }

    fn breakpoints(&self) -> &[f64] {
        &self.us
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tables are valid")]

    use super::*;

    #[test]
    fn interpolates_and_extends() {
        let t = Table::new("x", &[(0.2, 1.0), (0.6, 3.0), (1.0, 2.0)]).unwrap();
        for (u, want) in [
            (0.0, 1.0),
            (0.2, 1.0),
            (0.4, 2.0),
            (0.6, 3.0),
            (0.8, 2.5),
            (1.0, 2.0),
        ] {
            assert!((t.value(Quantile::new(u)) - want).abs() < 1e-15);
            assert!((t.gap(Quantile::new(u)) - (want - 3.0)).abs() < 1e-15);
        }
        assert_eq!(t.first_fall(), Some((0.6, 1.0)));
        assert!(!t.is_monotone());
    }

    #[test]
    fn each_fault_names_its_row() {
        let nan = f64::NAN;
        for (points, place) in [
            (vec![(0.0, 0.0)], "1 point"),
            (vec![(0.0, 0.0), (0.0, 1.0)], "u[1]"),
            (vec![(0.0, 0.0), (1.5, 1.0)], "u[1]"),
            (vec![(nan, 0.0), (1.0, 1.0)], "u[0]"),
            (vec![(0.0, 0.0), (1.0, nan)], "phi[1]"),
        ] {
            let message = Table::new("x", &points).unwrap_err().to_string();
            assert!(message.contains(place), "{message}");
        }
    }
}
