"""The page and the plot of the language models' benchmarks, from the results of lm_run.py alone.

A process's time of one repeat is the mean of its repeats (our processor time comes in steps of 10 ms), a figure is the median over processes.
"""

import math
from statistics import mean, median

BATCHES = (1, 4, 16, 64, 256)
# key → the work in words, the least ratio of tokens per CPU second.
GOALS = {
    "train/llama5.8m": ("training, 8 × 256 tokens", 1.8),
    "rollout/llama5.8m/many": ("rollouts, 64 prompts of 16 tokens × 128 new tokens", 4.0),
    "rollout/llama5.8m/one": ("rollouts, 64 samples of one prompt of 256 tokens, 128 new tokens", 6.0),
    "score/llama5.8m": ("log-probabilities, 64 × 256 tokens", 2.0),
}
MEMORY, THREADS, LOADED = 0.5, 1.6, 1.2
# Floating-point operations of a token, by parameters: matrix products forward, and twice that backward.
WORK = {"train": 6, "score": 2}
# What bounds a row that is short of its goal, besides the share of the peak; printed only there.
BOUNDS = {
    "rollout": "not looked into",
    "threads": "measured while the load was as above; repeat it on a quiet machine before it is believed",
    "memory": "not looked into",
    "load": "not looked into",
}
# Rollouts with a goal: sequences, and the positions of the cache that a new token reads by itself, on average: a prompt of its own, and half of what follows it.
ROLLOUTS = {"rollout/llama5.8m/many": (64, 16 + 64), "rollout/llama5.8m/one": (64, 64)}
# Bytes of a position's keys and values: two of 256 numbers in each of 6 layers.
POSITION = 2 * 256 * 6 * 4


def time_of(runs, measure="cpu_seconds"):
    """Seconds of one repeat."""
    return median(mean(run[measure]) for run in runs)


def rate(runs, measure="cpu_seconds"):
    return runs[0]["tokens"] / time_of(runs, measure)


def fastest(runs):
    """All processes of the peer's variant that takes the least processor time."""
    names = {run["name"]: [r for r in runs if r["name"] == run["name"]] for run in runs}
    return min(names.values(), key=time_of)


def leanest(runs):
    """The process of the peer's variant whose peak memory without imports is the least."""
    return min(runs, key=lambda run: run["peak_rss_mb"] - run["import_rss_mb"])


def tokens(value):
    return f"{value:,.0f}/s" if value < 1e5 else f"{value / 1e3:,.0f} k/s"


def reached(yes):
    return "reached" if yes else "**not reached**"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def compared(measured, key):
    """Ours, the peer's fastest variant, and both ratios, as cells."""
    ours, peer = measured[key]["ours"], fastest(measured[key]["peer"])
    by = {m: rate(ours, m) / rate(peer, m) for m in ("cpu_seconds", "seconds")}
    return [tokens(rate(ours)), f"{tokens(rate(peer))}, {peer[0]['peer']}", f"{by['cpu_seconds']:.2f}×", f"{by['seconds']:.2f}×"], by["cpu_seconds"]


def share(results, key, runs):
    """Share of the multiply-add peak in the matrix products' operations, none where the peak is unknown or the work has no such count."""
    kind, peak = WORK.get(key.split("/")[0]), results.get("peak_gflops")
    return kind * runs[0]["parameters"] * rate(runs) / (peak * 1e9) if kind and peak else None


def rollout_bound(results, key, least):
    """What the goal asks for: a new token's keys, values and share of the weights are read while its products are not computed, those at the peak."""
    peak = results.get("peak_gflops")
    if key not in ROLLOUTS or not peak:
        return BOUNDS["rollout"]
    kept = results["measured"][key]
    (rows, positions), parameters = ROLLOUTS[key], kept["ours"][0]["parameters"]
    kilobytes = (POSITION * positions + 4 * parameters / rows) / 1e3
    products = 2 * parameters / peak / 1e3
    goal, ours = 1e6 / (least * rate(fastest(kept["peer"]))), 1e6 / rate(kept["ours"])
    return (f"a new token reads {kilobytes:,.0f} KB of keys, values and weights, and its products take {products:.0f} µs at the multiply-add peak. "
            f"The goal is {goal:.0f} µs, which leaves {kilobytes / (goal - products):.0f} GB/s for reading if all else took no time; ours takes {ours:.0f} µs")  # fmt: skip


