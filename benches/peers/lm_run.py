"""Times the language models beside PyTorch and transformers, and writes the table and the plot of their benchmarks.

Run:  python3 benches/peers/lm_run.py [--quick] [--only train/llama5.8m]

Builds the example `lm_rates` (or takes `--program`), makes the peers' environment in benches/peers/.venv (or takes the Python that INFALIGN_PEER_PYTHON names),
then runs ours and the peer in turn, every measurement in a process of its own, pinned to one core and on one thread. The first round runs every variant of the
peer, the later ones the fastest of them. Every timing goes into benches/results/lm-YYYY-MM-DD.json; docs/src/benchmarks-lm.md and docs/src/figures/lm-batch.svg
are made from that file (alone: `--table FILE`). `--only` measures what begins so, and keeps the rest of the day's file. Needs Linux and only the standard library.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import lm_page
from run import PEERS, ROOT, machine

PROGRAM = ROOT / "target/release/examples/lm_rates"
PAGE = ROOT / "docs/src/benchmarks-lm.md"
FIGURE = ROOT / "docs/src/figures/lm-batch.svg"
FOLDER = Path(os.environ.get("INFALIGN_BENCH_FOLDER") or Path(tempfile.gettempdir()) / "infalign-bench-gpt2-124m")
POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


@dataclass(frozen=True)
class Pair:
    """One work: the name of ours, the peer's script with its variants, and how often each runs."""

    key: str
    ours: str
    script: str = ""
    variants: tuple = ()
    rounds: int = 1
    repeats: int = 3
    peer_repeats: int = 1
    threads: int = 1
    slow: bool = False


def pairs(rounds, cores):
    """Everything that is measured; `rounds` of what has a goal."""
    made = []
    for shape in ("llama5.8m", "stories260k", "gpt2-124m"):
        large = shape == "gpt2-124m"
        often = dict(rounds=rounds if shape == "llama5.8m" else 1, slow=large)
        codes = ("transformers",) if large else ("transformers", "plain")
        made += [
            Pair(f"train/{shape}", f"train/{shape}", "lm_train.py", tuple(f"{c}-{form}" for c in codes for form in ("fused", "foreach")), repeats=2 if large else 5,
                 peer_repeats=1 if large else 3, **often),
            Pair(f"rollout/{shape}/many", f"rollout/{shape}/many", "lm_rollout.py", ("dynamic", "static"), **often),
            Pair(f"rollout/{shape}/one", f"rollout/{shape}/one", "lm_rollout.py", ("dynamic", "static", "shared"), **often),
            Pair(f"score/{shape}", f"score/{shape}", "lm_score.py", tuple(f"batch-{n}" for n in ((1, 4) if large else (1, 8, 64))), peer_repeats=2, **often),
        ]  # fmt: skip
    for rows in lm_page.BATCHES:
        # 64 is rollout/llama5.8m/many.
        if rows != 64:
            made.append(Pair(f"batch/{rows}", f"rollout/llama5.8m/many-{rows}", "lm_rollout.py", (f"batch-{rows}",), slow=rows > 64, repeats=10 if rows < 16 else 2))
    made.append(Pair("load", f"load/{FOLDER}", "lm_load.py", ("transformers", "safetensors"), peer_repeats=3))
    if cores > 1:
        for work in ("train/llama5.8m", "rollout/llama5.8m/many", "score/llama5.8m"):
            made += [Pair(f"threads/{n}/{work}", work, rounds=rounds, repeats=5, threads=n) for n in (1, 2)]
    return made


def peer_name(pair, variant):
    """The name that the peer's script has for a variant."""
    place = {"load": "load", "batch": "rollout/llama5.8m"}.get(pair.key.split("/")[0], pair.key)
    return f"{place}-{variant}" if place.endswith(("/many", "/one")) else f"{place}/{variant}"


def spawn(command, cores, threads):
    """The JSON line that a process pinned to `cores` prints."""
    environment = os.environ | {name: str(threads) for name in POOLS}
    child = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    if child.returncode:
        sys.exit(f"lm_run.py: exit code {child.returncode} from: {' '.join(map(str, command))}\n{child.stderr}")
    return json.loads(child.stdout)


