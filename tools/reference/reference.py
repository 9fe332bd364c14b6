"""Writes the reference values that the tests of crates/infalign compare with, by methods of its own.

Run:  python tools/reference/reference.py

From the repository root, about three minutes; no random numbers except the fixed starting points of the
finite-level optimisation.

Needs numpy, scipy, mpmath. Nothing here is read from the Rust sources: tilted policies come from 80-bit
Gauss-Legendre panels (panels.py), checked here by halving the panels and against closed forms in mpmath; the
coupled optimum from a universal initial value problem (power_optimum.py), by shooting (rank-based procedures
without that symmetry) and from a scalar equation (rewind); finite levels by enumerating every outcome of the
draws and a general optimiser; estimators by enumerating all subsets.
"""

import itertools
import json
import pathlib
import warnings

import mpmath as mp
import numpy as np
from scipy import integrate, optimize

import finite_k
from panels import LD, Grid, Tilt, logit_grid, rank_procedure, rewind_loss, tilt_at_kl, transform
from power_optimum import optimum as power_optimum

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates/infalign/tests/data/reference.json"

PROCEDURES = [
    "standard", "best-of:2", "best-of:4", "best-of:16", "best-of:64", "worst-of:2", "worst-of:4", "worst-of:16",
    "order:2/3", "order:3/5", "poisson:3", "tilt:4", "tilt:-4", "rewind:0.7/4", "mixture:0.5*best-of:2+0.5*best-of:8",
]  # fmt: skip
TRANSFORMS = [
    "identity", "log", "power:2", "power:0.5", "logit", "probit",
    "exp:2.5", "exp:5", "exp:10", "exp:20", "exp:-2.5", "exp:-5", "exp:-10", "exp:-20",
]  # fmt: skip
KLS = ["0.1", "0.5", "1", "2"]
TAU = LD(7) / 10
CUT = np.log(TAU / (1 - TAU))  # logit(0.7): rewind's kink must be a panel edge


def num(x, digits=16):
    """Shortest decimal of a long double that keeps `digits` significant figures."""
    return float(np.format_float_scientific(LD(x), precision=digits, unique=False))


def grid_for(name, kl, width):
    if name == "probit":
        shift = float(np.sqrt(2 * LD(kl)))
        edges = np.arange(-14.0, 14.0 + shift + width, width)
        z = LD(mp.nstr(mp.sqrt(2) * mp.erfinv(2 * mp.mpf(7) / 10 - 1), 25))
        return Grid(np.array(sorted([LD(e) for e in edges] + [z]), LD), kind="probit")
    high = 48.0
    if name == "logit":  # the right tail is (1-u)^{1-1/beta}: it needs a longer axis
        a = float(mp.findroot(lambda a: a * (mp.digamma(1 + a) - mp.digamma(1 - a)) - mp.log(mp.beta(1 + a, 1 - a)) - mp.mpf(kl), 0.6 if float(kl) > 0.3 else 0.35))
        high = 48.0 / (1 - a) + 4
    return logit_grid(width, high=high, cuts=[CUT])


def tilts():
    """The grid of procedures x transforms x KL."""
    rows, spread = [], 0.0
    for name in TRANSFORMS:
        phi, top = transform(name)
        for kl in KLS:
            values = []
            for width in (0.25, 0.5):
                q = grid_for(name, kl, width)
                lb, t = tilt_at_kl(q, phi(q), top, LD(kl))
                w = {p: 1 - (rewind_loss(t, TAU, 4) if p.startswith("rewind") else t.loss(*rank_procedure(p))) for p in PROCEDURES}
                values.append((np.exp(lb), t.log_z, w))
            fine, coarse = values
            spread = max([spread, float(abs(fine[0] / coarse[0] - 1))] + [float(abs(fine[2][p] - coarse[2][p])) for p in PROCEDURES])
            rows.append({"transform": name, "kl": float(kl), "beta": num(fine[0]), "log_z": num(fine[1]),
                         "win_rate": {p: num(v, 15) for p, v in fine[2].items()}})  # fmt: skip
    check_closed_forms(rows)
    return rows, spread


