//! What a calibration from K frozen rollouts costs: expected win rates and KL with Ĉ in place of C.
//!
//! Each prompt keeps a table z of K rollouts of the base policy. In quantile space they are K uniform points that cut
//! \[0,1\] into gaps `D_0, …, D_K` with law Dirichlet(1,…,1), and `Ĉ_z(u) = #{z_i < u}/K` is b/K on gap b (no ties: a fresh
//! response has a reward of its own). The policy that Φ(Ĉ) leads to is normalised prompt by prompt:
//!
//! ```text
//! f_z = e_b/Z_z on gap b,   e_b = e^{Φ(b/K)/β},   Z_z = Σ_b D_b e_b
//! ```
//!
//! Wanted are averages over z. KL and standard win rate are one-dimensional integrals (`sums.rs`). For the inference-time win
//! rate, `W = 1 − ∫ G(F_z(v)) g(v) dv` (derived): let V be uniform, independent of z. V and the points of z are K + 1 exchangeable
//! uniform points, so V's rank b is uniform on 0..K, and V ~ Beta(b+1, K−b+1) given b. Given b and V, the b points below are uniform
//! on \[0,V\] and cut it into V·Dirichlet(1^{b+1}); those above cut the rest into (1−V)·Dirichlet(1^{K−b+1}); the gap that holds V
//! ends one and begins the other. Hence V, `m_L` (the Dirichlet mean of `e_0, …, e_b`) and `m_R` (that of `e_b, …, e_K`) are
//! independent given b, the masses on either side of V are `V m_L/Z_z` and `(1−V) m_R/Z_z`, and
//!
//! ```text
//! E_z W = 1 − 1/(K+1) Σ_b E[ G( V m_L/(V m_L + (1−V) m_R) ) g(V) | b ]
//! ```
//!
//! No approximation so far; the means are then replaced by Gauss rules (`dirichlet.rs`) and the rest is quadrature
//! (`win_rate.rs`). Error of the win rate: below 10⁻⁴ for K ≥ 32 and 10⁻³ for K ≥ 10 where Φ suits the procedure and KL ≤ 2 (a Φ
//! that does not, exp:20 for the median of 5 at KL 2, has 1.5·10⁻⁴ at K = 32); of KL and the standard win rate: 10⁻⁸.
//!
//! At a fixed β, freezing makes the KL *rise* where Φ is steep, so the loss at equal KL is larger than at equal β: plan with
//! [`cost_at_kl`].
//!
//! | input | answer |
//! |---|---|
//! | K = 0 | error |
//! | Φ unbounded | clamped to \[1/(2K), 1−1/(2K)\], as training does |
//! | Φ(b/K) the same for all b | the base policy: KL 0 |
//! | a KL beyond the reach of K rollouts, 1 + 1/2 + … + 1/K nats for increasing Φ | [`Error::KlUnreachable`] |
//! | a procedure with thresholds (rewind, mixtures holding one) | [`Error::Unsupported`]; on levels they are no exception |
//!
//! Rewards with ties are another matter: [`LevelCost`] (`levels.rs`).

mod dirichlet;
mod levels;
mod sums;
mod tables;
mod win_rate;

pub use levels::LevelCost;

use win_rate::Curve;

use crate::{
    Error, Quantile, Result,
    numeric::root,
    procedure::Procedure,
    transform::{Transform, clamp},
};

/// The largest K that [`smallest_k`] considers.
pub const MAX_K: usize = 4096;

/// Averages over the frozen tables of K rollouts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FiniteK {
    /// KL(π‖p) in nats, spent per prompt.
    pub kl: f64,
    /// Inference-time win rate, in \[0,1\].
    pub win_rate: f64,
    /// Win rate of one plain sample, in \[0,1\].
    pub standard_win_rate: f64,
}

/// Figures of the tilt by Φ(Ĉ) at price β when Ĉ comes from `k` rollouts per prompt.
///
/// # Errors
/// [`Error::OutOfRange`] for a β that is not positive and finite, or k = 0; [`Error::Unsupported`] for a procedure with thresholds.
pub fn cost(
    procedure: &dyn Procedure,
    transform: &dyn Transform,
    beta: f64,
    k: usize,
) -> Result<FiniteK> {
    check_rank_based(procedure)?;
    check_beta(beta)?;
    let ranks = Ranks::new(transform, k)?;
    Ok(ranks.tilt(beta).figures(&Curve::new(procedure)))
}

/// KL(π‖p) in nats that the tilt by Φ(Ĉ) at price β spends on average: [`cost`] without its win rates, at a small part of the time.
///
/// # Errors
/// [`Error::OutOfRange`] for a β that is not positive and finite, or k = 0.
pub fn kl_at_beta(transform: &dyn Transform, beta: f64, k: usize) -> Result<f64> {
    check_beta(beta)?;
    let tilt = Ranks::new(transform, k)?.tilt(beta);
    Ok(sums::spent(&tilt.t, &tilt.e).kl)
}

