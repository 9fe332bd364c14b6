//! A bracketing root finder with Newton's speed: every step stays inside a shrinking bracket.

/// Where and how well a root was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Root {
    pub(crate) x: f64,
    /// |f(x)| at the end.
    pub(crate) residual: f64,
}

/// The root of a decreasing f, given with its derivative, on `[low, high]` from `start`.
///
/// Newton steps; a step that leaves the bracket, or does not halve |f| within two steps, is replaced
/// by bisection. Stops at |f| ≤ `tolerance` or when the bracket is two neighbouring doubles wide. A root outside the
/// bracket returns the nearer end with its residual: the caller decides what that means.
pub(crate) fn decreasing(
    mut f: impl FnMut(f64) -> (f64, f64),
    (mut low, mut high): (f64, f64),
    start: f64,
    tolerance: f64,
) -> Root {
    let mut x = start.clamp(low, high);
    let mut previous = [f64::INFINITY; 2];
    let mut best = Root {
        x,
        residual: f64::INFINITY,
    };
    for _ in 0..200 {
        let (value, slope) = f(x);
        if value.abs() < best.residual {
            best = Root {
                x,
                residual: value.abs(),
            };
        }
        if value.abs() <= tolerance {
            break;
        }
        if value > 0.0 || value.is_nan() {
            low = x;
        } else {
            high = x;
        }
        let newton = x - value / slope;
        let slow = value.abs() > 0.5 * previous[1];
        previous = [value.abs(), previous[0]];
        let next = if newton > low && newton < high && !slow {
            newton
        } else {
            0.5 * (low + high)
        };
        if next == x || low >= high {
            break;
        }
        x = next;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converges_quadratically_and_stays_inside() {
        let mut calls = 0;
        let root = decreasing(
            |x| {
                calls += 1;
                (2.0 - x.exp(), -x.exp())
            },
            (-50.0, 50.0),
            0.0,
            1e-14,
        );
        assert!((root.x - 2f64.ln()).abs() < 1e-14);
        assert!(calls < 10, "{calls} calls");
    }

    #[test]
    fn a_root_outside_returns_the_nearer_end() {
        let root = decreasing(|x| (5.0 - x, -1.0), (0.0, 1.0), 0.5, 1e-12);
        assert!((root.x - 1.0).abs() < 1e-9 && root.residual > 3.9);
    }
}