def check_closed_forms(rows):
    """mpmath closed forms of MATH.md section 4 at the solved betas."""
    mp.mp.dps = 30
    for r in rows:
        b, kl = mp.mpf(r["beta"]), mp.mpf(r["kl"])
        name = r["transform"]
        if name == "identity":
            z = b * mp.expm1(1 / b)
            ws = 1 / (1 - mp.exp(-1 / b)) - b
            pairs = [(mp.log(z), r["log_z"]), (ws, r["win_rate"]["standard"]), (ws / b - mp.log(z), kl)]
        elif name == "log":
            m = 1 + 1 / b
            won = lambda n: n * sum(mp.binomial(n, k) * (-1) ** k * mp.beta(m * k + 1, n) for k in range(n + 1))
            pairs = [(mp.log(m) - (m - 1) / m, kl), (m / (m + 1), r["win_rate"]["best-of:16"]),
                     (won(4), r["win_rate"]["worst-of:4"]), (won(16), r["win_rate"]["worst-of:16"])]  # fmt: skip
        elif name == "probit":
            pairs = [(1 / (2 * b * b), r["log_z"]), (1 / (2 * b * b), kl)]
        elif name == "logit":
            a = 1 / b
            pairs = [(mp.log(mp.beta(1 + a, 1 - a)), r["log_z"]), ((1 + a) / 2, r["win_rate"]["standard"])]
        elif name == "power:2":
            pairs = [(mp.log(mp.sqrt(mp.pi * b) / 2 * mp.erfi(1 / mp.sqrt(b))), r["log_z"])]
        elif name == "power:0.5":
            pairs = [(mp.log(2 * b * (b + (1 - b) * mp.exp(1 / b))), r["log_z"])]
        elif name.startswith("exp") and float(name[4:]) > 0:
            # normalised: Z = e^{-c} [Ei(c e^t) - Ei(c)]/t, c = 1/(beta (e^t - 1))
            t = mp.mpf(name[4:])
            c = 1 / (b * mp.expm1(t))
            pairs = [(mp.log((mp.ei(c * mp.exp(t)) - mp.ei(c)) / t) - c, r["log_z"])]
        else:
            t = mp.mpf(name[4:])
            f = lambda u: mp.exp((mp.expm1(t * u) / mp.expm1(t) - 1) / b)
            pairs = [(mp.log(mp.quad(f, [0, 0.02, 0.1, 0.25, 0.5, 0.75, 1])) + 1 / b, r["log_z"])]
        for want, got in pairs:
            assert abs(want - got) <= 1e-12 * max(1, abs(want)), (r["transform"], r["kl"], want, got)


def extreme_tilts():
    rows, spread = [], 0.0
    for name in ["exp:200", "exp:-200", "identity", "log"]:
        phi, top = transform(name)
        for key, value in [("beta", b) for b in ("1e-5", "1e-2", "1", "1e3")] + [("kl", k) for k in ("1e-6", "1e-3", "4", "8")]:
            results = []
            for width in (0.125, 0.25):
                q = logit_grid(width, low=-64.0, high=64.0)
                if key == "beta":
                    lb, t = np.log(LD(value)), Tilt(q, phi(q), top, 1 / LD(value))
                else:
                    lb, t = tilt_at_kl(q, phi(q), top, LD(value))
                losses = {p: t.loss(*rank_procedure(p)) for p in ("standard", "best-of:4096", "worst-of:4096")}
                results.append((np.exp(lb), t.kl, t.log_z, losses))
            fine, coarse = results
            spread = max([spread, float(abs(fine[0] / coarse[0] - 1)), float(abs(fine[1] / coarse[1] - 1))] + [float(abs(fine[3][p] / coarse[3][p] - 1)) for p in fine[3] if fine[3][p] > 1e-60])
            rows.append({"transform": name, "given": key, "beta": num(fine[0]), "kl": num(fine[1]), "log_z": num(fine[2]),
                         "win_rate": {p: num(1 - x, 15) for p, x in fine[3].items()},
                         "one_minus_win_rate": {p: num(x) if x > 1e-60 else 0.0 for p, x in fine[3].items()}})  # fmt: skip
    return rows, spread