def measure(group, program, python, core):
    """Pairs whose rounds run in turn: key → what each process printed, ours and the peer's."""
    found = {p.key: {"ours": [], "peer": []} for p in group}
    for number in range(max(p.rounds for p in group)):
        for pair in (p for p in group if number < p.rounds):
            kept = found[pair.key]
            cores = {core} if pair.threads == 1 else set(sorted(os.sched_getaffinity(0))[: pair.threads])
            kept["ours"].append(spawn([program, pair.ours, pair.repeats], cores, pair.threads))
            for variant in pair.variants:
                name = peer_name(pair, variant)
                if number == 0 or name == lm_page.fastest(kept["peer"])[0]["name"]:
                    kept["peer"].append(spawn([python, PEERS / pair.script, "--child", name, "--repeats", pair.peer_repeats], {core}, 1))
    return found


def peak(given, core):
    """GFLOP/s of one core's multiply-add units by the kernels' benchmark, none where it has no such measurement."""
    command = [given, "--bench", "peak"] if given else ["cargo", "bench", "--quiet", "-p", "infalign-kernels", "--bench", "linear", "--", "peak"]
    child = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT, preexec_fn=None if not given else lambda: os.sched_setaffinity(0, {core}))
    rate = re.search(r"([\d.]+) ([GT])item/s", child.stdout)
    return float(rate[1]) * {"G": 1, "T": 1000}[rate[2]] if rate else None


def peer_python():
    """The interpreter with PyTorch and transformers."""
    given = os.environ.get("INFALIGN_PEER_PYTHON")
    if given:
        return given
    made = PEERS / ".venv/bin/python"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS / ".venv"], check=True)
    # run.py may have made it without these.
    if subprocess.run([made, "-c", "import torch, transformers"], capture_output=True).returncode:
        subprocess.run([made, "-m", "pip", "install", "--quiet", "-r", PEERS / "requirements-lm.txt"], check=True)
    return str(made)


def described():
    about = machine("")
    return {name: about[name] for name in ("cpu", "cores", "system", "rustc", "commit")}


def write(results):
    PAGE.write_text(lm_page.page(results))
    if drawn := lm_page.figure(results):
        FIGURE.write_text(drawn)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=3, help="processes of each side for the rows that have a goal")
    ap.add_argument("--quick", action="store_true", help="one round, without GPT-2's shape and batches of 256")
    ap.add_argument("--only", nargs="*", metavar="KEY", help="measure what begins so; the rest is kept from the day's file")
    ap.add_argument("--skip", nargs="*", default=[], metavar="KEY", help="do not measure what begins so")
    ap.add_argument("--list", action="store_true", help="print the keys and stop")
    ap.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="core to pin to")
    ap.add_argument("--program", type=Path, metavar="PATH", help="a built example lm_rates")
    ap.add_argument("--peak-program", type=Path, metavar="PATH", help="a built benchmark `linear` of infalign-kernels")
    ap.add_argument("--table", type=Path, metavar="FILE", help="only make the page and the figure from these results")
    args = ap.parse_args()
    if args.table:
        return write(json.loads(args.table.read_text()))
    chosen = [p for p in pairs(1 if args.quick else args.rounds, os.cpu_count()) if not (args.quick and p.slow)]
    chosen = [p for p in chosen if (not args.only or p.key.startswith(tuple(args.only))) and not p.key.startswith(tuple(args.skip))]
    if args.list or not chosen:
        return print(*(p.key for p in chosen or pairs(1, 2)), sep="\n")
    if not args.program:
        subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "infalign-lm", "--example", "lm_rates"], check=True, cwd=ROOT)
    program, python = args.program or PROGRAM, peer_python()

    file = ROOT / "benches/results" / f"lm-{datetime.date.today().isoformat()}.json"
    results = json.loads(file.read_text()) if args.only and file.exists() else {"measured": {}}
    results |= {"date": datetime.date.today().isoformat(), "machine": described(), "load_before": os.getloadavg(), "peak_gflops": peak(args.peak_program, args.core)}
    if any(p.key == "load" for p in chosen) and not (FOLDER / "model.safetensors").exists():
        spawn([python, PEERS / "lm_load.py", "--child", "load/write", "--repeats", 1], {args.core}, 1)
    # One and two threads are one group: their rounds alternate.
    groups = [[p] for p in chosen if not p.key.startswith("threads/")]
    groups += [g for w in ("train", "rollout", "score") if (g := [p for p in chosen if p.key.startswith("threads/") and p.key.split("/")[2] == w])]
    for group in groups:
        print(*(p.key for p in group), file=sys.stderr, flush=True)
        load = os.getloadavg()[0]
        found = measure(group, program, python, args.core)
        results["measured"] |= {key: kept | {"load": load} for key, kept in found.items()}
        results["load_after"] = os.getloadavg()
        file.write_text(json.dumps(results, indent=1) + "\n")
    write(results)
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
