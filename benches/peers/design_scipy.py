"""The work of `infalign design --frontier`, written plainly with NumPy and SciPy.

Run:  OMP_NUM_THREADS=1 python benches/peers/design_scipy.py --procedure best-of:4 --kl 0.5 --frontier

What a competent researcher would write first: densities on a fixed grid of points clustered at both ends,
the trapezoid rule, brentq for beta at a KL, and for the coupled optimum a fixed-point iteration on the log
density, damped and halved where the objective falls, started from the neighbouring solution, inside a brentq
for its beta. Prints one JSON object with the seconds that the work took (imports left out, and stated on
their own) and the values, so that the accuracy can be compared too.
"""

import time

STARTED = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402

import numpy as np  # noqa: E402
import scipy  # noqa: E402
from scipy.integrate import cumulative_trapezoid, quad  # noqa: E402
from scipy.optimize import brentq, minimize_scalar  # noqa: E402

IMPORTED = time.perf_counter()


def procedure(text):
    """G and g = G' of best-of:N, worst-of:N or standard."""
    kind, _, n = text.partition(":")
    if kind == "standard":
        return (lambda u: u), np.ones_like
    n = int(n)
    if kind == "best-of":
        return (lambda u: u**n), (lambda u: n * u ** (n - 1))
    if kind == "worst-of":
        return (lambda u: 1 - (1 - u) ** n), (lambda u: n * (1 - u) ** (n - 1))
    raise SystemExit(f"design_scipy.py: {text!r} is not best-of:N, worst-of:N or standard")


class Grid:
    """Points u = (1 - cos)/2, dense at both ends, and everything that is integrated on them."""

    def __init__(self, points, G, g):
        self.u = (1 - np.cos(np.linspace(0, np.pi, points))) / 2
        self.u[0] = 1e-12  # log u
        self.G, self.g = G, g
        self.gu = g(self.u)

    def tilt(self, phi, beta):
        a = phi / beta
        f = np.exp(a - a.max())
        f /= np.trapezoid(f, self.u)
        return f

    def kl(self, f):
        return np.trapezoid(f * np.log(np.maximum(f, 1e-300)), self.u)

    def wins(self, f):
        F = cumulative_trapezoid(f, self.u, initial=0)
        return 1 - np.trapezoid(self.G(F) * self.gu, self.u), 1 - np.trapezoid(F, self.u), F

    def beta_at(self, phi, kl):
        low = -9.0
        while low > -100 and self.kl(self.tilt(phi, np.exp(low))) < kl:
            low -= 9.0
        return np.exp(brentq(lambda lb: self.kl(self.tilt(phi, np.exp(lb))) - kl, low, 9.0, xtol=1e-10))

    def point(self, phi, kl):
        beta = self.beta_at(phi, kl)
        w, ws, _ = self.wins(self.tilt(phi, beta))
        return {"beta": beta, "kl": kl, "win_rate": w, "standard_win_rate": ws}

    def optimum_at(self, beta, start, tolerance=1e-9, most=4000):
        """Damped fixed point of log f = Phi*_F/beta; returns the tabulated Phi*."""
        phi, step = start, 0.5
        f = self.tilt(phi, beta)
        w, _, F = self.wins(f)
        best = w - beta * self.kl(f)
        for _ in range(most):
            slope = self.g(F) * self.gu
            target = cumulative_trapezoid(slope, self.u, initial=0)
            target -= target[-1]
            if np.max(np.abs(target - phi)) < tolerance:
                break
            while True:
                trial = phi + step * (target - phi)
                ft = self.tilt(trial, beta)
                w, _, Ft = self.wins(ft)
                value = w - beta * self.kl(ft)
                if value >= best - 1e-14 or step < 1e-4:
                    break
                step /= 2
            phi, F, best, step = trial, Ft, value, min(1.0, step * 1.1)
        return phi

    def optimum(self, kl, warm):
        """The optimum at a KL: brentq over log beta; `warm` is the (beta, Phi*) of a neighbour."""
        state = {"phi": warm[1]}

        def gap(lb):
            state["phi"] = self.optimum_at(np.exp(lb), state["phi"])
            return self.kl(self.tilt(state["phi"], np.exp(lb))) - kl

        lo = hi = np.log(warm[0])
        while gap(lo) < 0:
            lo -= 0.7
        while gap(hi) > 0:
            hi += 0.7
        lb = brentq(gap, lo, hi, xtol=1e-8)
        beta = np.exp(lb)
        phi = self.optimum_at(beta, state["phi"])
        f = self.tilt(phi, beta)
        w, ws, _ = self.wins(f)
        return {"beta": beta, "kl": self.kl(f), "win_rate": w, "standard_win_rate": ws}, (beta, phi)