# ---------------------------------------------------------------------------- the coupled optimum


def power_rows():
    rows = []
    for n in (2, 4, 16, 64, 256):
        rows += [(f"best-of:{n}", f) for f in power_optimum(n, False, kls=KLS + (["4"] if n in (4, 256) else []), betas=["0.3"])]
    for n in (2, 4, 16):
        rows += [(f"worst-of:{n}", f) for f in power_optimum(n, True, kls=KLS, betas=["0.3"])]
    out = []
    for p, f in rows:
        assert abs(f["identity_gap"]) < 1e-16, (p, f)
        out.append(optimum_row(p, f["beta"], f["kl"], f["win_rate"], f["standard_win_rate"]))
    return out


def optimum_row(p, beta, kl, w, ws):
    return {"procedure": p, "beta": num(beta), "kl": num(kl), "win_rate": num(w), "standard_win_rate": num(ws),
            "objective": num(LD(w) - LD(beta) * LD(kl))}  # fmt: skip


def shoot(G, g, beta, c, dense=False):
    """From u = 1 leftwards with log f(1) = c: (F(0), KL, 1-W, int F). State S = 1-F, log f and the three integrals."""

    def rhs(t, y):
        S, l = y[0], y[1]
        f, u, F = np.exp(l), 1 - t, 1 - S
        return [f, -g(F, S) * g(u, t) / beta, f * l, G(F, S) * g(u, t), F]

    def crossed(t, y):
        return y[0] - 1.5

    crossed.terminal = True
    s = integrate.solve_ivp(rhs, (0, 1), [0, c, 0, 0, 0], method="DOP853", rtol=3e-14, atol=1e-17, events=crossed)
    y = s.y[:, -1]
    return (1 - y[0] if s.status == 0 else -0.5), y[2], y[3], y[4]


def shooting_solutions(G, g, beta, lo=-6.0, hi=9.0, points=120):
    """Every root of c -> F(0; c) found on a scan; the Euler equation's solutions at this beta."""
    cs = np.linspace(lo, hi, points)
    vals = [shoot(G, g, beta, c)[0] for c in cs]
    roots = []
    for a, b, x, y in zip(cs, cs[1:], vals, vals[1:]):
        if (x > 0) != (y > 0):
            roots.append(optimize.brentq(lambda c: shoot(G, g, beta, c)[0], a, b, xtol=1e-15, rtol=1e-15))
    return roots


def shooting_rows():
    """order:2/3 and poisson:3 at fixed KL, and best-of:4, worst-of:4 as a check of both methods."""
    out, checks = [], {}
    for p in ("order:2/3", "poisson:3", "best-of:4", "worst-of:4"):
        Gl, gl = rank_procedure(p)
        G = lambda F, S, Gl=Gl: float(Gl(F, S))
        g = lambda u, v, gl=gl: float(gl(u, v))
        if p.startswith("order"):
            G, g = (lambda F, S: F * F * (F + 3 * S)), (lambda u, v: 6 * u * v)
        elif p.startswith("poisson"):
            G, g = (lambda F, S: F * np.exp(-3 * S)), (lambda u, v: np.exp(-3 * v) * (1 + 3 * u))
        elif p == "best-of:4":
            G, g = (lambda F, S: F**4), (lambda u, v: 4 * u**3)
        else:
            G, g = (lambda F, S: 1 - S**4), (lambda u, v: 4 * v**3)

        def solve(lb):
            c = single_root(G, g, np.exp(lb), p)
            return shoot(G, g, np.exp(lb), c)

        for kl in KLS if not p.endswith("of:4") else ["0.5"]:
            lb = optimize.brentq(lambda lb: solve(lb)[1] - float(kl), np.log(2e-4), np.log(4), xtol=1e-13)
            _, k, loss, area = solve(lb)
            row = optimum_row(p, np.exp(lb), k, 1 - loss, 1 - area)
            if p.endswith("of:4"):
                checks[p] = row
            else:
                out.append(row)
    return out, checks


