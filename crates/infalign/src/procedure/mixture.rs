//! A mixture Σ wᵢTᵢ: deployment's N varies from user to user.
//!
//! Each side draws its own i with probability wᵢ, so H = Σ wᵢHᵢ on both sides; every derivative is the weighted sum.
//! A mixture of concave W is not concave in general (the sides need not draw the same i), but H = Σ wᵢGᵢ(F) is convex when every
//! Gᵢ is, and then W = `1 − ∫ H dH_p` is concave again.

use std::{fmt, sync::Arc};

use rand::{Rng, RngExt};

use super::{At, KIND, OrderTerm, Procedure, ProcedureSpec, Shape};
use crate::{
    Error, Quantile, Result,
    registry::{self, Entry},
};

pub(super) const ENTRY: Entry = Entry {
    name: "mixture",
    syntax: "mixture:W*P+W*P…",
    example: "mixture:0.5*best-of:2+0.5*best-of:8",
    summary: "procedure P with probability W: N is uncertain in deployment",
};

/// Procedures with their probabilities.
#[derive(Debug, Clone)]
pub struct Mixture {
    parts: Vec<(f64, Arc<dyn Procedure>)>,
    anchors: Vec<f64>,
    breakpoints: Vec<f64>,
}

impl Mixture {
    /// The mixture of `parts`.
    ///
    /// # Errors
    /// [`Error::Empty`] without parts; [`Error::BadValue`] for a weight that is not positive; [`Error::Masses`] unless the weights
    /// sum to 1 within 10⁻⁶.
    pub fn new(parts: Vec<(f64, Arc<dyn Procedure>)>) -> Result<Self> {
        if parts.is_empty() {
            return Err(Error::Empty { name: "mixture" });
        }
        for (index, &(value, _)) in parts.iter().enumerate() {
            if !(value.is_finite() && value > 0.0) {
                let (name, allowed) = ("weights of the mixture", "a positive number");
                return Err(Error::BadValue {
                    name,
                    index,
                    value,
                    allowed,
                });
            }
        }
        let sum: f64 = parts.iter().map(|(w, _)| w).sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(Error::Masses {
                name: "weights of the mixture",
                sum,
            });
        }
        let anchors = parts
            .iter()
            .flat_map(|(_, p)| p.anchors())
            .copied()
            .collect();
        let breakpoints = parts
            .iter()
            .flat_map(|(_, p)| p.breakpoints())
            .copied()
            .collect();
        Ok(Self {
            parts,
            anchors,
            breakpoints,
        })
    }

    /// Σ wᵢ value(part i, the place with that part's anchors), with weights that sum to exactly 1.
    fn sum(&self, at: &At<'_>, value: impl Fn(&dyn Procedure, &At<'_>) -> f64) -> f64 {
        let mut rest = at.anchors;
        let (mut sum, mut total) = (0.0, 0.0);
        for (weight, part) in &self.parts {
            let (own, others) = rest.split_at(part.anchors().len());
            rest = others;
            sum += weight
                * value(
                    part.as_ref(),
                    &At {
                        anchors: own,
                        ..*at
                    },
                );
            total += weight;
        }
        sum / total
    }
}

impl fmt::Display for Mixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mixture:")?;
        for (i, (weight, part)) in self.parts.iter().enumerate() {
            write!(f, "{}{weight}*{part}", if i == 0 { "" } else { "+" })?;
        }
        Ok(())
    }
}

impl Procedure for Mixture {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        Quantile::from_masses(
            self.sum(at, |p, at| p.cdf(at).below()),
            self.sum(at, |p, at| p.cdf(at).above()),
        )
    }

    fn density(&self, at: &At<'_>) -> f64 {
        self.sum(at, |p, at| p.density(at))
    }

    fn density_slope(&self, at: &At<'_>) -> f64 {
        self.sum(at, |p, at| p.density_slope(at))
    }

    fn anchors(&self) -> &[f64] {
        &self.anchors
    }

    fn anchor_slope(&self, k: usize, at: &At<'_>) -> f64 {
        let mut first = 0;
        for (weight, part) in &self.parts {
            let count = part.anchors().len();
            if k < first + count {
                let own = At {
                    anchors: &at.anchors[first..first + count],
                    ..*at
                };
                return weight * part.anchor_slope(k - first, &own);
            }
            first += count;
        }
        0.0
    }

    fn breakpoints(&self) -> &[f64] {
        &self.breakpoints
    }

    fn shape(&self) -> Shape {
        let shape = self.parts[0].1.shape();
        if self.parts.iter().all(|(_, p)| p.shape() == shape) {
            shape
        } else {
            Shape::Unknown
        }
    }

    fn order_terms(&self) -> Option<Vec<OrderTerm>> {
        let mut terms = Vec::new();
        for (weight, part) in &self.parts {
            for term in part.order_terms()? {
                terms.push(OrderTerm {
                    weight: weight * term.weight,
                    ..term
                });
            }
        }
        Some(terms)
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, rng: &mut dyn Rng) -> Option<f64> {
        let mut point = rng.random::<f64>();
        let last = self.parts.len() - 1;
        for (i, (weight, part)) in self.parts.iter().enumerate() {
            if point < *weight || i == last {
                return part.execute(draw, rng);
            }
            point -= weight;
        }
        None
    }
}

/// `W*P+W*P…`; a `+` inside a number (`1e+2`) does not separate, since every part holds a `*`.
pub(super) fn parse(text: &str, parameters: &str, entry: &Entry) -> Result<Mixture> {
    let bad = |why: String| registry::malformed(KIND, text, why, entry);
    let mut pieces: Vec<String> = Vec::new();
    for piece in parameters.split('+') {
        match pieces.last_mut() {
            Some(last) if !piece.contains('*') => {
                last.push('+');
                last.push_str(piece);
            }
            _ => pieces.push(piece.to_owned()),
        }
    }
    let mut parts = Vec::new();
    for piece in &pieces {
        let (weight, inner) = piece
            .split_once('*')
            .ok_or_else(|| bad(format!("`{piece}` is not WEIGHT*PROCEDURE")))?;
        let weight = registry::number(weight)
            .ok_or_else(|| bad(format!("the weight `{weight}` is not a number")))?;
        match inner.parse::<ProcedureSpec>()? {
            ProcedureSpec::Ready(part) if !inner.trim().starts_with("mixture") => {
                parts.push((weight, part));
            }
            other => return Err(bad(format!("`{other}` cannot be part of a mixture"))),
        }
    }
    Mixture::new(parts)
}
