//! From values to places on the drawing: the plot's rectangle, and lines cut at its edges.

use crate::panel::Panel;

/// The rectangle in which a panel's values are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Left edge.
    pub(crate) left: f64,
    /// Right edge.
    pub(crate) right: f64,
    /// Upper edge.
    pub(crate) top: f64,
    /// Lower edge.
    pub(crate) bottom: f64,
}

impl Frame {
    /// The frame of a panel of this size whose ticks need `ticks` units at the left, and the names of its lines `labels` at the right.
    pub(crate) fn new((width, height): (f64, f64), (ticks, labels): (f64, f64)) -> Self {
        Self {
            left: ticks.max(40.0),
            right: width - labels - 8.0,
            top: 66.0,
            bottom: height - 46.0,
        }
    }

    /// Where a value lies on the drawing.
    pub(crate) fn place(&self, panel: &Panel, x: f64, y: f64) -> (f64, f64) {
        (
            self.left + panel.x.share(x) * (self.right - self.left),
            self.bottom - panel.y.share(y) * (self.bottom - self.top),
        )
    }

    /// Whether a place lies within, give or take half a unit.
    pub(crate) fn holds(&self, (x, y): (f64, f64)) -> bool {
        x >= self.left - 0.5
            && x <= self.right + 0.5
            && y >= self.top - 0.5
            && y <= self.bottom + 0.5
    }

    /// The pieces of a path that lie within (Liang and Barsky, segment by segment).
    pub(crate) fn clip(&self, path: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
        for pair in path.windows(2) {
            let Some((from, to)) = self.cut(pair[0], pair[1]) else {
                continue;
            };
            match pieces.last_mut() {
                Some(piece) if piece.last() == Some(&from) => piece.push(to),
                _ => pieces.push(vec![from, to]),
            }
        }
        pieces
    }

    /// The part of a segment that lies within.
    fn cut(&self, a: (f64, f64), b: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for (slope, room) in [
            (-dx, a.0 - self.left),
            (dx, self.right - a.0),
            (-dy, a.1 - self.top),
            (dy, self.bottom - a.1),
        ] {
            if slope == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if slope < 0.0 {
                enter = enter.max(room / slope);
            } else {
                leave = leave.min(room / slope);
            }
        }
        let at = |t: f64| {
            if t == 0.0 {
                a
            } else if t == 1.0 {
                b
            } else {
                (a.0 + t * dx, a.1 + t * dy)
            }
        };
        (enter <= leave).then(|| (at(enter), at(leave)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_at_the_edges() {
        let frame = Frame {
            left: 0.0,
            right: 10.0,
            top: 0.0,
            bottom: 10.0,
        };
        assert_eq!(
            frame.clip(&[(1.0, 1.0), (9.0, 9.0)]),
            [[(1.0, 1.0), (9.0, 9.0)]]
        );
        assert_eq!(
            frame.clip(&[(5.0, 5.0), (15.0, 5.0)]),
            [[(5.0, 5.0), (10.0, 5.0)]]
        );
        assert!(frame.clip(&[(11.0, 1.0), (12.0, 9.0)]).is_empty());
        // Out through the right edge and back: two pieces.
        let pieces = frame.clip(&[(5.0, 2.0), (15.0, 5.0), (5.0, 8.0)]);
        assert_eq!(
            pieces,
            [[(5.0, 2.0), (10.0, 3.5)], [(10.0, 6.5), (5.0, 8.0)]]
        );
        assert!(frame.clip(&[(5.0, 5.0)]).is_empty());
    }
}
