"""Makes results.json of this folder and docs/src/results/stories.md from finished runs, one for each seed.

    python3 experiments/stories/page.py WORK/runs/seed-0 WORK/runs/seed-1 WORK/runs/seed-2
"""

import json
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from joined import joined, percent  # noqa: E402

PAGE = HERE.parents[1] / "docs/src/results/stories.md"
REWARDS = ["raw", "identity", "exp:10", "exp:-10", "optimal for best-of:4", "optimal for worst-of:4"]
KLS = ["0.5", "1"]
PROCEDURES = ["standard", "best-of:4", "worst-of:4"]
JUDGES = ["proxy", "other half", "lexicon"]
PARTS = ["transform", "calibration", "kl_missed", "kl_wasted", "shape"]
BANDS = [("lowest tenth", 0, 2), ("next four tenths", 2, 10), ("next four tenths", 10, 18), ("highest tenth", 18, 20)]
DIFFERENCES = [("exp:-10", "raw", "worst-of:4"), ("exp:-10", "identity", "worst-of:4"), ("exp:10", "raw", "best-of:4"), ("exp:10", "identity", "best-of:4"), ("identity", "raw", "standard")]
def arm(runs, name):
    policies = [p for run in runs for p in run["policies"] if p["name"] == name]
    found = {"kl": joined([p["kl"]["rao_blackwell"] for p in policies]), "kl_efficiency": joined([p["kl_efficiency"] for p in policies]), "win_rates": {}, "gap": {}, "law": []}
    for procedure in PROCEDURES:
        for number, judge in enumerate(JUDGES):
            names = [run["judges"][number]["name"] for run in runs]
            rows = [w for p, n in zip(policies, names) for w in p["win_rates"] if (w["procedure"], w["judge"]) == (procedure, n)]
            found["win_rates"][f"{procedure} by {judge}"] = joined([w["win_rate"] for w in rows]) | (
                {"predicted": statistics.fmean(w["predicted"] for w in rows), "optimum": statistics.fmean(w["optimum"] for w in rows),
                 "above_optimum": max(w["win_rate"]["low"] - w["optimum"] for w in rows)} if number == 0 else {})
        gaps = [g for p in policies for g in p["gap"] if g["procedure"] == procedure]
        found["gap"][procedure] = {part: statistics.fmean(g[part] for g in gaps) for part in [*PARTS, "optimum", "measured"]}
    for band, first, last in BANDS:
        mass = lambda key: statistics.fmean(sum(p["law"][key][first:last]) / 20 for p in policies)
        found["law"].append({"band": band, "measured": mass("density")} | ({"target": mass("target")} if policies[0]["law"].get("target") else {}))
    return found


def difference(runs, left, right, procedure, number):
    rows = []
    for run in runs:
        judge = run["judges"][number]["name"]
        for c in run["comparisons"]:
            if (c["procedure"], c["judge"]) == (procedure, judge) and {c["left"], c["right"]} == {left, right}:
                sign = 1 if c["left"] == left else -1
                rows.append(c["difference"] | {"mean": sign * c["difference"]["mean"]})
    return joined(rows)


def collect(runs):
    found = {"seeds": len(runs), "prompts": runs[0]["prompts"], "samples": runs[0]["samples"], "judges": JUDGES, "arms": {}, "differences": []}
    for kl in KLS:
        for reward in REWARDS:
            found["arms"][f"{reward}, KL {kl}"] = arm(runs, f"{reward}, KL {kl}")
        for left, right, procedure in DIFFERENCES:
            by = {judge: difference(runs, f"{left}, KL {kl}", f"{right}, KL {kl}", procedure, n) for n, judge in enumerate(JUDGES)}
            found["differences"].append({"left": left, "right": right, "procedure": procedure, "kl": kl} | by)
    return found


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows), ""]


def points(x):
    return f"{100 * x:+.1f}"


