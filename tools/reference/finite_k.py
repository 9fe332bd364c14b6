"""What a calibration from K frozen rollouts costs: the truth by simulation, and four deterministic formulae for it.

Run:  python tools/reference/finite_k.py            (about two minutes; prints Markdown tables)
      python tools/reference/finite_k.py --quick    (fewer simulated prompts)

The object. A prompt z keeps K rollouts of the base policy; in quantile space they are K uniform
points that cut [0,1] into K+1 gaps D_0..D_K ~ Dirichlet(1,..,1). The estimated quantile is the step
C_z(u) = #{z_i < u}/K, so the trained policy of that prompt has the step density

    f_z(u) = e_b / Z_z on gap b,   e_b = exp(Phi(b/K)/beta),   Z_z = sum_b D_b e_b.

Wanted are the averages over z of W^T(f_z), W_std(f_z) and KL(f_z).

Exact reduction (derived here). Put the point v of W = 1 - int G(F_z(v)) g(v) dv among the K points:
its rank b is uniform on 0..K, and given b three things are independent:

    v   ~ Beta(b+1, K-b+1),
    m_L = sum of e_0..e_b weighted by Dirichlet(1^{b+1}),
    m_R = sum of e_b..e_K weighted by Dirichlet(1^{K-b+1}),

and F_z(v) = v m_L / (v m_L + (1-v) m_R). Hence

    E_z W = 1 - 1/(K+1) sum_b E_v E_{m_L} E_{m_R} G( v m_L / (v m_L + (1-v) m_R) ) g(v).

The moments of a Dirichlet(1^n) mean of e are closed: with d_i = e_i - mean(e), p_k = sum d_i^k and
(n)_k the rising factorial, mu_2 = p_2/(n)_2, mu_3 = 2 p_3/(n)_3, mu_4 = (6 p_4 + 3 p_2^2)/(n)_4,
mu_5 = (24 p_5 + 20 p_2 p_3)/(n)_5. So each of m_L, m_R is replaced by the Gauss rule with r nodes
that matches 2r-1 moments; its nodes lie inside the range of e. r = 2 is explicit:
m + sigma (s/2 -+ sqrt(1+s^2/4)), weights 1/2 (1 +- (s/2)/sqrt(1+s^2/4)), s the skewness.

KL needs no rule: with S ~ Gamma(K+1) independent of Z, S Z is a sum of independent exponentials, so

    E_z KL = 1/beta int_0^inf sum_b e_b Phi_b/(1+s e_b) prod_i 1/(1+s e_i) ds
             - int_0^inf [(1+s)^{-(K+1)} - prod_i 1/(1+s e_i)]/s ds
"""

import argparse
import time

import numpy as np
from scipy import integrate, optimize, special

# ---------------------------------------------------------------------------- procedures and transforms


def procedure(name):
    """(G, g) of a rank-based procedure."""
    kind, _, arg = name.partition(":")
    if kind == "standard":
        return (lambda u: u), (lambda u: np.ones_like(u))
    n = int(arg.split("/")[0])
    if kind == "best-of":
        return (lambda u: u**n), (lambda u: n * u ** (n - 1))
    if kind == "worst-of":
        return (lambda u: 1 - (1 - u) ** n), (lambda u: n * (1 - u) ** (n - 1))
    j, n = map(int, arg.split("/"))
    return (lambda u: special.betainc(j, n - j + 1, u)), (
        lambda u: u ** (j - 1) * (1 - u) ** (n - j) / special.beta(j, n - j + 1)
    )


def transform(name):
    kind, _, arg = name.partition(":")
    if kind == "identity":
        return lambda u: u
    if kind == "log":
        return np.log
    t = float(arg)
    return lambda u: np.expm1(t * u) / np.expm1(t)


def ideal(phi, beta, G, g):
    """KL, W^T, W_std of the ideal tilt (K = infinity) by composite Gauss-Legendre."""
    x, w = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(0, 1, 401)
    h = np.diff(edges)[:, None]
    u = edges[:-1, None] + h * (x + 1) / 2
    tilt = phi(u) / beta
    tilt = tilt - tilt.max()
    z = np.sum(np.exp(tilt) * w * h / 2)
    f = np.exp(tilt) / z
    kl = np.sum(f * tilt * w * h / 2) - np.log(z)
    # W = E_{u~f} of the score against T(p) is not linear in f; use F at the nodes by cumulative
    # integration of each panel (spectral: integrate the interpolant of f).
    V = np.polynomial.legendre.legvander(x, 19)
    I = np.array([np.polynomial.legendre.legval(x, np.polynomial.legendre.legint(np.eye(20)[k], lbnd=-1)) for k in range(20)]).T
    A = I @ np.linalg.inv(V)
    start = np.concatenate([[0], np.cumsum(np.sum(f * w * h / 2, axis=1))[:-1]])[:, None]
    F = start + (f @ A.T) * h / 2
    wt = 1 - np.sum(G(F) * g(u) * w * h / 2)
    ws = 1 - np.sum(F * w * h / 2)
    return kl, wt, ws


