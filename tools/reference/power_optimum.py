"""The coupled optimum of best-of-N and worst-of-N from one universal initial value problem per N (derived here).

The Euler equation of max W - beta KL for best-of-N is F'' = (N^2/beta) u^{N-1} F^{N-1} F', F(0)=0, F(1)=1;
for worst-of-N, with t = 1-u and S = 1-F, it is S'' = -(N^2/beta) t^{N-1} S^{N-1} S', S(0)=0, S(1)=1.
Both are the equation

    Y'' = sign N^2 y^{N-1} Y^{N-1} Y',  Y(0) = 0, Y'(0) = 1     (sign +1 best, -1 worst)

under F(u) = Y(b u)/Y(b), beta = 1/(Y(b)^{N-1} b^N): a family with one parameter b in which beta falls
strictly from infinity to 0. So for every beta there is exactly one stationary density, for worst-of-N too,
and every point of the frontier is read off one integration:

    KL    = (1/Y(b)) int_0^b Y' log Y' dy + log(b/Y(b))
    W_std = 1 - int_0^b Y dy/(b Y(b))   (best-of-N; one minus that for worst-of-N)
    W     = (beta/N)(bY'(b)/Y(b) - 1)   (best-of-N), 1 - (beta/N)(1 - bY'(b)/Y(b))   (worst-of-N)

where bY'(b)/Y(b) is the optimum's density at the good end u=1 (best) or at u=0 (worst); the last line follows
from int u F'' du by parts. Integrated by Taylor series of order 40 in 80-bit floats.
"""

import numpy as np

LD = np.longdouble
ORDER = 40


def _series(y0, Y, L, n, sign):
    """Taylor coefficients at y0 of Y, D = Y', L = log D (L is the state: D may underflow, harmlessly)."""
    D = np.exp(L)
    m = n - 1
    a, p, q, r, d, l = (np.zeros(ORDER + 2, LD) for _ in range(6))
    a[0], a[1] = Y, D
    d[0], l[0] = D, L
    p[0], q[0] = np.exp(m * np.log(Y)), np.exp(m * np.log(y0))
    for k in range(ORDER):
        if k:
            i = np.arange(1, k + 1, dtype=LD)
            p[k] = np.dot((i * (m + 1) - k) * a[1 : k + 1], p[k - 1 :: -1][:k]) / (k * Y)
            q[k] = q[k - 1] * (m - k + 1) / k / y0
        r[k] = sign * LD(n) ** 2 * np.dot(q[: k + 1], p[k::-1][: k + 1])
        l[k + 1] = r[k] / (k + 1)
        d[k + 1] = np.dot(r[: k + 1], d[k::-1][: k + 1]) / (k + 1)
        a[k + 2 if k + 2 <= ORDER + 1 else ORDER + 1] = d[k + 1] / (k + 2)
    return a[: ORDER + 1], d[: ORDER + 1], l[: ORDER + 1]


def _at(c, h):
    v = LD(0)
    for x in c[::-1]:
        v = v * h + x
    return v


def _integral(c):
    return np.concatenate([[LD(0)], c / np.arange(1, len(c) + 1, dtype=LD)])


def steps(n, sign):
    """Generator over Taylor steps: (y0, h, series, integrals so far)."""
    y = (LD(1e-26) / n**2) ** (LD(1) / (2 * n - 1))
    c = sign * LD(n) / (2 * n - 1)  # log Y' = sign N^2 y^{2N-1}/(2N-1) to leading order; below 1e-26
    Y, L = y, c * n * y ** (2 * n - 1)
    I1, I3, I2 = LD(0), y * y / 2, LD(0)
    while True:
        a, d, l = _series(y, Y, L, n, sign)
        dl = np.convolve(d, l)[: ORDER + 1]
        # I2 = int Y^N y^{N-1}: kept as an independent check of the identity for W
        m = np.zeros(ORDER + 1, LD)
        m[0] = np.exp(n * np.log(Y))
        for k in range(1, ORDER + 1):
            i = np.arange(1, k + 1, dtype=LD)
            m[k] = np.dot((i * (n + 1) - k) * a[1 : k + 1], m[k - 1 :: -1][:k]) / (k * Y)
        q = np.zeros(ORDER + 1, LD)
        q[0] = np.exp((n - 1) * np.log(y))
        for k in range(1, ORDER + 1):
            q[k] = q[k - 1] * (n - k) / k / y
        series = (a, l, _integral(dl), _integral(a), _integral(np.convolve(m, q)[: ORDER + 1]))
        # the truncated tail of each series below 1e-21 of its natural scale
        D = max(d[0], LD(1e-30))  # below that the density no longer counts
        scales = ((a, Y), (d, D), (dl, D), (l, max(abs(L), LD(1))))
        tails = [(abs(c[k]) / size, k) for c, size in scales for k in (ORDER - 1, ORDER) if c[k] != 0]
        h = min(LD(1e-21) ** (LD(1) / k) * t ** (-LD(1) / k) for t, k in tails) if tails else y
        h = min(h, y)
        yield y, h, series, (I1, I3, I2)
        I1 += _at(series[2], h)
        I3 += _at(series[3], h)
        I2 += _at(series[4], h)
        Y, L, y = _at(a, h), _at(l, h), y + h


def figures(n, sign, y, h, series, ints):
    a, l, s1, s3, s2 = series
    b, Y, D = y + h, _at(a, h), np.exp(_at(l, h))
    I1, I3, I2 = ints[0] + _at(s1, h), ints[1] + _at(s3, h), ints[2] + _at(s2, h)
    kl = I1 / Y + np.log(b / Y)
    beta = np.exp(-(n - 1) * np.log(Y) - n * np.log(b))
    end = b * D / Y
    area = I3 / (b * Y)
    if sign > 0:
        w, ws = beta / n * (end - 1), 1 - area
        check = 1 - n * I2 * beta / Y
    else:
        w, ws = 1 - beta / n * (1 - end), area
        check = n * I2 * beta / Y
    return dict(beta=beta, kl=kl, win_rate=w, standard_win_rate=ws, end_density=end, identity_gap=w - check)


def optimum(n, worst, kls=(), betas=()):
    """Figures at the given KLs and betas (all from one integration)."""
    sign = -1 if worst else 1
    todo = [("kl", LD(k)) for k in kls] + [("beta", LD(b)) for b in betas]
    found = {}
    for y, h, series, ints in steps(n, sign):
        end = figures(n, sign, y, h, series, ints)
        if not np.isfinite(end["kl"]):
            raise ArithmeticError(f"integration left the range of the floats at y = {y}")
        for key in [t for t in todo if t not in found]:
            name, target = key

            def past(f):
                return f["kl"] >= target if name == "kl" else f["beta"] <= target

            if past(end):
                lo, hi = LD(0), h
                for _ in range(80):
                    mid = (lo + hi) / 2
                    if past(figures(n, sign, y, mid, series, ints)):
                        hi = mid
                    else:
                        lo = mid
                found[key] = figures(n, sign, y, hi, series, ints)
        if len(found) == len(todo):
            return [found[t] for t in todo]


if __name__ == "__main__":
    for n, worst in [(4, False), (4, True)]:
        for f in optimum(n, worst, kls=[0.5], betas=[0.3]):
            print(n, "worst" if worst else "best", {k: float(v) for k, v in f.items()})