/// The β at which training with `k` rollouts per prompt spends `kl` nats on average.
///
/// # Errors
/// [`Error::OutOfRange`] for a KL that is not positive and finite, or k = 0; [`Error::KlUnreachable`] where `k` rollouts cannot spend it.
pub fn beta_for_kl(transform: &dyn Transform, kl: f64, k: usize) -> Result<f64> {
    crate::tilted::check_kl(kl)?;
    Ranks::new(transform, k)?.beta_for_kl(kl, None)
}

/// That β, and the figures there.
///
/// # Errors
/// Those of [`cost`] and [`beta_for_kl`].
pub fn cost_at_kl(
    procedure: &dyn Procedure,
    transform: &dyn Transform,
    kl: f64,
    k: usize,
) -> Result<(f64, FiniteK)> {
    check_rank_based(procedure)?;
    crate::tilted::check_kl(kl)?;
    let ranks = Ranks::new(transform, k)?;
    let beta = ranks.beta_for_kl(kl, None)?;
    Ok((beta, ranks.tilt(beta).figures(&Curve::new(procedure))))
}

/// The smallest K up to [`MAX_K`] whose win rate at `kl` nats *spent* is within `wanted_loss` of `perfect`, the win rate of perfect
/// calibration at that KL (of [`crate::TiltedPolicy::at_kl`] under [`crate::Deployment`]); `None` if there is none.
///
/// The loss falls with K, nearly as 1/K: the search brackets its crossing in (log K, log loss) and ends on neighbouring Ks.
///
/// # Errors
/// Those of [`cost_at_kl`], except that a K which cannot spend `kl` counts as too small; [`Error::OutOfRange`] for a wanted loss that is
/// not positive and finite.
pub fn smallest_k(
    procedure: &dyn Procedure,
    transform: &dyn Transform,
    kl: f64,
    perfect: f64,
    wanted_loss: f64,
) -> Result<Option<usize>> {
    check_rank_based(procedure)?;
    crate::tilted::check_kl(kl)?;
    check_wanted(wanted_loss)?;
    let curve = Curve::new(procedure);
    let mut guess = None;
    let loss_at = |k: usize| -> Result<f64> {
        let ranks = Ranks::new(transform, k)?;
        match ranks.beta_for_kl(kl, guess) {
            Ok(beta) => {
                guess = Some(beta);
                Ok(perfect - win_rate::win_rate(&curve, &ranks.tilt(beta).t))
            }
            Err(Error::KlUnreachable { .. }) => Ok(f64::INFINITY),
            Err(other) => Err(other),
        }
    };
    search_k(wanted_loss, loss_at)
}

/// The smallest K up to [`MAX_K`] with `loss_at(K)` ≤ `wanted_loss`, for a loss that falls with K.
fn search_k(
    wanted_loss: f64,
    mut loss_at: impl FnMut(usize) -> Result<f64>,
) -> Result<Option<usize>> {
    // (K, loss): `low` is too small, `high` is enough; MAX_K is only believed after it was tried.
    let (mut low, mut high) = ((0, f64::INFINITY), (MAX_K + 1, 0.0));
    let mut aim = 64.0f64;
    while high.0 - low.0 > 1 {
        let k = (aim.ceil() as usize).clamp(low.0 + 1, high.0 - 1);
        let loss = loss_at(k)?;
        if loss <= wanted_loss {
            high = (k, loss);
        } else {
            low = (k, loss);
        }
        let line = |(k, loss): (usize, f64)| ((k as f64).ln(), (loss / wanted_loss).ln());
        let ((xa, ya), (xb, yb)) = (line(low), line(high));
        // The straight line through both ends; through one, with slope −1; else the middle.
        let x = match (ya.is_finite(), yb.is_finite()) {
            (true, true) => xa + (xb - xa) * ya / (ya - yb),
            (true, false) => xa + ya,
            (false, true) => xb + yb,
            (false, false) => 0.5 * (xa.max(0.0) + xb),
        };
        aim = x.exp();
    }
    Ok((high.0 <= MAX_K).then_some(high.0))
}

/// E\[e^{tĈ} | u\] = (1 − u + u e^{t/K})^K over fresh tables, K Ĉ being binomial: how much K rollouts inflate an exponential reward
/// whose perfect value is e^{tu}.
#[must_use]
pub fn inflation(t: f64, u: f64, k: usize) -> f64 {
    let k = k as f64;
    (k * (u * (t / k).exp_m1()).ln_1p()).exp()
}

