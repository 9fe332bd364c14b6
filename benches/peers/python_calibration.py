"""The Python package's calibration: opening a table of 10^6 prompts x 100 rewards, and lookups from NumPy batches, beside NumPy's way.

Run:  OMP_NUM_THREADS=1 python benches/peers/python_calibration.py --prompts 1000000 --k 100

Prints one JSON object. `load_mapped_s` and `load_parquet_s` are the best of `--repeats` of `Calibration.load`, the file in the page cache;
`cold` says seconds of the first call. `lookups_per_s` asks `--batch` random (prompt id, reward) pairs at a time: texts in a list, texts in a
NumPy object array, and one id per row of 16 rewards. `numpy_*` does the same with a dictionary of ids and `numpy.searchsorted`, prompt by
prompt, and with one vectorised comparison against the gathered rows, both in batches.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

import infalign


def best(repeats, work):
    """Shortest time of `work()`, and its last result."""
    shortest, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest, result


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--prompts", type=int, default=1_000_000)
    ap.add_argument("--k", type=int, default=100)
    ap.add_argument("--batch", type=int, default=100_000)
    ap.add_argument("--repeats", type=int, default=5)
    ap.add_argument("--folder", type=Path, default=None, help="keeps the files here, and takes them from here")
    args = ap.parse_args()
    rng = np.random.default_rng(1)
    folder = args.folder or Path(tempfile.mkdtemp())
    mapped, parquet = folder / "calibration.safetensors", folder / "calibration.parquet"
    ids = [f"prompt-{i:07d}" for i in range(args.prompts)]
    answer = {"prompts": args.prompts, "k": args.k, "cores": len(os.sched_getaffinity(0)), "package": "infalign 0.1.0", "peer": f"numpy {np.__version__}"}
    if not mapped.exists():
        rewards = rng.standard_normal((args.prompts, args.k), dtype=np.float32)
        answer["from_rollouts_s"], calibration = best(1, lambda: infalign.Calibration.from_rollouts(ids, rewards))
        del rewards
        answer["save_mapped_s"], _ = best(1, lambda: calibration.save(mapped))
        answer["save_parquet_s"], _ = best(1, lambda: calibration.save(parquet))
        del calibration
    answer["mapped_mb"], answer["parquet_mb"] = (round(os.path.getsize(f) / 1e6) for f in (mapped, parquet))
    answer["load_mapped_first_s"], _ = best(1, lambda: infalign.Calibration.load(mapped))
    answer["load_mapped_s"], calibration = best(args.repeats, lambda: infalign.Calibration.load(mapped))
    answer["rss_after_mapped_load_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)

    place = rng.integers(0, args.prompts, args.batch)
    raw = rng.standard_normal(args.batch, dtype=np.float32)
    asked = [ids[i] for i in place]
    objects = np.array(asked, dtype=object)
    answer["lookups_per_s_first"] = round(args.batch / best(1, lambda: calibration.quantiles(asked, raw))[0])
    seconds, u = best(args.repeats, lambda: calibration.quantiles(asked, raw))
    answer["lookups_per_s_list"] = round(args.batch / seconds)
    answer["lookups_per_s_object_array"] = round(args.batch / best(args.repeats, lambda: calibration.quantiles(objects, raw))[0])
    wide = rng.standard_normal((args.batch // 16, 16), dtype=np.float32)
    rows = asked[: len(wide)]
    answer["lookups_per_s_16_per_prompt"] = round(wide.size / best(args.repeats, lambda: calibration.quantiles(rows, wide))[0])

    sorted_rows = np.memmap(mapped, np.float32, "r", offset=rewards_offset(mapped), shape=(args.prompts, args.k))
    index = {prompt: i for i, prompt in enumerate(ids)}

    def one_by_one():
        out = np.empty(args.batch)
        for j, (prompt, r) in enumerate(zip(asked, raw)):
            row = sorted_rows[index[prompt]]
            out[j] = (np.searchsorted(row, r) + np.searchsorted(row, r, "right")) * (0.5 / args.k)
        return out

    def gathered():
        table = sorted_rows[[index[prompt] for prompt in asked]]
        return ((table < raw[:, None]).sum(1) + 0.5 * (table == raw[:, None]).sum(1)) / args.k

    for name, work in (("one_by_one", one_by_one), ("gathered", gathered)):
        seconds, theirs = best(2, work)
        assert np.allclose(theirs, u, atol=1e-12)
        answer[f"numpy_lookups_per_s_{name}"] = round(args.batch / seconds)
    answer["load_parquet_s"], _ = best(2, lambda: infalign.Calibration.load(parquet))
    print(json.dumps({key: round(value, 4) if isinstance(value, float) else value for key, value in answer.items()}))


def rewards_offset(path):
    """Where the rewards of a mapped calibration begin."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return 8 + length + json.loads(file.read(length))["rewards"]["data_offsets"][0]


if __name__ == "__main__":
    main()
