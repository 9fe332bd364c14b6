"""Calibration's two kernels in NumPy: sorting a table of K rewards per prompt, and looking rewards up in it.

Run:  OMP_NUM_THREADS=1 python benches/peers/numpy_sort.py --rows 200000 --k 100

Prints one JSON object: rewards sorted per second (np.sort along rows of float32, best of `--repeats`, without and
with the copy of the input), and quantile lookups per second (np.searchsorted in one table of K: random queries, and in
sorted order, where its branch prediction and reuse of the last bound help it; left and right side, as mid-ranks need).
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402


def best(repeats, prepare, work):
    """Shortest time of `work(prepare())`, the preparation left out."""
    shortest = float("inf")
    for _ in range(repeats):
        data = prepare()
        start = time.perf_counter()
        work(data)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--rows", type=int, default=200_000)
    ap.add_argument("--k", type=int, default=100)
    ap.add_argument("--lookups", type=int, default=2_000_000)
    ap.add_argument("--repeats", type=int, default=7)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    rng = np.random.default_rng(args.seed)
    rewards = rng.standard_normal((args.rows, args.k), dtype=np.float32)
    in_place = best(args.repeats, rewards.copy, lambda x: x.sort(axis=1))
    copied = best(args.repeats, lambda: rewards, lambda x: np.sort(x, axis=1))
    table = np.sort(rewards[0])
    queries = rng.standard_normal(args.lookups, dtype=np.float32)
    ordered = np.sort(queries)
    left = best(args.repeats, lambda: queries, lambda q: np.searchsorted(table, q))
    mid = best(args.repeats, lambda: queries, lambda q: (np.searchsorted(table, q, "left") + np.searchsorted(table, q, "right")) * (0.5 / args.k))
    lined = best(args.repeats, lambda: ordered, lambda q: np.searchsorted(table, q))
    total = args.rows * args.k
    print(json.dumps({
        "peer": f"numpy {np.__version__}", "rows": args.rows, "k": args.k, "dtype": "float32", "threads": 1,
        "sort_in_place_rewards_per_s": total / in_place, "sort_with_copy_rewards_per_s": total / copied,
        "lookup_left_per_s": args.lookups / left, "lookup_mid_rank_per_s": args.lookups / mid,
        "lookup_left_sorted_queries_per_s": args.lookups / lined,
        "simd": sorted(k for k, v in np._core._multiarray_umath.__cpu_features__.items() if v and k.startswith(("AVX2", "AVX512_SKX", "NEON", "X86_V"))),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