/// The ε with P(sup|Ĉ − C| > ε) ≤ 1 − `confidence`: √(log(2/(1−confidence))/(2K)), by Dvoretzky, Kiefer and Wolfowitz with Massart's
/// constant (Ann. Probab. 18, 1990).
///
/// # Errors
/// [`Error::OutOfRange`] unless 0 < confidence < 1 and k ≥ 1.
pub fn dkw(k: usize, confidence: f64) -> Result<f64> {
    check_k(k)?;
    let ok = confidence > 0.0 && confidence < 1.0;
    Error::range(
        "confidence",
        confidence,
        ok,
        "between 0 and 1, both excluded",
    )?;
    Ok(((2.0 / (1.0 - confidence)).ln() / (2.0 * k as f64)).sqrt())
}

fn check_k(k: usize) -> Result<()> {
    Error::range("K", k as f64, k >= 1, "a whole number ≥ 1").map(|_| ())
}

fn check_wanted(loss: f64) -> Result<()> {
    let ok = loss.is_finite() && loss > 0.0;
    Error::range("wanted loss", loss, ok, "a finite number > 0").map(|_| ())
}

fn check_beta(beta: f64) -> Result<()> {
    let ok = beta.is_finite() && beta > 0.0;
    Error::range("beta", beta, ok, "a finite number > 0").map(|_| ())
}

fn check_rank_based(procedure: &dyn Procedure) -> Result<()> {
    if procedure.anchors().is_empty() {
        return Ok(());
    }
    Err(Error::Unsupported {
        procedure: procedure.to_string(),
        why: "its thresholds look at the base's quantiles, for which the cost of K rollouts is not known; leave K out".into(),
    })
}

/// Φ at the K + 1 values of Ĉ, relative to the largest.
struct Ranks<'a> {
    transform: &'a dyn Transform,
    gaps: Vec<f64>,
}

/// The tilts `t_b` = Φ(b/K)/β + constant and `e_b` = `e^{t_b`}, of mean one.
struct Tilt {
    t: Vec<f64>,
    e: Vec<f64>,
}

impl<'a> Ranks<'a> {
    fn new(transform: &'a dyn Transform, k: usize) -> Result<Self> {
        check_k(k)?;
        let ends = clamp(transform, k);
        let step = 1.0 / k as f64;
        let mut gaps: Vec<f64> = (0..=k)
            .map(|b| {
                let u = Quantile::from_masses(b as f64 * step, (k - b) as f64 * step);
                let u = match ends {
                    Some((low, _)) if u.below() < low => Quantile::new(low),
                    Some((low, _)) if u.above() < low => Quantile::new(low).flip(),
                    _ => u,
                };
                transform.gap(u)
            })
            .collect();
        let top = gaps.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for gap in &mut gaps {
            *gap -= top;
        }
        Ok(Self { transform, gaps })
    }

    fn tilt(&self, beta: f64) -> Tilt {
        // Below −700 nothing is left of e; the bound keeps t e finite.
        let mut t: Vec<f64> = self.gaps.iter().map(|g| (g / beta).max(-700.0)).collect();
        let mut e: Vec<f64> = t.iter().map(|t| t.exp()).collect();
        let mean = e.iter().sum::<f64>() / e.len() as f64;
        let log_mean = mean.ln();
        for (t, e) in t.iter_mut().zip(&mut e) {
            *t -= log_mean;
            *e /= mean;
        }
        Tilt { t, e }
    }

    /// Newton steps in (log β, log KL), as for perfect calibration.
    fn beta_for_kl(&self, kl: f64, guess: Option<f64>) -> Result<f64> {
        let n = self.gaps.len() as f64;
        let mean = self.gaps.iter().sum::<f64>() / n;
        let variance = self
            .gaps
            .iter()
            .map(|g| (g - mean) * (g - mean))
            .sum::<f64>()
            / n;
        let start = guess.unwrap_or_else(|| (variance / (2.0 * kl)).sqrt());
        let mut reached = 0.0;
        let root = root::decreasing(
            |log_beta| {
                let tilt = self.tilt(log_beta.exp());
                let spent = sums::spent(&tilt.t, &tilt.e);
                reached = spent.kl;
                ((spent.kl / kl).ln(), -spent.fall / spent.kl)
            },
            (-690.0, 600.0),
            start.max(1e-290).ln(),
            1e-8,
        );
        if root.residual > 1e-6 {
            return Err(Error::KlUnreachable {
                what: format!("{} with K = {}", self.transform, self.gaps.len() - 1),
                kl,
                max: reached,
            });
        }
        Ok(root.x.exp())
    }
}

impl Tilt {
    fn figures(&self, curve: &Curve<'_>) -> FiniteK {
        FiniteK {
            kl: sums::spent(&self.t, &self.e).kl,
            win_rate: win_rate::win_rate(curve, &self.t),
            standard_win_rate: sums::standard_win_rate(&self.e),
        }
    }
}

#[cfg(test)]
mod tests;