def beta_at(phi, kl, G, g):
    return np.exp(optimize.brentq(lambda lb: ideal(phi, np.exp(lb), G, g)[0] - kl, np.log(1e-4), np.log(50), xtol=1e-12))


# ---------------------------------------------------------------------------- truth by simulation


def simulate(e, phi_b, beta, G, g, prompts, rng, nodes=6, chunk=2000):
    """Mean and standard error over prompts of (W^T, W_std, KL), each exact per prompt.

    W^T and W_std are regressed on statistics of the prompt whose means are known exactly:
    Z, Z-like sums with other weights and products of two of them. The residual's standard error is returned.
    """
    K = len(e) - 1
    x, w = np.polynomial.legendre.leggauss(nodes)  # polynomial in v on each gap: exact for best/worst-of-4
    x, w = (x + 1) / 2, w / 2
    grid = np.arange(K + 1) / K
    basis = np.concatenate([e * grid**k for k in range(5)] + [grid**k for k in range(1, 5)] + [e * e]).reshape(-1, K + 1).T
    square = np.array([[(np.sum(a * b) + a.sum() * b.sum()) / (K + 1) / (K + 2) for b in basis.T] for a in basis.T])
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (0, 5), (0, 6), (5, 5), (1, 5)]
    out, controls = [], []
    for start in range(0, prompts, chunk):
        m = min(chunk, prompts - start)
        D = rng.exponential(size=(m, K + 1))
        D /= D.sum(1, keepdims=True)
        M = D * e
        Z = M.sum(1, keepdims=True)
        M /= Z
        left = np.cumsum(D, 1) - D
        Fl = np.cumsum(M, 1) - M
        wt = np.ones(m)
        for xi, wi in zip(x, w):
            wt -= wi * np.sum(D * G(np.minimum(Fl + M * xi, 1.0)) * g(np.minimum(left + D * xi, 1.0)), 1)
        ws = 1 - np.sum(D * (Fl + M / 2), 1)
        kl = (M @ phi_b) / beta - np.log(Z[:, 0])
        out.append(np.stack([wt, ws, kl], 1))
        lin = D @ basis
        controls.append(np.column_stack([lin - basis.mean(0)] + [lin[:, i] * lin[:, j] - square[i, j] for i, j in pairs]))
    out, controls = np.concatenate(out), np.concatenate(controls)
    fitted = np.column_stack([np.ones(len(out)), controls])
    coef, *_ = np.linalg.lstsq(fitted, out, rcond=None)
    res = out - fitted @ coef
    return coef[0], res.std(0) / np.sqrt(len(out))


# ---------------------------------------------------------------------------- deterministic formulae


def marginal_law(e, phi_b, beta, G, g, nodes=400):
    """(i) one common normaliser, the law of u averaged over calibrations."""
    K = len(e) - 1
    wb = e / e.mean()
    x, w = np.polynomial.legendre.leggauss(nodes)
    x, w = (x + 1) / 2, w / 2
    b = np.arange(K + 1)
    F = special.betainc(b + 1, K - b + 1, x[:, None]) @ wb / (K + 1)
    return np.array([1 - np.sum(w * G(F) * g(x)), 1 - np.sum(w * F), np.mean(special.xlogy(wb, wb))])


def averaged_reward(e, phi_b, beta, G, g):
    """(ii) the tilt by E[Phi(C_z(u)) | u]."""
    K = len(e) - 1
    b = np.arange(K + 1)
    lb = special.gammaln(K + 1) - special.gammaln(b + 1) - special.gammaln(K - b + 1)

    def mean_phi(u):
        u = np.asarray(u)[..., None]
        return np.exp(lb + special.xlogy(b, u) + special.xlog1py(K - b, -u)) @ phi_b

    kl, wt, ws = ideal(mean_phi, beta, G, g)
    return np.array([wt, ws, kl])


