"""Tilted policies in 80-bit floats on Gauss-Legendre panels over a coordinate that resolves both ends of [0,1].

Nodes carry u, v = 1-u and du/dx each to full relative precision (x = logit u, or the normal quantile for the
probit). F and S = 1-F are accumulated from their own ends, so that losses like 1 - W keep relative digits.
"""

import mpmath as mp
import numpy as np

LD = np.longdouble
NODES = 24


def _rule():
    """Gauss-Legendre nodes, weights and the matrix of integrals from -1 to each node (30 digits, then 80-bit)."""
    def legendre(x):
        p = [mp.mpf(1), x]
        for k in range(1, NODES):
            p.append(((2 * k + 1) * x * p[k] - k * p[k - 1]) / (k + 1))
        return p

    with mp.workdps(40):
        xs, ws = [], []
        for start in np.polynomial.legendre.leggauss(NODES)[0]:
            x = mp.mpf(float(start))
            for _ in range(4):
                p = legendre(x)
                d = NODES * (x * p[NODES] - p[NODES - 1]) / (x * x - 1)
                x -= p[NODES] / d
            xs.append(x)
            ws.append(2 / ((1 - x * x) * d * d))
        P = np.array([legendre(x) for x in xs]).T
        A = []
        for i in range(NODES):
            I = [xs[i] + 1] + [(P[k + 1][i] - P[k - 1][i]) / (2 * k + 1) for k in range(1, NODES)]
            A.append([ws[j] * sum((2 * k + 1) * P[k][j] * I[k] for k in range(NODES)) / 2 for j in range(NODES)])
        to = lambda v: LD(mp.nstr(v, 25))
        return np.array([to(x) for x in xs]), np.array([to(w) for w in ws]), np.array([[to(a) for a in row] for row in A])


X, W, A = _rule()


class Grid:
    """Panels over x; `u`, `v`, `du` (du/dx) at the nodes."""

    def __init__(self, edges, kind="logit"):
        edges = np.asarray(edges, LD)
        self.h = np.diff(edges)[:, None] / 2
        x = edges[:-1, None] + self.h * (X + 1)
        if kind == "logit":
            e = np.exp(-np.abs(x))
            small, big = e / (1 + e), 1 / (1 + e)
            self.u, self.v = np.where(x < 0, small, big), np.where(x < 0, big, small)
            self.du = self.u * self.v
        else:
            self.du = np.exp(-x * x / 2) / np.sqrt(2 * LD(mp.nstr(mp.pi, 25)))
            self.u, self.v = self.both(self.du / self.total(self.du))
        self.x = x

    def total(self, density):
        return np.sum(density * W * self.h)

    def integral(self, values):
        return np.sum(values * self.du * W * self.h)

    def both(self, density):
        """Cumulative integral of density dx from the left and from the right."""
        mass = np.sum(density * W * self.h, axis=1)
        inner = (density @ A.T) * self.h
        left = np.concatenate([[LD(0)], np.cumsum(mass)[:-1]])[:, None]
        right = np.concatenate([np.cumsum(mass[::-1])[::-1][1:], [LD(0)]])[:, None]
        outer = ((density[:, ::-1] @ A.T) * self.h)[:, ::-1]
        return left + inner, right + outer


def logit_grid(width=0.25, low=-48.0, high=48.0, cuts=()):
    edges = np.arange(low, high + width / 2, width)
    return Grid(np.union1d(edges, np.asarray(cuts, float)).astype(LD) if len(cuts) == 0 else _with(edges, cuts))


def _with(edges, cuts):
    out = [LD(e) for e in edges] + list(cuts)
    return np.array(sorted(out), LD)


# ---------------------------------------------------------------------------- transforms, shifted so that Phi <= 0


def transform(name):
    """(phi(grid) - top, top): the transform relative to its value `top` at u = 1 (0 where it is unbounded)."""
    kind, _, arg = name.partition(":")
    if kind == "identity":
        return (lambda q: -q.v), LD(1)
    if kind == "log":
        return (lambda q: np.where(q.u < 0.5, np.log(q.u), np.log1p(-q.v))), LD(0)
    if kind == "logit":
        return (lambda q: q.x), LD(0)
    if kind == "probit":
        return (lambda q: q.x), LD(0)  # on a probit grid
    t = LD(float(arg))
    if kind == "power":
        return (lambda q: np.expm1(t * np.where(q.u < 0.5, np.log(q.u), np.log1p(-q.v)))), LD(1)
    if kind == "exp":
        # (e^{tu}-1)/(e^t-1) - 1 = -e^{tu} expm1(t v)/expm1(t); for t>0 written without overflow
        if t > 0:
            return (lambda q: np.expm1(-t * q.v) / -np.expm1(-t)), LD(1)
        return (lambda q: -np.exp(t * q.u) * np.expm1(t * q.v) / np.expm1(t)), LD(1)
    raise ValueError(name)