def single_root(G, g, beta, p):
    """log f(1) bracketed by doubling; F(0; c) is decreasing in c near the root used."""
    lo, hi = -4.0, 4.0
    f = lambda c: shoot(G, g, beta, c)[0]
    while f(hi) > 0:
        hi += 2
    while f(lo) < 0:
        lo -= 2
    return optimize.brentq(f, lo, hi, xtol=1e-14, rtol=1e-15)


def rewind_pieces(beta, tau, m, q):
    """Density of rewind's optimum for a given q = F(tau): exponential on each side; returns its figures and the residual.

    Phi' = q^{m-1} tau^{m-1} below tau and A h above, A = (1-q^m)/(1-q), h = (1-tau^m)/(1-tau); at tau Phi jumps by
    D = d(1-W)/dF(tau) through q. The stationarity condition left is log f(tau+) - log f(tau-) = D/beta.
    """
    h1, h2 = tau ** (m - 1), (1 - tau**m) / (1 - tau)
    A = (1 - q**m) / (1 - q)
    dA = (-m * q ** (m - 1) * (1 - q) + 1 - q**m) / (1 - q) ** 2
    k1, k2, L1, L2 = q ** (m - 1) * h1 / beta, A * h2 / beta, tau, 1 - tau
    a = q * k1 / mp.expm1(k1 * L1)  # f = a e^{k1 u} below
    b = (1 - q) * k2 / mp.expm1(k2 * L2)  # f = b e^{k2 (u - tau)} above
    I1 = a / k1 * (mp.expm1(k1 * L1) / k1 - L1)  # int F below
    I2 = b / k2 * (mp.expm1(k2 * L2) / k2 - L2)  # int (F - q) above
    D = (m - 1) * q ** (m - 2) * h1 * I1 + h2 * ((m * q ** (m - 1) - A) * L2 + dA * I2)
    residual = mp.log(b) - (mp.log(a) + k1 * L1) - D / beta
    loss = q ** (m - 1) * h1 * I1 + h2 * (q**m * L2 + A * I2)
    mean1 = a * (L1 * mp.exp(k1 * L1) / k1 - mp.expm1(k1 * L1) / k1**2)  # int u f below
    mean2 = b * (L2 * mp.exp(k2 * L2) / k2 - mp.expm1(k2 * L2) / k2**2)  # int (u-tau) f above
    kl = q * mp.log(a) + k1 * mean1 + (1 - q) * mp.log(b) + k2 * mean2
    area = I1 + q * L2 + I2
    return residual, kl, 1 - loss, 1 - area


def rewind_solutions(beta, tau, m):
    qs = [mp.mpf(i) / 400 for i in range(1, 400)] + [mp.mpf(10) ** -k for k in range(3, 40)]
    qs = sorted(qs)
    vals = [rewind_pieces(beta, tau, m, q)[0] for q in qs]
    roots = []
    for a, b, x, y in zip(qs, qs[1:], vals, vals[1:]):
        if x * y < 0:
            roots.append(mp.findroot(lambda q: rewind_pieces(beta, tau, m, q)[0], (a, b), solver="anderson", tol=1e-40))
    return roots


def rewind_rows():
    mp.mp.dps = 30
    tau, m = mp.mpf(7) / 10, 4
    rows, several = [], []

    for beta in ("5", "1", "0.5", "0.3", "0.1", "0.03", "0.01", "0.003"):
        roots = rewind_solutions(mp.mpf(beta), tau, m)
        if len(roots) != 1:
            several.append((beta, [float(q) for q in roots]))
    for kl in KLS:
        target = mp.mpf(kl)

        def equations(lb, lq):
            f = rewind_pieces(mp.exp(lb), tau, m, 1 / (1 + mp.exp(-lq)))
            return [f[0], f[1] - target]

        start = {"0.1": (0.75, 0.575), "0.5": (0.23, 0.50), "1": (0.105, 0.437), "2": (0.031, 0.335)}[kl]
        lb, lq = mp.findroot(equations, (mp.log(start[0]), mp.log(start[1] / (1 - start[1]))))
        residual, k, w, ws = rewind_pieces(mp.exp(lb), tau, m, 1 / (1 + mp.exp(-lq)))
        assert abs(k - target) < 1e-20 and abs(residual) < 1e-20
        rows.append(optimum_row("rewind:0.7/4", *(LD(mp.nstr(x, 22)) for x in (mp.exp(lb), k, w, ws))))
        assert rewind_by_search(mp.exp(lb), tau, m) - (w - mp.exp(lb) * k) < 1e-12
    return rows, several