def page(found):
    arms = found["arms"]
    lines = [
        "# Stories with a reward fitted to film reviews", "", "<!-- made by experiments/stories/page.py; do not edit -->", "",
        "```sh", "python3 experiments/stories/run.py --data DATA --program target/release/infalign --work WORK", "```", "",
        "A policy of 260 k parameters that tells children's stories (`stories260K`) goes on from the first twelve words of a story, 40 tokens. The proxy reward is a reward model that "
        "`infalign reward train` makes of the same policy and of pairs of endings of IMDB reviews; the *other half* is a second one that shares no review with it; the *lexicon* is "
        f"VADER's sum of valences. 96 prompts to train on, 100 rollouts each; RLOO with the exact KL, 150 steps of 16 × 16 responses. Measured on {found['prompts']} held-out prompts with "
        f"{found['samples']} fresh responses of each policy; {found['seeds']} seed{'s' if found['seeds'] > 1 else ''}, each with rollouts and prompts' order of its own; means with 95% intervals over prompts and seeds, in "
        "per cent. *Predicted* is the theory at that KL, computed before training.", "",
    ]
    for kl in KLS:
        lines += [f"## KL {kl}", "", "Win rates against the base under the same procedure, by the proxy, with what was predicted:", ""]
        rows = []
        for reward in REWARDS:
            a = arms[f"{reward}, KL {kl}"]
            cells = [f"{percent(a['win_rates'][f'{p} by proxy'])} ({100 * a['win_rates'][f'{p} by proxy']['predicted']:.1f})" for p in PROCEDURES]
            rows.append([f"`{reward}`", f"{a['kl']['mean']:.3f} ± {a['kl']['half']:.3f}", *cells, f"{a['kl_efficiency']['mean']:.2f} ± {a['kl_efficiency']['half']:.2f}"])
        lines += table(["reward", "KL", *(f"{p} (predicted)" for p in PROCEDURES), "KL efficiency"], rows)
        lines += ["By the judges that training never saw:", ""]
        others = JUDGES[1:]
        lines += table(["reward", *(f"{p} by {j}" for p in PROCEDURES for j in others)],
                       [[f"`{r}`", *(percent(arms[f"{r}, KL {kl}"]["win_rates"][f"{p} by {j}"]) for p in PROCEDURES for j in others)] for r in REWARDS])
        lines += ["Differences, paired by prompt, in points:", ""]
        lines += table(["under", "difference", *(f"by {j}" for j in JUDGES)],
                       [[d["procedure"], f"`{d['left']}` − `{d['right']}`", *(f"{points(d[j]['mean'])} ± {100 * d[j]['half']:.1f}" for j in JUDGES)] for d in found["differences"] if d["kl"] == kl])
        lines += ["Why a policy stays below the optimum of its procedure, in points (negative: the part brings something): another transform than the optimum's, the finite K of its calibration, a KL beside "
                  "the budget, KL that moves the text and not the quantile, and a law of the quantile of another shape than the target's:", ""]
        rows = []
        for procedure in PROCEDURES[1:]:
            for reward in REWARDS:
                g = arms[f"{reward}, KL {kl}"]["gap"][procedure]
                rows.append([procedure, f"`{reward}`", f"{100 * g['optimum']:.1f}", f"{100 * g['measured']:.1f}", *(points(g[part]) for part in PARTS)])
        lines += table(["under", "reward", "optimum", "measured", "transform", "finite K", "KL missed", "KL wasted", "shape"], rows)
        lines += ["The law of the quantile: the share of responses in each part of the base's law (which has 10, 40, 40 and 10), measured, and in brackets the target's:", ""]
        rows = [[f"`{r}`", *(f"{100 * b['measured']:.1f}" + (f" ({100 * b['target']:.1f})" if "target" in b else "") for b in arms[f"{r}, KL {kl}"]["law"])] for r in REWARDS]
        lines += table(["reward", *(band for band, _, _ in BANDS)], rows)
    worst = max(w.get("above_optimum", -1.0) for a in arms.values() for w in a["win_rates"].values())
    lines += ["No measured win rate lies above the theoretical optimum at its KL beyond its interval." if worst <= 0 else
              f"One measured win rate lies {100 * worst:.1f} points above the theoretical optimum at its KL beyond its interval.", ""]
    return "\n".join([*lines, discussion(arms)])


def discussion(arms):
    """What the figures say, in words around the figures themselves."""
    spent = [a["kl_efficiency"]["mean"] for a in arms.values()]
    elsewhere = [a["kl_efficiency"]["mean"] for a in json.loads((HERE.parent / "tavern/results.json").read_text())["arms"].values()]
    steep = arms["exp:-10, KL 1"]
    gaps = [a["gap"][p] for a in arms.values() for p in PROCEDURES[1:]]
    parts = {part: [g[part] for g in gaps] for part in PARTS}
    between = lambda values, factor=1, digits=2: f"{factor * min(values):.{digits}f} to {factor * max(values):.{digits}f}"
    return f"""\
## What it says

Theory promises each transform its end of the law: at KL 1 `exp:-10` should leave {100 * steep["law"][0]["target"]:.1f} per cent in the lowest tenth and win
{100 * steep["win_rates"]["worst-of:4 by proxy"]["predicted"]:.1f} per cent of worst-of-4; it leaves {100 * steep["law"][0]["measured"]:.1f} and wins {percent(steep["win_rates"]["worst-of:4 by proxy"])}. Whatever the reward, the policies shift the whole law of the
quantile upwards, and the differences between transforms are small beside what theory has for them. Only a share of {between(spent)} of the KL moves the quantile: KL that is wasted
costs {between(parts["kl_wasted"], 100, 1)} points, the finite K {between(parts["calibration"], 100, 1)}, and the KL that was missed {between(parts["kl_missed"], 100, 1)}.

On the [default task](tavern.md) the same program spends a share of {between(elsewhere)} on reward, and the transforms win what theory promises. So before training with a steep transform, look at the KL
efficiency and at the law of the quantile in the report: they say whether the policy can tell its worst responses from its bad ones. Why the KL is wasted here, by the noise of the gradient or by the policy's
size, these runs do not tell apart.
"""


def main():
    runs = [json.loads((Path(folder) / "eval/results.json").read_text()) for folder in sys.argv[1:]]
    found = collect(runs)
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(page(found))
    print(PAGE)


main()