class Tilt:
    """f = e^{Phi/beta}/Z on a grid: log f, F, S, KL, log Z, and the loss 1 - W of a rank-based procedure."""

    def __init__(self, grid, phi, top, s):
        """s = 1/beta."""
        self.grid = grid
        a = phi * s
        shift = np.max(a) if np.max(np.abs(a)) > 1 else LD(0)
        a = a - shift
        if np.max(np.abs(a)) < 1:
            logz = np.log1p(grid.integral(np.expm1(a)))
        else:
            logz = np.log(grid.integral(np.exp(a)))
        self.log_z = logz + shift + top * s
        l = a - logz
        self.f = np.exp(l)
        series, term = LD(0), np.ones_like(l)
        small = np.where(np.abs(l) < 0.2, l, 0)
        for k in range(1, 25):
            term = term * small / k
            series = series + term * (k - 1)
        direct = np.where(self.f > 0, self.f * (l - 1) + 1, 1)
        self.kl = grid.integral(np.where(np.abs(l) < 0.2, series, direct))  # int f log f - f + 1
        mean = grid.integral(self.f * phi)
        self.variance = grid.integral(self.f * (phi - mean) ** 2)
        self.F, self.S = grid.both(self.f * grid.du)

    def loss(self, G, g):
        return self.grid.integral(G(self.F, self.S) * g(self.grid.u, self.grid.v))


def tilt_at_kl(grid, phi, top, kl, log_beta=(-250.0, 12.0)):
    """The tilt whose KL is `kl`: bisection in log beta, then Newton with dKL/dlog(beta) = -Var_f(Phi)/beta^2."""
    lo, hi = map(LD, log_beta)
    for _ in range(30):
        mid = (lo + hi) / 2
        t = Tilt(grid, phi, top, np.exp(-mid))
        if not np.isfinite(t.kl) or t.kl > kl:
            lo = mid
        else:
            hi = mid
    lb = (lo + hi) / 2
    for _ in range(6):
        t = Tilt(grid, phi, top, np.exp(-lb))
        step = (t.kl - kl) / (t.variance * np.exp(-2 * lb))
        lb += step
        if abs(step) < 1e-17:
            break
    return lb, Tilt(grid, phi, top, np.exp(-lb))


# ---------------------------------------------------------------------------- procedures


def log_cdf(F, S):
    with np.errstate(divide="ignore"):
        return np.where(F < 0.5, np.log(np.maximum(F, LD(1e-4900))), np.log1p(-np.minimum(S, LD(0.6))))


def _best(n):
    return (lambda F, S: np.exp(n * log_cdf(F, S))), (lambda u, v: n * np.exp((n - 1) * log_cdf(u, v)))


def _worst(n):
    return (lambda F, S: -np.expm1(n * log_cdf(S, F))), (lambda u, v: n * np.exp((n - 1) * log_cdf(v, u)))


def rank_procedure(name):
    """G(F, S) and g(u, v) with S = 1-F, v = 1-u."""
    kind, _, arg = name.partition(":")
    if name.startswith("mixture:"):
        parts = [p.split("*") for p in arg.split("+")]
        pieces = [(LD(w), rank_procedure(p)) for w, p in parts]
        return (lambda F, S: sum(w * G(F, S) for w, (G, _) in pieces)), (lambda u, v: sum(w * g(u, v) for w, (_, g) in pieces))
    if kind == "standard":
        return (lambda F, S: F), (lambda u, v: np.ones_like(u))
    if kind == "best-of":
        return _best(int(arg))
    if kind == "worst-of":
        return _worst(int(arg))
    if kind == "order":
        j, n = map(int, arg.split("/"))
        c = [int(mp.binomial(n, k)) for k in range(n + 1)]
        return (lambda F, S: sum(c[k] * F**k * S ** (n - k) for k in range(j, n + 1))), (
            lambda u, v: n * int(mp.binomial(n - 1, j - 1)) * u ** (j - 1) * v ** (n - j)
        )
    if kind == "poisson":
        m = LD(float(arg))
        return (lambda F, S: F * np.exp(-m * S)), (lambda u, v: np.exp(-m * v) * (1 + m * u))
    if kind == "tilt":
        l = LD(float(arg))
        return (lambda F, S: np.expm1(l * F) / np.expm1(l)), (lambda u, v: l * np.exp(l * u) / np.expm1(l))
    raise ValueError(name)


def rewind_loss(tilt, tau, m):
    """1 - W of rewind-and-repeat; the grid must have logit(tau) among its edges."""
    q = tilt.grid
    below = q.u < tau
    Ft = q.integral(np.where(below, tilt.f, 0))
    St = q.integral(np.where(below, 0, tilt.f))
    H = np.where(below, Ft ** (m - 1) * tilt.F, Ft**m + (tilt.F - Ft) * (1 - Ft**m) / St)
    h = np.where(below, tau ** (m - 1), (1 - tau**m) / (1 - tau))
    return q.integral(H * h)
