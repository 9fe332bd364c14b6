"""Times this project beside its peers, checks that both computed the same numbers, and writes the table of benchmarks.

Run:  python3 benches/peers/run.py

Builds the release program and the example `rates`, makes the peers' environment in benches/peers/.venv (or takes the Python that
INFALIGN_PEER_PYTHON names), then runs ours and the peer in turn, pinned to one core and on one thread. Every timing goes into
benches/results/YYYY-MM-DD.json; docs/src/benchmarks.md is made from that file (alone: `--table FILE`). Needs Linux and only the standard
library. Stops with an error where the two disagree by more than the peer's accuracy.
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
PEERS = ROOT / "benches/peers"
PROGRAM = ROOT / "target/release/infalign"
RATES = ROOT / "target/release/examples/rates"
PAGE = ROOT / "docs/src/benchmarks.md"
RECORDED = ROOT.parent / "shared/data/superhf/scores.csv.gz"
RECORDED_COLUMNS = ["--prompt-column", "prompt_id", "--reward-column", "proxy_train_rm", "--gold-column", "gold_test_rm"]

# Largest difference of win rates: what the peer's 4001-point trapezoid leaves (benches/peers/README.md).
AGREE = 1e-6
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

# What bounds a figure that is short of its goal; printed only where it is.
BOUNDS = {
    "frontier/worst-of:4/ratio": "SciPy's iteration needs few steps for worst-of-4, and its 60 curves are vectorised exponentials as ours are; "
    "what is left on our side is the exponential of every tilt on the grid (see docs/LOG.md)",
    "lookups": "one thread's dependent table loads",
    "sort": "memory and shuffles of the sorting network; NumPy's sort uses AVX-512 where the machine has it",
}


def spawn(command):
    """Runs a command to its end: (stdout, wall seconds, CPU seconds)."""
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        child = subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.DEVNULL, env=os.environ | ONE_THREAD, cwd=ROOT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"run.py: exit code {child.returncode} from: {' '.join(map(str, command))}")
        out.seek(0)
        return out.read().decode(), wall, usage.ru_utime + usage.ru_stime


class Timings:
    """Repeated runs of one command."""

    def __init__(self):
        self.wall, self.cpu = [], []

    def run(self, command):
        text, wall, cpu = spawn(command)
        self.wall.append(wall)
        self.cpu.append(cpu)
        return text

    def raw(self):
        return {"wall_seconds": self.wall, "cpu_seconds": self.cpu}


def peer_python():
    """The interpreter with NumPy and SciPy."""
    given = os.environ.get("INFALIGN_PEER_PYTHON")
    if given:
        return given
    made = PEERS / ".venv/bin/python"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS / ".venv"], check=True)
        subprocess.run([made, "-m", "pip", "install", "--quiet", "-r", PEERS / "requirements.txt"], check=True)
    return str(made)


def win_rates(answer):
    """(transform, KL) → win rate, of every row and point; the searched exponent is left out, as the two round it differently."""
    rows = [(r["transform"], r["kl"], r["win_rate"]) for r in answer["transforms"] + answer.get("points", [])]
    rows.append(("optimum", answer["kl"], answer["optimum"]["win_rate"]))
    return {({"optimal": "optimum"}.get(name, name), f"{kl:.6g}"): rate for name, kl, rate in rows}


def agreement(ours, peer, least):
    """Largest difference of win rates over what both computed; an error where it is too large or too little was shared."""
    a, b = win_rates(ours), win_rates(peer)
    shared = a.keys() & b.keys()
    largest = max(abs(a[key] - b[key]) for key in shared)
    if largest > AGREE or len(shared) < least:
        sys.exit(f"run.py: {ours['procedure']}: win rates differ by {largest:.2g} (allowed: {AGREE:g}) over {len(shared)} values (expected: {least})")
    return {"values": len(shared), "largest_difference": largest}


def row(key, what, goal, limit, better, unit, ours, peer=None, ratio=None, measure="wall"):
    return {"key": key, "what": what, "goal": goal, "limit": limit, "better": better, "unit": unit, "measure": measure,
            "ours": ours, "peer": peer, "ratio": ratio}  # fmt: skip


def designs(python, rounds):
    """One design, against a whole SciPy process that does the same."""
    rows = []
    for procedure in ("best-of:4", "worst-of:4"):
        question = ["--procedure", procedure, "--kl", "0.5"]
        command = [PROGRAM, "design", *question]
        ours, at_k, peer = Timings(), Timings(), Timings()
        for _ in range(rounds):
            ours.run(command)
            theirs = json.loads(peer.run([python, PEERS / "design_scipy.py", *question]))
            at_k.run([*command, "--k", "100"])
        same = agreement(json.loads(spawn([*command, "--format", "json"])[0]), theirs, 7)
        made = row(f"design/{procedure}", f"`design --procedure {procedure} --kl 0.5`, whole process", "< 20 ms", 0.020, "less", "s",
                   ours.raw(), peer.raw() | {"name": "SciPy, whole process"})  # fmt: skip
        rows.append(made | {"agreement": same})
        rows.append(row(f"design/{procedure}/k", "the same with `--k 100`", "< 20 ms", 0.020, "less", "s", at_k.raw()))
    return rows


def frontiers(python, rounds):
    """64 KLs of every default transform and the optimum, against the same KLs in SciPy."""
    rows = []
    for procedure in ("best-of:4", "worst-of:4"):
        question = ["--procedure", procedure, "--kl", "0.5", "--frontier"]
        ours, peer, compute = Timings(), Timings(), []
        for _ in range(rounds):
            answer = json.loads(ours.run([PROGRAM, "design", *question, "--format", "json"]))
            theirs = json.loads(peer.run([python, PEERS / "design_scipy.py", *question, "--kls", "64"]))
            compute.append(theirs["cpu_seconds"])
        same = agreement(answer, theirs, 7 * 64)
        slower = peer.raw() | {"compute_cpu_seconds": compute, "name": "SciPy, whole process"}
        made = row(f"frontier/{procedure}", f"`design --procedure {procedure} --kl 0.5 --frontier --format json`, whole process", "< 0.5 s", 0.5,
                   "less", "s", ours.raw(), slower)  # fmt: skip
        rows.append(made | {"agreement": same})
        ratio = [b / a for a, b in zip(ours.cpu, compute)]
        rows.append(row(f"frontier/{procedure}/ratio", "the same in CPU time: our whole process against SciPy's computing alone (imports and start left out)",
                        "≥ 50×", 50, "more", "s", ours.raw(), {"cpu_seconds": compute, "name": "SciPy, computing"}, ratio, "cpu"))  # fmt: skip
    return rows


def rates(python, rounds):
    """Kernels: rewards and lookups per second on one core."""
    ours, peer = [], []
    for _ in range(rounds):
        ours.append(json.loads(spawn([RATES, "0.5"])[0]))
        peer.append(json.loads(spawn([python, PEERS / "numpy_sort.py", "--rows", "10000", "--lookups", "100000", "--repeats", "15"])[0]))

    def of(figures, name):
        return {"per_second": [f[name] for f in figures]}

    return [
        row("lookups", "calibrated lookups, K = 100, in batches", "≥ 50 M/s", 50e6, "more", "/s", of(ours, "lookups"),
            of(peer, "lookup_mid_rank_per_s") | {"name": "NumPy `searchsorted`, both sides"}, measure="per_second"),
        row("win_rate", "win-rate estimator, m = n = 128, N = 4, rewards", "≥ 20 M/s", 20e6, "more", "/s", of(ours, "win_rate"), measure="per_second"),
        row("sort", "calibrating tables of K = 100, rewards", "≥ 100 M/s", 100e6, "more", "/s", of(ours, "calibrate_tables"),
            of(peer, "sort_in_place_rewards_per_s") | {"name": "NumPy `sort` in place"}, measure="per_second"),
    ], peer[0]["simd"]  # fmt: skip


def recorded(table, rounds):
    """The main job: four KLs and both procedures on 160 prompts × 155 responses, simulated ones where `table` does not exist."""
    timings = Timings()
    with tempfile.TemporaryDirectory() as folder:
        columns = RECORDED_COLUMNS
        if not table.exists():
            table, columns = Path(folder) / "simulated.parquet", []
            spawn([PROGRAM, "simulate", "--prompts", "160", "--k", "155", "--out", table])
        for _ in range(rounds):
            timings.run([PROGRAM, "run", "--rollouts", table, *columns, "--kl", "0.1,0.25,0.5,1", "--procedure", "best-of:4", "--procedure", "worst-of:4",
                         "--runs", folder, "--name", "timed", "--overwrite"])  # fmt: skip
    kind = "recorded" if columns else "simulated"
    return row("run", f"`run` on a {kind} table of 160 prompts × 155 responses, 4 KLs, 2 procedures, whole process", "< 2 s", 2.0, "less", "s", timings.raw())


def startup(rounds):
    timings = Timings()
    for _ in range(rounds):
        timings.run([PROGRAM, "--version"])
    return row("startup", "`infalign --version`", "< 5 ms", 0.005, "less", "s", timings.raw())


def machine(simd):
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), platform.machine())
    first = lambda *command: subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()  # noqa: E731
    return {"cpu": model, "cores": os.cpu_count(), "simd_of_numpy": simd, "system": f"{platform.system()} {platform.machine()}",
            "rustc": first("rustc", "--version"), "python": platform.python_version(), "commit": first("git", "rev-parse", "--short", "HEAD"),
            "peers": [line for line in (PEERS / "requirements.txt").read_text().split() if line]}  # fmt: skip


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def text_of(value, unit):
    if unit == "B":
        return f"{value / 1e6:.1f} MB"
    if unit == "/s":
        return f"{value / 1e6:.1f} M/s"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"


def spread(values, unit):
    """Median, with the quartiles where there is more than one value."""
    if len(values) == 1:
        return text_of(values[0], unit)
    low, middle, high = quartiles(values)
    return f"{text_of(middle, unit)} ({text_of(low, unit)} – {text_of(high, unit)})"


def verdict(made):
    """Met by the median; a time that other processes stretched past the goal is met in CPU time, and said to be."""
    met = (lambda v: v < made["limit"]) if made["better"] == "less" else (lambda v: v >= made["limit"])
    if made["ratio"]:
        return "met" if met(statistics.median(made["ratio"])) else "**not met**"
    values = series(made["ours"], made["measure"])
    if met(statistics.median(values)):
        return "met"
    if "cpu_seconds" in made["ours"] and met(statistics.median(made["ours"]["cpu_seconds"])):
        return "met in CPU time only"
    return "**not met**"


def series(figures, measure):
    return figures[{"wall": "wall_seconds", "cpu": "cpu_seconds"}.get(measure, measure)]


def page(results):
    """The Markdown of the results."""
    at = results["machine"]
    load = " ".join(f"{x:.1f}" for x in results["load_before"]), " ".join(f"{x:.1f}" for x in results["load_after"])
    lines = [
        "# Benchmarks",
        "",
        "Made by `python3 benches/peers/run.py`; every timing is in "
        f"`benches/results/{results['date']}.json`. Median (quartiles) over {results['rounds']} rounds ({results['slow_rounds']} of the frontier, the kernels and `run`), ours and the peer in turn, "
        "one thread pinned to one core. CPU is the process's own time, which a busy machine stretches less than the time on the clock.",
        "",
        f"Machine: {at['cpu']}, {at['cores']} cores, load {load[0]} before and {load[1]} after; {at['rustc']}; Python {at['python']}, "
        f"{', '.join(at['peers'])}; commit {at['commit']}.",
        "",
        "| what | goal | ours | our CPU time | peer | ratio | |",
        "|---|---|---|---|---|---|---|",
    ]
    notes = []
    for made in results["rows"]:
        measure, unit, ours, peer = made["measure"], made["unit"], made["ours"], made["peer"]
        cells = [made["what"], made["goal"], spread(series(ours, measure), unit)]
        cells.append(spread(ours["cpu_seconds"], unit) if measure == "wall" else "")
        if peer:
            mine, theirs = (statistics.median(series(x, measure)) for x in (ours, peer))
            ratio = statistics.median(made["ratio"]) if made["ratio"] else theirs / mine if unit == "s" else mine / theirs
            cells += [f"{spread(series(peer, measure), unit)}, {peer['name']}", f"{ratio:.3g}×"]
        else:
            cells += ["", ""]
        said = verdict(made)
        cells.append(said)
        lines.append("| " + " | ".join(cells) + " |")
        if "not met" in said and made["key"] in BOUNDS:
            notes.append(f"- {made['what']}: {BOUNDS[made['key']]}.")
    if notes:
        lines += ["", "What bounds the figures that are short of their goals:", "", *notes]
    agreed = [made for made in results["rows"] if "agreement" in made]
    values = sum(made["agreement"]["values"] for made in agreed)
    largest = max(made["agreement"]["largest_difference"] for made in agreed)
    lines += [
        "",
        f"Same work: {values} win rates that both computed differ by {largest:.1g} at most, which is what the peer's trapezoidal grid leaves. "
        "SciPy's design and frontier are `benches/peers/design_scipy.py`, with 64 KLs as ours.",
    ]
    return "\n".join(lines) + "\n"


def build():
    for target in (["-p", "infalign-cli"], ["-p", "infalign", "--example", "rates"]):
        subprocess.run(["cargo", "build", "--release", "--quiet", *target], check=True, cwd=ROOT)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=15, help="rounds of what takes milliseconds")
    ap.add_argument("--slow-rounds", type=int, default=5, help="rounds of the frontier and of the kernels")
    ap.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="core to pin to")
    ap.add_argument("--rollouts", type=Path, default=RECORDED, metavar="FILE", help="scores of superhf; a table is simulated without it")
    ap.add_argument("--table", type=Path, metavar="FILE", help="only make the page from these results")
    args = ap.parse_args()
    if args.table:
        PAGE.write_text(page(json.loads(args.table.read_text())))
        return
    if min(args.rounds, args.slow_rounds) < 2:
        ap.error("quartiles need at least two rounds")
    build()
    python = peer_python()
    os.sched_setaffinity(0, {args.core})
    before = os.getloadavg()
    rows = designs(python, args.rounds) + frontiers(python, args.slow_rounds)
    kernels, simd = rates(python, args.slow_rounds)
    rows += kernels + [recorded(args.rollouts, args.slow_rounds), startup(args.rounds)]
    rows.append(row("size", "release program, stripped", "< 15 MB", 15e6, "less", "B", {"bytes": [PROGRAM.stat().st_size]}, measure="bytes"))
    results = {"date": datetime.date.today().isoformat(), "machine": machine(simd), "rounds": args.rounds, "slow_rounds": args.slow_rounds,
               "load_before": before, "load_after": os.getloadavg(), "rows": rows}  # fmt: skip
    file = ROOT / "benches/results" / f"{results['date']}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results))
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