def dirichlet_mean_rule(e, r):
    """Gauss rule with r nodes for sum_i D_i e_i, D ~ Dirichlet(1^n): nodes, weights.

    Moments from the complete homogeneous polynomials h_k of d = e - mean (k h_k = sum_i p_i h_{k-i},
    mu_k = k!/(n)_k h_k), then Golub-Welsch from the Cholesky factor of their Hankel matrix.
    Where the rounding of the moments leaves it indefinite, one node fewer is taken.
    """
    n = len(e)
    m = e.mean()
    d = e - m
    var = np.sum(d * d) / (n * (n + 1))
    if r == 1 or n == 1 or var <= 1e-28 * m * m:
        return np.array([m]), np.array([1.0])
    sigma = np.sqrt(var)
    d = d / sigma
    p = [np.sum(d**k) for k in range(2 * r)]
    h, mu, c = [1.0], [1.0], 1.0
    for k in range(1, 2 * r):
        h.append(sum(p[i] * h[k - i] for i in range(1, k + 1)) / k)
        c *= k / (n + k - 1)
        mu.append(c * h[k])
    mu.append(0.0)  # the highest moment enters the Cholesky factor's last corner only, which is not used
    H = np.array([[mu[i + j] for j in range(r + 1)] for i in range(r)])
    try:
        R = np.linalg.cholesky(H[:, :r]).T
    except np.linalg.LinAlgError:
        return dirichlet_mean_rule(e, r - 1)
    last = np.linalg.solve(R.T, H[:, r])  # column r of the factor
    R = np.column_stack([R, last])
    alpha = [R[j, j + 1] / R[j, j] - (R[j - 1, j] / R[j - 1, j - 1] if j else 0.0) for j in range(r)]
    off = [R[j + 1, j + 1] / R[j, j] for j in range(r - 1)]
    if min(off, default=1.0) < 1e-6:
        return dirichlet_mean_rule(e, r - 1)
    lam, vec = np.linalg.eigh(np.diag(alpha) + np.diag(off, 1) + np.diag(off, -1))
    return m + sigma * lam, vec[0] ** 2


def expected_kl(e, phi_b, beta):
    """Exact E_z KL by two one-dimensional integrals in log s (trapezoid: the integrands die off at both ends)."""
    K = len(e) - 1
    y = np.linspace(-40, 40, 8001)
    h = y[1] - y[0]
    s = np.exp(y)[:, None] / e.mean() / (K + 1)
    den = 1 + s * e
    lap = np.exp(-np.sum(np.log(den), 1))
    first = np.sum(lap * np.sum(e * phi_b / den, 1) * s[:, 0]) * h / beta
    elog = np.sum(np.exp(-(K + 1) * np.log1p(s[:, 0])) - lap) * h
    return first - elog


def rank_conditional(e, phi_b, beta, G, g, r=2, nv=None):
    """(iii) the exact reduction of the head, with r-node Gauss rules for m_L and m_R and nv Gauss-Jacobi nodes for v."""
    K = len(e) - 1
    nv = nv or 6
    wt = ws = 0.0
    for b in range(K + 1):
        v, wv = special.roots_sh_jacobi(nv, K + 1, b + 1)
        wv = wv / wv.sum()
        L, wl = dirichlet_mean_rule(e[: b + 1], r)
        R, wr = dirichlet_mean_rule(e[b:], r)
        v_, L_, R_ = v[:, None, None], L[None, :, None], R[None, None, :]
        F = v_ * L_ / (v_ * L_ + (1 - v_) * R_)
        W = wv[:, None, None] * wl[None, :, None] * wr[None, None, :]
        wt += np.sum(W * G(F) * g(v_))
        ws += np.sum(W * F)
    return np.array([1 - wt / (K + 1), 1 - ws / (K + 1), expected_kl(e, phi_b, beta)])


# ---------------------------------------------------------------------------- the study

CASES = [
    ("best-of:4", ["identity", "exp:5", "exp:10"]),
    ("worst-of:4", ["identity", "exp:-5", "exp:-10"]),
]
METHODS = [
    ("marginal", marginal_law),
    ("avg reward", averaged_reward),
    ("gauss r=1", lambda *a: rank_conditional(*a, r=1)),
    ("gauss r=2", lambda *a: rank_conditional(*a, r=2)),
    ("gauss r=3", lambda *a: rank_conditional(*a, r=3)),
    ("gauss r=5", lambda *a: rank_conditional(*a, r=5, nv=12)),
]