def rewind_by_search(beta, tau, m):
    """Best objective over densities that are exponential on each side of tau (three free numbers): it must not beat the solution."""
    b, t = float(beta), float(tau)

    def negative(x):
        q, r1, r2 = 1 / (1 + np.exp(-x[0])), x[1], x[2]
        piece = lambda r, L: (r / np.expm1(r * L), (np.expm1(r * L) / r - L) / np.expm1(r * L), L / -np.expm1(-r * L) - 1 / r)
        (a1, i1, m1), (a2, i2, m2) = piece(r1, t), piece(r2, 1 - t)
        kl = q * (np.log(q * a1) + r1 * m1) + (1 - q) * (np.log((1 - q) * a2) + r2 * m2)
        loss = t ** (m - 1) * q ** (m - 1) * q * i1
        loss += (1 - t**m) / (1 - t) * (q**m * (1 - t) + (1 - q**m) * i2)
        return -(1 - loss - b * kl)

    return max(-optimize.minimize(negative, [x0, 0.5, 1.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-15, "maxiter": 5000}).fun for x0 in (-2, 0, 1))


# ---------------------------------------------------------------------------- finite levels


def order_statistic_of(procedure):
    kind, _, arg = procedure.partition(":")
    if kind == "order":
        j, n = map(int, arg.split("/"))
        return j, n
    n = int(arg)
    return (n, n) if kind == "best-of" else (1, n)


def outcome_law(masses, j, n):
    """Law over levels of the j-th smallest of n draws, by enumerating all draws (ties inside a level do not matter here)."""
    law = np.zeros(len(masses))
    for draw in itertools.product(range(len(masses)), repeat=n):
        law[sorted(draw)[j - 1]] += np.prod([masses[i] for i in draw])
    return law


def finite_case(p, procedure, beta, rng):
    p = np.asarray(p)
    j, n = order_statistic_of(procedure)
    base = outcome_law(p, j, n)
    c = np.cumsum(base) - base / 2
    levels = len(p)
    draws = np.array(list(itertools.product(range(levels), repeat=n)))
    value = c[np.sort(draws, 1)[:, j - 1]]

    def parts(q):
        return np.sum(np.prod(q[draws], 1) * value), np.sum(q * np.log(q / p))

    def negative(theta):
        q = np.exp(theta - theta.max())
        q /= q.sum()
        q = np.maximum(q, 1e-300)
        w, kl = parts(q)
        return -(w - beta * kl)

    found = []
    for start in range(24):
        x0 = np.log(p) + (0 if start == 0 else 3 * rng.normal(size=levels))
        r = optimize.minimize(negative, x0, method="BFGS", options={"gtol": 1e-9})
        r = optimize.minimize(negative, r.x, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15, "maxiter": 4000})
        q = np.exp(r.x - r.x.max())
        q /= q.sum()
        q = polish(q, p, beta, draws, value)
        if q is not None and not any(np.max(abs(q - o)) < 1e-6 for _, o in found):
            found.append((-negative(np.log(q)), q))
    found.sort(key=lambda f: -f[0])
    best = found[0][1]
    w, kl = parts(best)
    return {"procedure": procedure, "base": list(map(float, p)), "beta": beta, "q": [num(x) for x in best], "win_rate": num(w), "kl": num(kl),
            "objective": num(found[0][0]), "other_local_maxima": [{"objective": num(o), "q": [num(x) for x in q]} for o, q in found[1:]]}  # fmt: skip


