"""`infalign calibrate --rewards` beside pyarrow with NumPy: files of 10^7 and 10^8 rewards, sorted prompt by prompt.

Run:  python3 benches/peers/calibrate_bulk.py

Makes the files (K rewards of each prompt, a normal law with its own mean, Parquet as pyarrow writes it without a dictionary of floats),
then runs ours and the peer in turn, each in a process of its own, on one thread pinned to one core: `read` (diagnostics alone, nothing
written; the peer only sorts) and `write` (the sorted table as Parquet). Ours also finds repeated ids, refuses what is not finite, counts
ties and makes the diagnostics; the peer does none of that. Prints a table of medians and writes benches/results/calibrate-DATE.json with
every run. Rewards per second are of CPU time, which a busy machine stretches less than the time on the clock; peak memory is the process's.

Needs Linux; the peer's Python (INFALIGN_PEER_PYTHON, else benches/peers/.venv/bin/python) needs pyarrow and NumPy. The program is
target/release/infalign, or the one that INFALIGN_PROGRAM names.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("INFALIGN_PROGRAM", str(ROOT / "target/release/infalign"))
PYTHON = os.environ.get("INFALIGN_PEER_PYTHON", str(ROOT / "benches/peers/.venv/bin/python"))

MAKE = """
import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
prompts, k, path, codec = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
rng = np.random.default_rng(1)
schema = pa.schema([("prompt_id", pa.string()), ("rewards", pa.list_(pa.float32()))])
with pq.ParquetWriter(path, schema, compression=codec, use_dictionary=False) as out:
    for start in range(0, prompts, 20000):
        n = min(20000, prompts - start)
        values = rng.standard_normal((n, 1), dtype=np.float32) + rng.standard_normal((n, k), dtype=np.float32)
        lists = pa.ListArray.from_arrays(pa.array(np.arange(0, n * k + 1, k, dtype=np.int32)), pa.array(values.ravel()))
        out.write_table(pa.table({"prompt_id": [f"prompt-{i}" for i in range(start, start + n)], "rewards": lists}, schema=schema))
"""

PEER = """
import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
pa.set_cpu_count(1); pa.set_io_thread_count(1)
path, k, out = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
file = pq.ParquetFile(path)
writer = pq.ParquetWriter(out, file.schema_arrow, compression="none", use_dictionary=False) if out else None
for batch in file.iter_batches(batch_size=4096, use_threads=False):
    rewards = batch.column("rewards")
    values = np.sort(rewards.flatten().to_numpy().reshape(-1, k), axis=1)
    if writer:
        lists = pa.ListArray.from_arrays(rewards.offsets, pa.array(values.ravel()))
        writer.write_batch(pa.record_batch([batch.column("prompt_id"), lists], schema=file.schema_arrow))
if writer:
    writer.close()
"""


def spawn(command):
    """Runs a command to its end: (wall seconds, CPU seconds, peak MB)."""
    begin = time.perf_counter()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})
    said = child.stderr.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"calibrate_bulk.py: exit code {child.returncode} from {command[0]}: {said}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, usage.ru_utime


def measure(folder, prompts, k, codec, rounds):
    """Runs of every kind on one file."""
    path, out = folder / f"{prompts}-{codec}.parquet", folder / "out.parquet"
    spawn([PYTHON, "-c", MAKE, prompts, k, path, codec])
    ours = [PROGRAM, "calibrate", "--rewards", path, "--quiet", "--format", "json"]
    peer = [PYTHON, "-c", PEER, path, k]
    kinds = {"ours/read": ours, "peer/read": peer, "ours/write": [*ours, "--out", out], "peer/write": [*peer, out]}
    runs = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, command in kinds.items():
            out.unlink(missing_ok=True)
            runs[kind].append(dict(zip(("wall_s", "cpu_s", "peak_mb", "user_s"), spawn(command))))
    path.unlink()
    out.unlink(missing_ok=True)
    return {"rewards": prompts * k, "k": k, "compression": codec, "runs": runs}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--k", type=int, default=100)
    ap.add_argument("--prompts", type=int, nargs="+", default=[100_000, 1_000_000])
    ap.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    args = ap.parse_args()
    os.sched_setaffinity(0, {args.core})
    before = os.getloadavg()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        files = [measure(Path(folder), p, args.k, codec, args.rounds) for p in args.prompts for codec in ("none", "snappy")]
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), platform.machine())
    versions = subprocess.run([PYTHON, "-c", "import numpy, pyarrow; print(numpy.__version__, pyarrow.__version__)"], capture_output=True, text=True)
    date = datetime.date.today().isoformat()
    results = {"date": date, "cpu": model, "peer": "numpy, pyarrow " + versions.stdout.strip(), "rounds": args.rounds, "load_before": before,
               "load_after": os.getloadavg(), "files": files}  # fmt: skip
    (ROOT / f"benches/results/calibrate-{date}.json").write_text(json.dumps(results, indent=1) + "\n")
    print("| rewards | compression | run | M rewards/s of CPU time | of user time | on the clock | peak MB |\n|---|---|---|---|---|---|---|")
    for file in files:
        for kind, runs in file["runs"].items():
            middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            rate = {name: file["rewards"] / middle[name] / 1e6 for name in ("cpu_s", "user_s", "wall_s")}
            print(f"| {file['rewards']:.0e} | {file['compression']} | {kind} | {rate['cpu_s']:.0f} | {rate['user_s']:.0f} | {rate['wall_s']:.0f} | {middle['peak_mb']:.0f} |")


if __name__ == "__main__":
    main()
