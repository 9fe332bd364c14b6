"""Makes docs/src/results/tavern.md and results.json of this folder from a finished run of seeds.toml.

    infalign run experiments/tavern/seeds.toml
    python3 experiments/tavern/page.py runs/seeds

Figures are means over seeds of training.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from joined import joined, percent  # noqa: E402

PAGE = HERE.parents[1] / "docs/src/results/tavern.md"
REWARDS = ["raw", "identity", "exp:10", "exp:-10"]
PROCEDURES = ["standard", "best-of:4", "worst-of:4"]


def arm(name):
    return re.sub(r", seed \d+$", "", name)


def collect(results):
    judges = [j["name"] for j in results["judges"]]
    found = {"prompts": results["prompts"], "samples": results["samples"], "judges": judges, "arms": {}, "differences": []}
    for reward in REWARDS:
        policies = [p for p in results["policies"] if arm(p["name"]) == reward]
        rates = {}
        for procedure in PROCEDURES:
            for judge in judges:
                rows = [w for p in policies for w in p["win_rates"] if (w["procedure"], w["judge"]) == (procedure, judge)]
                rates[f"{procedure} by {judge}"] = joined([w["win_rate"] for w in rows]) | {
                    "predicted": rows[0].get("predicted"),
                    "above_optimum": max(w["win_rate"]["low"] - w["optimum"] for w in rows if w.get("optimum") is not None) if judge == judges[0] else None,
                }
        found["arms"][reward] = {
            "kl": joined([p["kl"]["rao_blackwell"] for p in policies]),
            "kl_efficiency": joined([p["kl_efficiency"] for p in policies]),
            "win_rates": rates,
        }
    for left, right, procedure in [
        ("exp:-10", "raw", "worst-of:4"), ("exp:-10", "identity", "worst-of:4"),
        ("exp:10", "raw", "best-of:4"), ("exp:10", "identity", "best-of:4"),
        ("identity", "raw", "standard"),
    ]:
        for judge in judges:
            rows = []
            for c in results["comparisons"]:
                same = c["left"].split(", seed")[-1] == c["right"].split(", seed")[-1]
                if not same or (c["procedure"], c["judge"]) != (procedure, judge):
                    continue
                if (arm(c["left"]), arm(c["right"])) == (left, right):
                    rows.append(c["difference"])
                elif (arm(c["left"]), arm(c["right"])) == (right, left):
                    d = c["difference"]
                    rows.append(d | {"mean": -d["mean"], "low": -d["high"], "high": -d["low"]})
            found["differences"].append({"left": left, "right": right, "procedure": procedure, "judge": judge} | joined(rows))
    return found


def page(found):
    judges = found["judges"]
    lines = [
        "# The default task, five seeds",
        "",
        "<!-- made by experiments/tavern/page.py; do not edit -->",
        "",
        "```sh",
        "infalign run experiments/tavern/seeds.toml",
        "python3 experiments/tavern/page.py runs/seeds",
        "```",
        "",
        f"The [default task](../default-task.md) with every reward trained from five seeds (RLOO, exact KL) to a held-out KL of 0.5 nats; measured on "
        f"{found['prompts']} held-out prompts with {found['samples']} fresh responses of each policy. The reward model `{judges[0]}` is what training sees; "
        f"`{judges[1]}` is the task's own reward, which training never sees. Means over seeds with 95% intervals over prompts and seeds, in per cent; *predicted*: "
        "by theory from the calibration table, before training.",
        "",
    ]
    for judge in judges:
        lines += [f"Win rates against the base under the same procedure, by `{judge}`:", "", "| reward | KL | " + " | ".join(PROCEDURES) + " | KL efficiency |", "|---" * (len(PROCEDURES) + 3) + "|"]
        for reward, a in found["arms"].items():
            cells = []
            for procedure in PROCEDURES:
                w = a["win_rates"][f"{procedure} by {judge}"]
                cells.append(percent(w) + (f" (predicted {100 * w['predicted']:.1f})" if w["predicted"] is not None and judge == judges[0] else ""))
            lines.append(f"| `{reward}` | {a['kl']['mean']:.3f} ± {a['kl']['half']:.3f} | " + " | ".join(cells) + f" | {a['kl_efficiency']['mean']:.2f} |")
        lines.append("")
    lines += ["Differences, paired by prompt and seed, in points:", "", "| under | difference | " + " | ".join(f"by `{j}`" for j in judges) + " |", "|---" * (len(judges) + 2) + "|"]
    pairs = {}
    for d in found["differences"]:
        pairs.setdefault((d["procedure"], d["left"], d["right"]), {})[d["judge"]] = d
    for (procedure, left, right), by in pairs.items():
        lines.append(f"| {procedure} | `{left}` − `{right}` | " + " | ".join(f"{100 * by[j]['mean']:+.1f} ± {100 * by[j]['half']:.1f}" for j in judges) + " |")
    worst = max(w["above_optimum"] for a in found["arms"].values() for w in a["win_rates"].values() if w["above_optimum"] is not None)
    lines += ["", "No measured win rate lies above the theoretical optimum at its KL beyond its interval." if worst <= 0 else
              f"One measured win rate lies {100 * worst:.1f} points above the theoretical optimum at its KL beyond its interval.", ""]
    return "\n".join(lines)


def main():
    run = Path(sys.argv[1])
    found = collect(json.loads((run / "eval/results.json").read_text()))
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(page(found))
    print(PAGE)


main()
