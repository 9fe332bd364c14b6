//! A procedure against the base policy on a grid: win rates, their functional derivative, and its action on a direction.
//!
//! T(π) has density d(u) f(u) with d = ∂H/∂F at F = the policy's CDF, T(p) has CDF `H_p` and density `h_p`. Derived from the definition
//! W^T(π) = P(T(p) < T(π)) (no ties, no atoms):
//!
//! ```text
//! W = ∫ d f H_p du = 1 − ∫ d f (1 − H_p) du.
//! ```
//!
//! For a change δf of the density, δF(u) = ∫₀ᵘ δf and `δa_k = ∫₀^{τ_k} δf`. With `W = 1 − ∫ H(F(u), a) h_p(u) du`,
//! `δW = −∫ [d δF + Σ_k (∂H/∂a_k) δa_k] h_p du`; exchanging the order of integration gives ∫ Φ δf with
//!
//! ```text
//! Φ(u) = −∫_u^1 d h_p dv − Σ_k 1[u ≤ τ_k] ∫₀¹ (∂H/∂a_k) h_p dv,
//! ```
//!
//! the reward that the coupled optimum trains with (\[IA\], arXiv 2412.19792, main theorem; for best-of-N `d h_p = N²F^{N−1}v^{N−1}`). One more
//! variation, for rank-based procedures: `DΦ[δf](u) = −∫_u^1 g′(F) δF h_p dv`.

use std::sync::Arc;

use crate::{
    Quantile,
    law::Law,
    numeric::grid::Grid,
    procedure::{At, Procedure, Shape},
};

/// A procedure, and what it makes of the base policy at the nodes of a grid.
#[derive(Debug, Clone)]
pub struct Deployment {
    procedure: Arc<dyn Procedure>,
    grid: Arc<Grid>,
    /// `H_p(u)` and `1 − H_p(u)`.
    base_cdf: Vec<Quantile>,
    /// `h_p(u)`.
    base_density: Vec<f64>,
}

impl Deployment {
    /// The procedure on a grid of its own that resolves it, with panel edges also at `breakpoints`.
    #[must_use]
    pub fn new(procedure: Arc<dyn Procedure>, breakpoints: &[f64]) -> Self {
        let mut edges = breakpoints.to_vec();
        edges.extend_from_slice(procedure.anchors());
        edges.extend_from_slice(procedure.breakpoints());
        let base_anchors = base_anchors(procedure.as_ref());
        let grid = Grid::new(&edges).refined(|grid| {
            grid.nodes()
                .iter()
                .map(|&u| {
                    procedure.density(&At {
                        u,
                        f: u,
                        anchors: &base_anchors,
                    })
                })
                .collect()
        });
        Self::on_grid(procedure, Arc::new(grid))
    }

    /// The procedure on a given grid, which should have edges at its anchors and breakpoints.
    #[must_use]
    pub fn on_grid(procedure: Arc<dyn Procedure>, grid: Arc<Grid>) -> Self {
        let anchors = base_anchors(procedure.as_ref());
        let places = grid.nodes().iter().map(|&u| At {
            u,
            f: u,
            anchors: &anchors,
        });
        let base_density = places.clone().map(|at| procedure.density(&at)).collect();
        let base_cdf = places.map(|at| procedure.cdf(&at)).collect();
        Self {
            procedure,
            grid,
            base_cdf,
            base_density,
        }
    }

    /// The procedure.
    #[must_use]
    pub const fn procedure(&self) -> &Arc<dyn Procedure> {
        &self.procedure
    }

    /// The grid that laws must be on.
    #[must_use]
    pub const fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// Density `h_p` of T(p) at the nodes.
    #[must_use]
    pub fn base_density(&self) -> &[f64] {
        &self.base_density
    }

    /// F at the procedure's anchors.
    fn anchors_under(&self, law: &Law) -> Vec<Quantile> {
        self.procedure
            .anchors()
            .iter()
            .map(|&tau| law.cdf_at(Quantile::new(tau)))
            .collect()
    }

    /// d = ∂H/∂F at the nodes: the density of T(π) is d·f.
    #[must_use]
    pub fn output_density(&self, law: &Law) -> Vec<f64> {
        let anchors = self.anchors_under(law);
        let places = self.grid.nodes().iter().zip(law.cdf());
        places
            .map(|(&u, &f)| {
                self.procedure.density(&At {
                    u,
                    f,
                    anchors: &anchors,
                })
            })
            .collect()
    }

    /// Inference-time win rate W^T(π), in \[0,1\]. Summed from the nearer end, so that 1 − W keeps its digits.
    #[must_use]
    pub fn win_rate(&self, law: &Law) -> f64 {
        self.win_rate_with(law, &self.output_density(law))
    }