def weights(phi_b, beta):
    """e_b scaled to mean one, and Phi_b shifted alike, so that e = exp(Phi/beta) holds for the pair."""
    shifted = phi_b - phi_b.max()
    shifted = shifted - beta * np.log(np.mean(np.exp(shifted / beta)))
    return np.exp(shifted / beta), shifted


def equal_kl(fn, phi_b, kl, beta_ideal, G, g, kl_only=None):
    """W^T of a method at the beta where that method's own KL meets the budget."""
    kl_only = kl_only or (lambda e, pb, beta: fn(e, pb, beta, G, g)[2])

    def gap(lb):
        return kl_only(*weights(phi_b, np.exp(lb)), np.exp(lb)) - kl

    lb = optimize.brentq(gap, np.log(beta_ideal / 3), np.log(beta_ideal * 6), xtol=1e-9)
    return np.exp(lb), fn(*weights(phi_b, np.exp(lb)), np.exp(lb), G, g)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--quick", action="store_true")
    ap.add_argument("--seed", type=int, default=20241)
    ap.add_argument("--ks", default="10,32,50,100,200")
    args = ap.parse_args()
    rng = np.random.default_rng(args.seed)
    ks = [int(k) for k in args.ks.split(",")]
    worst = {}
    print("Win rates in points (1e-2), KL in 1e-2 nat. `cost` = truth - ideal at the ideal design's beta, by simulation;")
    print("`se` its standard error. Under each method: its W and KL minus the truth.\n")
    print("| procedure | Phi | KL | K | beta | ideal W | cost W | cost W_std | cost KL | se W | " + " | ".join(m for m, _ in METHODS) + " |")
    print("|" + "---|" * (10 + len(METHODS)))
    budget = []
    for proc, phis in CASES:
        G, g = procedure(proc)
        for name in phis:
            phi = transform(name)
            for kl in (0.5, 1.0):
                beta = beta_at(phi, kl, G, g)
                kl0, w0, s0 = ideal(phi, beta, G, g)
                for K in ks:
                    phi_b = phi(np.arange(K + 1) / K)
                    e, pb = weights(phi_b, beta)
                    mean, se = simulate(e, pb, beta, G, g, 6000 if args.quick else 40000, rng)
                    cells = []
                    for m, fn in METHODS:
                        err = (fn(e, pb, beta, G, g) - mean) * 100
                        cells.append(f"{err[0]:+.3f}, {err[2]:+.2f}")
                        worst.setdefault((m, K), []).append(np.abs(err))
                    c = (mean - np.array([w0, s0, kl0])) * 100
                    print(
                        f"| {proc} | {name} | {kl} | {K} | {beta:.5f} | {w0:.5f} | {c[0]:+.3f} | {c[1]:+.3f} | {c[2]:+.2f} | {se[0] * 100:.4f} | "
                        + " | ".join(cells) + " |", flush=True,
                    )
                    b5, r5 = equal_kl(lambda *a: rank_conditional(*a, r=5, nv=12), phi_b, kl, beta, G, g, kl_only=expected_kl)
                    bi, ri = equal_kl(marginal_law, phi_b, kl, beta, G, g, kl_only=lambda e, pb, b: np.mean(special.xlogy(e, e)))
                    ba, ra = equal_kl(averaged_reward, phi_b, kl, beta, G, g)
                    budget.append(
                        f"| {proc} | {name} | {kl} | {K} | {beta:.5f} | {b5:.5f} | {w0:.5f} | {(r5[0] - w0) * 100:+.3f} | {(r5[1] - s0) * 100:+.3f} "
                        f"| {(ri[0] - r5[0]) * 100:+.3f} | {(ra[0] - r5[0]) * 100:+.3f} |"
                    )
    print("\nWorst absolute error over all cases at the design's beta (W, W_std in points; KL in 1e-2 nat):\n")
    print("| method | " + " | ".join(f"K={k}" for k in ks) + " |")
    print("|" + "---|" * (len(ks) + 1))
    for m, _ in METHODS:
        print(f"| {m} | " + " | ".join("/".join(f"{x:.3f}" for x in np.max(worst[m, k], 0)) for k in ks) + " |")
    print("\nAt equal KL spent (each method at the beta where its own KL is the budget; truth = Gauss r=5 with the exact KL), points:\n")
    print("| procedure | Phi | KL | K | ideal beta | beta at K | ideal W | cost W | cost W_std | marginal - truth | avg reward - truth |")
    print("|" + "---|" * 11)
    print("\n".join(budget))


if __name__ == "__main__":
    main()