def polish(q, p, beta, draws, value):
    """Newton on the stationarity equations of the enumerated objective (gradient by differentiating the enumeration)."""
    levels = len(p)

    def gradient(q):
        full = q[draws]
        grad = np.zeros(levels)
        for i in range(draws.shape[1]):
            rest = np.prod(np.delete(full, i, 1), 1) * value
            grad += np.bincount(draws[:, i], rest, levels)
        return grad

    def equations(x):
        q = np.exp(x[:-1])
        return np.append(gradient(q) / beta - x[:-1] + np.log(p) - x[-1], q.sum() - 1)

    x0 = np.append(np.log(q), np.mean(gradient(q) / beta - np.log(q / p)))
    r = optimize.root(equations, x0, tol=1e-15, method="hybr")
    out = np.exp(r.x[:-1])
    return out if np.max(abs(out - q)) < 1e-4 and np.max(abs(equations(r.x))) < 1e-9 else None


def finite_rows():
    rng = np.random.default_rng(7)
    bases = [[0.9, 0.1], [0.95, 0.05], [0.5, 0.3, 0.2], [0.1, 0.2, 0.3, 0.25, 0.15], [0.05, 0.4, 0.05, 0.2, 0.1, 0.2]]
    return [finite_case(b, t, beta, rng) for b in bases for t in ("best-of:4", "worst-of:4", "order:2/3") for beta in (0.05, 0.3, 1.0)]


# ---------------------------------------------------------------------------- estimators