def goal_rows(results, notes):
    measured, rows = results["measured"], []
    for key, (what, least) in GOALS.items():
        if key not in measured:
            continue
        cells, ratio = compared(measured, key)
        rows.append([what, *cells, f"≥ {least:g}×", reached(ratio >= least)])
        theirs = share(results, key, fastest(measured[key]["peer"]))
        if ratio < least and theirs:
            notes.append(f"- {what}: the peer's matrix products reach {theirs:.0%} of the multiply-add peak as a whole, so {least:g}× is {least * theirs:.0%} of it, "
                         f"and ours reach {share(results, key, measured[key]['ours']):.0%}.")  # fmt: skip
        elif ratio < least:
            notes.append(f"- {what}: {rollout_bound(results, key, least)}.")
    if "train/llama5.8m" in measured:
        ours, peer = median(run["peak_rss_mb"] for run in measured["train/llama5.8m"]["ours"]), leanest(measured["train/llama5.8m"]["peer"])
        without = peer["peak_rss_mb"] - peer["import_rss_mb"]
        rows.append(["peak memory of training, against the peer without its imports (with them)", f"{ours:.0f} MB", f"{without:.0f} MB ({peer['peak_rss_mb']:.0f} MB), {peer['peer']}",
                     f"{ours / without:.2f}× ({ours / peer['peak_rss_mb']:.2f}×)", "", f"≤ {MEMORY}×", reached(ours <= MEMORY * without)])  # fmt: skip
        if ours > MEMORY * without:
            notes.append(f"- peak memory: {BOUNDS['memory']}.")
    if thread_rows(measured):
        work, one, two, speed, _ = thread_rows(measured)[0]
        rows.append([f"two threads against one, {work}, wall time", two, f"{one}, ours on one thread", "", f"{speed:.2f}×", f"≥ {THREADS}×", reached(speed >= THREADS)])
        if speed < THREADS:
            notes.append(f"- two threads: {BOUNDS['threads']}.")
    if "load" in measured:
        ours, size = measured["load"]["ours"][0], measured["load"]["ours"][0]["tokens"] / 1e6
        rows.append([f"resident memory of loading a safetensors file of {size:.0f} MB", f"{ours['peak_rss_mb']:.0f} MB", "the file's size", f"{ours['peak_rss_mb'] / size:.2f}×", "",
                     f"< {LOADED}×", reached(ours["peak_rss_mb"] < LOADED * size)])  # fmt: skip
        if ours["peak_rss_mb"] >= LOADED * size:
            notes.append(f"- loading: {BOUNDS['load']}.")
    return rows


def thread_rows(measured):
    """Work, tokens per second on the clock with one and two threads, ratio of the medians, ratio of the fastest repeats."""
    rows = []
    for key in measured:
        if key.startswith("threads/2/") and (one := key.replace("threads/2/", "threads/1/")) in measured:
            a, b = measured[one]["ours"], measured[key]["ours"]
            best = [min(s for run in runs for s in run["seconds"]) for runs in (a, b)]
            rows.append((key.removeprefix("threads/2/"), tokens(rate(a, "seconds")), tokens(rate(b, "seconds")), rate(b, "seconds") / rate(a, "seconds"), best[0] / best[1]))
    return rows


def page(results):
    """The Markdown of the results."""
    at, measured, notes = results["machine"], results["measured"], []
    peers = next((run["version"] for kept in measured.values() for run in kept["peer"]), "no peers")
    load = " ".join(f"{x:.1f}" for x in results["load_before"]), " ".join(f"{x:.1f}" for x in results["load_after"])
    peak = f" One core's multiply-add peak: {results['peak_gflops']:.0f} GFLOP/s." if results.get("peak_gflops") else ""
    counts = [len(measured[key]["ours"]) for key in GOALS if key in measured]
    rounds = f"{min(counts)} process{'es' if min(counts) > 1 else ''} of each side for a row with a goal" if counts else "no row with a goal"
    lines = ["# Benchmarks of the language models", "",
             f"Made by `python3 benches/peers/lm_run.py`; every timing is in `benches/results/lm-{results['date']}.json`. One thread pinned to one core, random weights, ours and the peer in turn, "
             f"every measurement in a process of its own; median over the processes ({rounds}). Tokens per second are those of processor time, which a busy machine stretches less than the time on the clock; "
             "the ratio on the clock stands beside it. The peer is the fastest of its variants (PyTorch: fused and foreach AdamW, transformers' model and a hand-written one; `generate`: dynamic and "
             "static cache, one shared prefill; scoring: three batch sizes).", "",
             f"Machine: {at['cpu']}, {at['cores']} cores, {results['date']}, load {load[0]} before and {load[1]} after; {at['rustc']}; {peers}; commit {at['commit']}.{peak}", "",
             "## Goals, Llama of 5.8 M parameters", ""]  # fmt: skip
    goals = goal_rows(results, notes)
    lines += table(["work", "ours", "peer", "ratio, processor time", "ratio, clock", "goal", ""], goals)
    if notes:
        lines += ["What bounds the figures that are short of their goals:", "", *notes, ""]
    others = [[key, *compared(measured, key)[0]] for key in measured if key.split("/")[0] in ("train", "rollout", "score") and key not in GOALS]
    if others:
        lines += ["## Other shapes", "", "`stories260k` and a GPT-2 of 124 M parameters (training 2 × 128 tokens, rollouts 8 rows × 16 new tokens, scoring 4 × 256 tokens).", ""]
        lines += table(["work", "ours", "peer", "ratio, processor time", "ratio, clock"], others)
    shares = [[key, *(f"{share(results, key, runs):.0%}" for runs in (measured[key]["ours"], fastest(measured[key]["peer"])))] for key in measured if share_known(results, key)]
    if shares:
        lines += ["## Share of the multiply-add peak", "", "Operations are 6·N a token for training and 2·N for scoring, N the parameters; attention's own products are not counted, nor "
                  "anything but matrix products. (An embedding that is not tied is counted though it multiplies nothing.)", ""]  # fmt: skip
        lines += table(["work", "ours", "peer"], shares)
    if threads := thread_rows(measured):
        lines += ["## Two threads against one", "", "Ours, on the clock; the last column takes the fastest repeat of each, which other processes disturb least.", ""]
        lines += table(["work", "one thread", "two threads", "ratio of medians", "ratio of fastest"], [[f"`{w}`", a, b, f"{m:.2f}×", f"{f:.2f}×"] for w, a, b, m, f in threads])
    if "load" in measured:
        runs = [(measured["load"]["ours"][0], 0), *((run, run["import_rss_mb"]) for run in measured["load"]["peer"])]
        lines += ["## Loading", "", f"A file of {runs[0][0]['tokens'] / 1e6:.0f} MB in the page cache. Ours and transformers build the model; `safetensors` reads every tensor once.", ""]
        lines += table(["", "processor time", "peak resident memory", "without imports"],
                       [[r["peer"], f"{time_of([r]):.2f} s", f"{r['peak_rss_mb']:.0f} MB", f"{r['peak_rss_mb'] - i:.0f} MB"] for r, i in runs])  # fmt: skip
    if figure(results):
        lines += ["## Batch size", "", "New tokens per second of processor time against the number of sequences, prompts of 16 tokens and 128 new tokens, Llama of 5.8 M parameters.", "",
                  "![Rollouts' tokens per second against batch size, ours and transformers](figures/lm-batch.svg)", ""]  # fmt: skip
        lines += table(["batch", "ours", "peer", "ratio"], [[str(n), tokens(a), tokens(b), f"{a / b:.2f}×"] for n, a, b in by_batch(measured)])
    return "\n".join(lines)


