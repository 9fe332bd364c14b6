//! A rank-based procedure given by a table of its CDF map G: measured, or computed elsewhere.
//!
//! Between the points G is the monotone cubic of Fritsch and Carlson (SIAM J. Numer. Anal. 17, 1980; slopes by the harmonic mean
//! of Fritsch and Butland), so that G never decreases and g = G′ is continuous.
//!
//! | input | answer |
//! |---|---|
//! | fewer than two points | error |
//! | first point not (0,0), last not (1,1) | error |
//! | u not strictly increasing, G decreasing, NaN | error that names the row |

use std::fmt;

use super::{At, Procedure, Shape};
use crate::{Error, Quantile, Result, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "cdf",
    syntax: "cdf:FILE",
    example: "cdf:map.csv",
    summary: "your own rank-based procedure: its CDF map G through the rows `u,g` of a CSV file",
};

/// G through given points.
#[derive(Debug, Clone, PartialEq)]
pub struct Tabulated {
    source: String,
    us: Vec<f64>,
    values: Vec<f64>,
    slopes: Vec<f64>,
}

impl Tabulated {
    /// The procedure whose CDF map goes through the points (u, G), named by the file they came from.
    ///
    /// # Errors
    /// See the head of this file.
    pub fn new(source: impl Into<String>, points: &[(f64, f64)]) -> Result<Self> {
        let name = "CDF table";
        if points.len() < 2 {
            return Err(Error::TooFewPoints {
                name,
                have: points.len(),
                needed: 2,
            });
        }
        let bad = |name, index, value, allowed| Error::BadValue {
            name,
            index,
            value,
            allowed,
        };
        for (index, &(u, g)) in points.iter().enumerate() {
            let before = index.checked_sub(1).map(|i| points[i]);
            if u.is_nan() || before.is_some_and(|(last, _)| u <= last) {
                return Err(bad("u", index, u, "greater than the one before it"));
            }
            if g.is_nan() || before.is_some_and(|(_, last)| g < last) {
                return Err(bad("g", index, g, "at least the one before it"));
            }
        }
        let last = points.len() - 1;
        for (index, end) in [(0, 0.0), (last, 1.0)] {
            let (u, g) = points[index];
            let allowed = if index == 0 {
                "0 in the first row"
            } else {
                "1 in the last row"
            };
            if u != end {
                return Err(bad("u", index, u, allowed));
            }
            if g != end {
                return Err(bad("g", index, g, allowed));
            }
        }
        let (us, values): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        let secants: Vec<(f64, f64)> = points
            .windows(2)
            .map(|w| (w[1].0 - w[0].0, (w[1].1 - w[0].1) / (w[1].0 - w[0].0)))
            .collect();
        let slopes = (0..=last)
            .map(
                |i| match (i.checked_sub(1).map(|i| secants[i]), secants.get(i)) {
                    (Some((ha, a)), Some(&(hb, b))) if a > 0.0 && b > 0.0 => {
                        let (wa, wb) = (2.0 * hb + ha, hb + 2.0 * ha);
                        (wa + wb) / (wa / a + wb / b)
                    }
                    (Some(_), Some(_)) => 0.0,
                    (Some(near), None) => end_slope(near, last.checked_sub(2).map(|i| secants[i])),
                    (None, Some(&near)) => end_slope(near, secants.get(1).copied()),
                    (None, None) => 0.0,
                },
            )
            .collect();
        Ok(Self {
            source: source.into(),
            us,
            values,
            slopes,
        })
    }

    /// G and g at u.
    fn at(&self, u: f64) -> (f64, f64) {
        let right = self
            .us
            .partition_point(|&knot| knot <= u)
            .clamp(1, self.us.len() - 1);
        let (a, b) = (right - 1, right);
        let h = self.us[b] - self.us[a];
        let t = (u - self.us[a]) / h;
        let (ya, yb) = (self.values[a], self.values[b]);
        let (da, db) = (self.slopes[a] * h, self.slopes[b] * h);
        let rise = yb - ya;
        let (c2, c3) = (3.0 * rise - 2.0 * da - db, da + db - 2.0 * rise);
        (
            ya + t * (da + t * (c2 + t * c3)),
            (da + t * (2.0 * c2 + 3.0 * t * c3)) / h,
        )
    }
}

/// The slope at an end by the parabola through its three nearest points, kept within 0 and three times the end's secant; `near` and
/// `next` are (width, secant) of the end's piece and of the one after it.
fn end_slope(near: (f64, f64), next: Option<(f64, f64)>) -> f64 {
    let Some((h1, d1)) = next else { return near.1 };
    let (h0, d0) = near;
    (((2.0 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)).clamp(0.0, 3.0 * d0)
}

impl fmt::Display for Tabulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cdf:{}", self.source)
    }
}

impl Procedure for Tabulated {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        Quantile::new(self.at(at.f.below()).0)
    }

    fn density(&self, at: &At<'_>) -> f64 {
        self.at(at.f.below()).1.max(0.0)
    }

    fn breakpoints(&self) -> &[f64] {
        &self.us
    }

    fn shape(&self) -> Shape {
        let rising = self.slopes.windows(2).all(|w| w[1] >= w[0]);
        let falling = self.slopes.windows(2).all(|w| w[1] <= w[0]);
        // The cubic between knots may still bend the other way, so neither is claimed for W unless G is a straight line.
        if rising && falling {
            Shape::Concave
        } else {
            Shape::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tables are valid")]

    use super::*;

    #[test]
    fn follows_a_power_map_closely() {
        let points: Vec<(f64, f64)> = (0..=256)
            .map(|i| f64::from(i) / 256.0)
            .map(|u| (u, u.powi(4)))
            .collect();
        let t = Tabulated::new("x", &points).unwrap();
        for i in 0..=1000 {
            let u = f64::from(i) / 1000.0;
            let (g, d) = t.at(u);
            let (dg, dd) = ((g - u.powi(4)).abs(), (d - 4.0 * u.powi(3)).abs());
            assert!(dg < 1e-5 && dd < 2e-2, "u = {u}: {dg} {dd}");
        }
    }

    #[test]
    fn each_fault_names_its_row() {
        for (points, place) in [
            (vec![(0.0, 0.0)], "1 point"),
            (vec![(0.1, 0.0), (1.0, 1.0)], "u[0] = 0.1"),
            (vec![(0.0, 0.0), (1.0, 0.9)], "g[1] = 0.9"),
            (
                vec![(0.0, 0.0), (0.5, 0.6), (0.4, 0.7), (1.0, 1.0)],
                "u[2] = 0.4",
            ),
            (
                vec![(0.0, 0.0), (0.5, 0.6), (0.6, 0.5), (1.0, 1.0)],
                "g[2] = 0.5",
            ),
            (vec![(0.0, 0.0), (f64::NAN, 0.6), (1.0, 1.0)], "u[1] = NaN"),
        ] {
            let message = Tabulated::new("x", &points).unwrap_err().to_string();
            assert!(message.contains(place), "{message}");
        }
    }
}
