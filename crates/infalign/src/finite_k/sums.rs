//! Exact averages over frozen tables that need no rule: KL, its slope in β, and the standard win rate, as one-dimensional integrals.
//!
//! The gaps are unit exponentials over their sum S, which is independent of the gaps. With `e_i = e^{t_i}` and `X = Σ e_i E_i = S Z`,
//! every average is an integral over s of the Laplace transform P, in which each exponential that stands before e^{−sX} costs a
//! factor 1/(1 + s e). Derived, with V uniform as in the folder's head (its rank b cuts gap b in two, so that X splits into
//! independent sums over `e_0, …, e_b` and `e_b, …, e_K`):
//!
//! ```text
//! P(s)               = E e^{−sX} = Π_i 1/(1 + s e_i),   a_i = e_i/(1 + s e_i),   q_i = t_i a_i
//! E Σ D_i e_i t_i/Z  = ∫ P Σ q_i ds                                      from 1/X  = ∫ e^{−sX} ds
//! E log Z            = E log X − E log S = ∫ [(1+s)^{−(K+1)} − P(s)] ds/s             (Frullani)
//! E KL               = the first less the second
//! −dE KL/d log β     = E Var_f(t) = ∫ P Σ t_i q_i ds − ∫ s P [(Σ q_i)² + Σ q_i²] ds
//!                                                                         from 1/X² = ∫ s e^{−sX} ds
//! E F_z(V)           = 1/(K+1) ∫ P Σ_b (Σ_{i≤b} a_i)/(1 + s e_b) ds
//! ```
//!
//! All over (0, ∞), by the trapezoidal rule in y with s = e^{y − e^{−y}}/(K+1), which makes the integrands fall off doubly
//! exponentially below.

/// Step in y: halving it changes nothing beyond 10⁻¹².
const STEP: f64 = 0.25;
/// Below, s < 10⁻¹³/(K+1).
const LOWEST: f64 = -3.25;
/// P(s) at which the integrals are cut.
const NEGLIGIBLE: f64 = 1e-13;

/// What [`spent`] finds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// E KL in nats.
    pub(super) kl: f64,
    /// −dE KL/d log β.
    pub(super) fall: f64,
}

/// One s of the rule: s, the weight that ∫ ds gives it, and P(s) from the tilts.
fn points(e: &[f64]) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
    let n = e.len() as f64;
    let mut done = false;
    (0..2000).map_while(move |i| {
        let y = LOWEST + STEP * f64::from(i);
        let decay = (-y).exp();
        let s = (y - decay).exp() / n;
        let laplace = laplace(e, s);
        // The first negligible point ends the rule.
        (!std::mem::replace(&mut done, laplace < NEGLIGIBLE)).then_some((
            s,
            STEP * s * (1.0 + decay),
            laplace,
        ))
    })
}

/// Π 1/(1 + s `e_i)`: sixteen factors to a logarithm, which cannot overflow for s `e_i` < 10¹⁸.
fn laplace(e: &[f64], s: f64) -> f64 {
    let (blocks, rest) = e.as_chunks::<16>();
    let product = |block: &[f64]| block.iter().map(|x| 1.0 + s * x).product::<f64>().ln();
    let log: f64 = blocks.iter().map(|b| product(b)).sum::<f64>() + product(rest);
    (-log).exp()
}

/// E KL and its slope for tilts t and e = e^t of mean one.
pub(super) fn spent(t: &[f64], e: &[f64]) -> Spent {
    let n = e.len() as f64;
    let (mut kl, mut fall) = (0.0, 0.0);
    for (s, weight, laplace) in points(e) {
        let (mut q1, mut q2, mut tq) = (0.0, 0.0, 0.0);
        for (t, e) in t.iter().zip(e) {
            let q = t * e / (1.0 + s * e);
            q1 += q;
            q2 += q * q;
            tq += t * q;
        }
        let free = (-n * s.ln_1p()).exp();
        kl += weight * (laplace * q1 - (free - laplace) / s);
        fall += weight * laplace * (tq - s * (q1 * q1 + q2));
    }
    Spent { kl, fall }
}

/// 1 − E `F_z(V)`: the standard win rate.
pub(super) fn standard_win_rate(e: &[f64]) -> f64 {
    let mut lost = 0.0;
    for (s, weight, laplace) in points(e) {
        let (mut below, mut sum) = (0.0, 0.0);
        for e in e {
            let share = 1.0 / (1.0 + s * e);
            below += e * share;
            sum += below * share;
        }
        lost += weight * laplace * sum;
    }
    1.0 - lost / e.len() as f64
}