def share_known(results, key):
    return key.split("/")[0] in WORK and results.get("peak_gflops")


def by_batch(measured):
    """(sequences, our tokens per CPU second, the peer's), as far as measured."""
    keys = {n: "rollout/llama5.8m/many" if n == 64 else f"batch/{n}" for n in BATCHES}
    # The plot's peer is the dynamic cache at every size.
    dynamic = lambda runs: [r for r in runs if "dynamic" in r["peer"]]  # noqa: E731
    return [(n, rate(measured[k]["ours"]), rate(dynamic(measured[k]["peer"]))) for n, k in keys.items() if k in measured]


STYLE = """.b{fill:#fff}text{font:13px system-ui,Segoe UI,Noto Sans,Helvetica,Arial,sans-serif;fill:#57606a}.g{stroke:#dfe3e8}.a,.p{fill:none;stroke-width:2.5}
.a{stroke:#0072b2}.p{stroke:#b34700}.da{fill:#0072b2}.dp{fill:#b34700}
@media(prefers-color-scheme:dark){.b{fill:#1b1f24}text{fill:#adb6c0}.g{stroke:#3a424b}.a{stroke:#56b4e9}.p{stroke:#e69f00}.da{fill:#56b4e9}.dp{fill:#e69f00}}"""


def figure(results):
    """The SVG of tokens per second against batch size, both axes logarithmic; none with fewer than two sizes."""
    points = by_batch(results["measured"])
    if len(points) < 2:
        return None
    width, height, left, right, top, bottom = 640, 340, 64, 118, 40, 48
    lowest, highest = math.floor(math.log10(min(b for *_, b in points))), math.ceil(math.log10(max(a for _, a, _ in points)))
    x = lambda n: left + (width - left - right) * math.log2(n) / math.log2(BATCHES[-1])  # noqa: E731
    y = lambda v: height - bottom - (height - top - bottom) * (math.log10(v) - lowest) / (highest - lowest)  # noqa: E731
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
             "<title>New tokens per second of processor time against batch size: infalign and transformers generate.</title>", f"<style>{STYLE}</style>",
             f'<rect class="b" width="{width}" height="{height}"/>', f'<text x="{left - 44}" y="22">new tokens per second, one core (logarithmic scales)</text>']  # fmt: skip
    for power in range(lowest, highest + 1):
        for digit in (1, 2, 5) if power < highest else (1,):
            value = digit * 10**power
            label = f"{value // 1000} k" if value >= 1000 else str(value)
            parts.append(f'<path class="g" d="M{left} {y(value):.1f}H{width - right}"/><text x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>')
    for n in BATCHES:
        parts.append(f'<text x="{x(n):.1f}" y="{height - bottom + 20}" text-anchor="middle">{n}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{height - 10}" text-anchor="middle">sequences at once</text>')
    for mark, name, column in (("a", "infalign", 1), ("p", "transformers", 2)):
        at = [(x(p[0]), y(p[column])) for p in points]
        parts.append(f'<polyline class="{mark}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in at)}"/>')
        parts += [f'<circle class="d{mark}" cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>' for a, b in at]
        parts.append(f'<text x="{at[-1][0] + 10:.1f}" y="{at[-1][1] + 4:.1f}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