    pub(crate) fn win_rate_with(&self, law: &Law, output: &[f64]) -> f64 {
        let (mut won, mut lost, mut mass) = (0.0, 0.0, 0.0);
        let weights = self.grid.weights().iter().zip(law.density()).zip(output);
        for (((w, f), d), h) in weights.zip(&self.base_cdf) {
            let m = w * f * d;
            mass += m;
            won += m * h.below();
            lost += m * h.above();
        }
        // `mass` is 1 up to the grid's error; what is left of that error goes to the nearer side.
        if won > lost {
            1.0 - lost / mass
        } else {
            won / mass
        }
    }

    /// 1 − W^T(π), accurate where W is within rounding of 1.
    #[must_use]
    pub fn loss_rate(&self, law: &Law) -> f64 {
        let output = self.output_density(law);
        let places = self
            .grid
            .weights()
            .iter()
            .zip(law.density())
            .zip(&output)
            .zip(&self.base_cdf);
        places.map(|(((w, f), d), h)| w * f * d * h.above()).sum()
    }

    /// Φ = δW/δf at the nodes, zero at u = 1: the reward of the coupled optimum at this policy.
    #[must_use]
    pub fn gradient(&self, law: &Law) -> Vec<f64> {
        self.gradient_with(law, &self.output_density(law))
    }

    pub(crate) fn gradient_with(&self, law: &Law, output: &[f64]) -> Vec<f64> {
        let integrand: Vec<f64> = output
            .iter()
            .zip(&self.base_density)
            .map(|(d, h)| d * h)
            .collect();
        let mut phi = vec![0.0; self.grid.len()];
        self.grid.running_above(&integrand, &mut phi);
        for p in &mut phi {
            *p = -*p;
        }
        let anchors = self.anchors_under(law);
        for (k, &tau) in self.procedure.anchors().iter().enumerate() {
            let slopes: Vec<f64> = self
                .grid
                .nodes()
                .iter()
                .zip(law.cdf())
                .map(|(&u, &f)| {
                    self.procedure.anchor_slope(
                        k,
                        &At {
                            u,
                            f,
                            anchors: &anchors,
                        },
                    )
                })
                .collect();
            let jump = self.grid.inner(&slopes, &self.base_density);
            for (p, u) in phi.iter_mut().zip(self.grid.nodes()) {
                if u.below() <= tau {
                    *p -= jump;
                }
            }
        }
        phi
    }

    /// `g′(F) h_p` at the nodes: what [`Self::curvature`] multiplies δF with. `None` where thresholds enter, whose second
    /// derivatives are not asked of a procedure.
    pub(crate) fn curvature_factor(&self, law: &Law) -> Option<Vec<f64>> {
        self.procedure.anchors().is_empty().then(|| {
            let places = self
                .grid
                .nodes()
                .iter()
                .zip(law.cdf())
                .zip(&self.base_density);
            places
                .map(|((&u, &f), h)| self.procedure.density_slope(&At { u, f, anchors: &[] }) * h)
                .collect()
        })
    }

    /// DΦ\[δf\] at the nodes for δf = `change`.
    pub(crate) fn curvature(&self, factor: &[f64], change: &[f64]) -> Vec<f64> {
        let mut shift = vec![0.0; change.len()];
        self.grid.running_below(change, &mut shift);
        for (s, c) in shift.iter_mut().zip(factor) {
            *s *= c;
        }
        let mut out = vec![0.0; change.len()];
        self.grid.running_above(&shift, &mut out);
        for o in &mut out {
            *o = -*o;
        }
        out
    }

    /// The law of T(p): the base's own procedure, taken as a policy.
    #[must_use]
    pub fn base_law(&self) -> Law {
        let tilt: Vec<f64> = self
            .base_density
            .iter()
            .map(|h| h.max(f64::MIN_POSITIVE).ln())
            .collect();
        Law::from_log_tilt(Arc::clone(&self.grid), &tilt)
    }

    /// This deployment on a grid that is halved where a policy is not resolved.
    pub(crate) fn refined_for(&self, law: &Law) -> Option<Self> {
        let grid = self
            .grid
            .halved_where_coarse(law.density())
            .or_else(|| self.grid.halved_where_coarse(&self.output_of(law)))?;
        Some(Self::on_grid(Arc::clone(&self.procedure), Arc::new(grid)))
    }

    /// Density of T(π).
    fn output_of(&self, law: &Law) -> Vec<f64> {
        self.output_density(law)
            .iter()
            .zip(law.density())
            .map(|(d, f)| d * f)
            .collect()
    }

    /// The shape of W.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.procedure.shape()
    }
}

/// F at the anchors for the base itself: τ.
fn base_anchors(procedure: &dyn Procedure) -> Vec<Quantile> {
    procedure
        .anchors()
        .iter()
        .map(|&tau| Quantile::new(tau))
        .collect()
}