def estimator_rows():
    pairs = [
        ([1.0, 2.0, 3.0], [1.5, 2.5, 0.5]),
        ([0.0, 0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 1.0, 3.0]),
        ([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0]),
        ([-2.5, 0.25, 0.25, 4.0, 7.0, 7.0], [-2.5, 0.25, 1.0, 4.0, 7.0, 8.0, 8.0]),
        ([5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0], [0.5, 1.5, 2.5, 2.5, -0.5]),
        ([0.0, 1.0, 0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ]
    rows = []
    for a, b in pairs:
        for t in ("best-of:1", "best-of:2", "best-of:3", "best-of:4", "worst-of:2", "worst-of:3", "order:2/3", "order:2/4"):
            j, n = order_statistic_of(t)
            if n > min(len(a), len(b)):
                continue
            xa = [sorted(s)[j - 1] for s in itertools.combinations(a, n)]
            xb = [sorted(s)[j - 1] for s in itertools.combinations(b, n)]
            wins = sum(2 * (x > y) + (x == y) for x in xa for y in xb)
            rows.append({"a": a, "b": b, "procedure": t, "win_rate": wins / (2 * len(xa) * len(xb)), "mean_of_a": sum(xa) / len(xa)})
    return rows


# ---------------------------------------------------------------------------- finite K


def finite_k_rows():
    """Averages over frozen calibrations from K rollouts (finite_k.py); `uncertainty` is the change from 7 to 9 nodes a side."""
    rows = []
    for procedure, name, beta in [
        ("standard", "identity", 0.24281), ("best-of:2", "identity", 0.3), ("best-of:4", "identity", 0.24281), ("best-of:4", "exp:5", 0.32526),
        ("best-of:4", "exp:10", 0.31835), ("best-of:4", "exp:10", 0.24132), ("best-of:4", "log", 0.43207), ("best-of:16", "exp:20", 0.3),
        ("worst-of:4", "identity", 0.24281), ("worst-of:4", "exp:-5", 0.07077), ("worst-of:4", "exp:-10", 0.01151), ("worst-of:4", "exp:-10", 0.00096),
        ("worst-of:16", "exp:-20", 0.001), ("order:2/3", "identity", 0.3),
    ]:  # fmt: skip
        G, g = finite_k.procedure(procedure)
        for K in (10, 32, 100):
            quantile = np.arange(K + 1) / K
            if name == "log":
                quantile = np.clip(quantile, 0.5 / K, 1 - 0.5 / K)
            e, phi = finite_k.weights(finite_k.transform(name)(quantile), beta)
            coarse, fine = (finite_k.rank_conditional(e, phi, beta, G, g, r=r, nv=40) for r in (7, 9))
            rows.append({"procedure": procedure, "transform": name, "beta": beta, "k": K, "win_rate": num(fine[0]), "standard_win_rate": num(fine[1]),
                         "kl": num(fine[2]), "uncertainty": float(f"{np.max(np.abs(fine - coarse)[:2]) + 1e-13:.1e}")})  # fmt: skip
    return rows


# ---------------------------------------------------------------------------- the values printed in MATH.md and the issue


def printed_values():
    """Every figure of 'Values to hold' and of the Gaussian raw-reward table, next to what is printed there."""
    rows = []

    def win(name, kl, procedure):
        phi, top = transform(name)
        q = grid_for(name, kl, 0.25)
        return 1 - tilt_at_kl(q, phi(q), top, LD(kl))[1].loss(*rank_procedure(procedure))

    for procedure, worst, printed in [
        ("best-of:4", False, {"kl": 0.3701, "optimum": 0.8401, "identity": 0.7685, "log": 0.7317, "exp:5": 0.8259, "exp:10": 0.8393}),
        ("worst-of:4", True, {"kl": 0.4089, "optimum": 0.9250, "identity": 0.8557, "exp:-5": 0.9207, "exp:-10": 0.9245}),
    ]:
        (f,) = power_optimum(4, worst, betas=["0.3"])
        for key, want in printed.items():
            got = f["kl"] if key == "kl" else f["win_rate"] if key == "optimum" else win(key, f["kl"], procedure)
            rows.append({"where": "beta 0.3", "procedure": procedure, "what": key, "printed": want, "value": num(got)})
    for kl, procedure, printed in [
        ("0.5", "best-of:4", {"probit": 0.8450, "identity": 0.7998, "exp:10": 0.8715, "exp:-10": 0.6859}),
        ("0.5", "worst-of:4", {"probit": 0.8450, "identity": 0.8860, "exp:10": 0.6763, "exp:-10": 0.9476}),
        ("1", "best-of:4", {"probit": 0.9237, "identity": 0.8770, "exp:10": 0.9351, "exp:-10": 0.8095}),
        ("1", "worst-of:4", {"probit": 0.9237, "identity": 0.9745, "exp:10": 0.7712, "exp:-10": 0.9927}),
    ]:
        for key, want in printed.items():
            rows.append({"where": f"kl {kl}", "procedure": procedure, "what": key, "printed": want, "value": num(win(key, kl, procedure))})
    return rows


def main():
    warnings.simplefilter("ignore", RuntimeWarning)
    values = printed_values()
    for v in values:
        flag = "" if abs(v["value"] - v["printed"]) <= 5.1e-5 else "   <-- differs"
        print(f"{v['where']:9} {v['procedure']:11} {v['what']:9} printed {v['printed']:.4f} value {v['value']:.10f}{flag}")
    grid, grid_spread = tilts()
    print("grid: largest change on halving the panels", grid_spread)
    extreme, extreme_spread = extreme_tilts()
    print("extreme: largest relative change on halving the panels", extreme_spread)
    optima = power_rows()
    shot, checks = shooting_rows()
    for p, row in checks.items():
        other = next(o for o in optima if o["procedure"] == p and abs(o["kl"] - 0.5) < 1e-12)
        print("shooting against the universal problem", p, {k: abs(row[k] - other[k]) for k in ("beta", "win_rate", "standard_win_rate")})
    rewound, several = rewind_rows()
    print("rewind: betas with several stationary points:", several[:5], len(several))
    doc = {
        "about": "Reference values by tools/reference/reference.py; win_rate is the inference-time one, exp:T the normalised transform.",
        "tilts": grid,
        "extreme_tilts": extreme,
        "optima": optima + shot + rewound,
        "finite_levels": finite_rows(),
        "finite_k": finite_k_rows(),
        "estimators": estimator_rows(),
        "printed": values,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: " + (json.dumps(v) if isinstance(v, str) else "[\n" + ",\n".join("  " + json.dumps(r) for r in v) + "\n ]") for k, v in doc.items()) + "\n}\n")
    print(OUT.name, OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