def exponential(u, t):
    return np.expm1(t * u) / np.expm1(t)


def by_quad(name, phi, kl, G, g):
    """One design without a grid: nested scipy.integrate.quad (for `--quad`; minutes for a frontier)."""
    z = lambda beta: quad(lambda u: np.exp((phi(u) - phi(1.0)) / beta), 0, 1, epsabs=1e-12, limit=200)[0]

    def spent(beta):
        zb = z(beta)
        return quad(lambda u: np.exp((phi(u) - phi(1.0)) / beta) / zb * ((phi(u) - phi(1.0)) / beta - np.log(zb)), 0, 1, epsabs=1e-12, limit=200)[0]

    beta = np.exp(brentq(lambda lb: spent(np.exp(lb)) - kl, -4, 5, xtol=1e-10))
    zb = z(beta)
    cdf = lambda v: quad(lambda u: np.exp((phi(u) - phi(1.0)) / beta) / zb, 0, v, epsabs=1e-10, limit=200)[0]
    w = 1 - quad(lambda v: G(cdf(v)) * g(v), 0, 1, epsabs=1e-9)[0]
    ws = 1 - quad(cdf, 0, 1, epsabs=1e-9)[0]
    return {"transform": name, "beta": beta, "kl": kl, "win_rate": w, "standard_win_rate": ws}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--procedure", default="best-of:4")
    ap.add_argument("--kl", type=float, default=0.5)
    ap.add_argument("--points", type=int, default=4001, help="grid points")
    ap.add_argument("--kls", type=int, default=60, help="KLs of the frontier, from 1e-3 to 4")
    ap.add_argument("--frontier", action="store_true")
    ap.add_argument("--quad", action="store_true", help="one design by nested quad, without the optimum")
    args = ap.parse_args()
    G, g = procedure(args.procedure)
    sign = -1 if args.procedure.startswith("worst") else 1
    begin, cpu_begin = time.perf_counter(), time.process_time()
    grid = Grid(args.points, G, g)
    ts = [sign * t for t in (2.5, 5.0, 10.0, 20.0)]
    if args.quad:
        phis = {"identity": lambda u: u} | {f"exp:{t:g}": (lambda u, t=t: np.expm1(t * u) / np.expm1(t)) for t in ts[:3]}
        rows = [by_quad(n, p, args.kl, G, lambda u: float(g(np.asarray(u, float)))) for n, p in phis.items()]
        print(json.dumps({"peer": "scipy quad", "seconds": time.perf_counter() - begin, "transforms": rows}))
        return

    def at_t(t):
        try:
            return -grid.point(exponential(grid.u, sign * t), args.kl)["win_rate"]
        except ValueError:  # the grid cannot reach this KL at this t
            return 0.0

    t = sign * minimize_scalar(at_t, bounds=(0.5, 40.0), method="bounded", options={"xatol": 1e-3}).x
    phis = {"identity": grid.u, "log": np.log(grid.u)} | {f"exp:{t:g}": exponential(grid.u, t) for t in ts + [float(t)]}
    design = [{"transform": n, **grid.point(p, args.kl)} for n, p in phis.items()]
    optimum, warm = grid.optimum(args.kl, (0.5, np.zeros_like(grid.u)))
    out = {"procedure": args.procedure, "kl": args.kl, "transforms": sorted(design, key=lambda d: -d["win_rate"]), "optimum": optimum}
    design_seconds = time.perf_counter() - begin
    if args.frontier:
        points, unreached = [], 0
        warm = (20.0, np.zeros_like(grid.u))
        for kl in np.geomspace(1e-3, 4.0, args.kls):
            for n, p in phis.items():
                try:
                    points.append({"transform": n, **grid.point(p, kl)})
                except ValueError:
                    unreached += 1
            best, warm = grid.optimum(kl, warm)
            points.append({"transform": "optimal", **best})
        out["points"], out["unreached"] = points, unreached
    end, cpu_end = time.perf_counter(), time.process_time()
    print(json.dumps({"peer": f"numpy {np.__version__}, scipy {scipy.__version__}", "grid": args.points, "import_seconds": IMPORTED - STARTED,
                      "design_seconds": design_seconds, "seconds": end - begin, "cpu_seconds": cpu_end - cpu_begin, **out}))  # fmt: skip


if __name__ == "__main__":
    main()
