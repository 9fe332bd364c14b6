"""How the default task is solved by every objective, estimate of the KL, size of group, learning rate, K and |t|, from runs to the page, in one command.

    python3 experiments/tavern/solvers.py --program target/release/infalign --work WORK

Every row of the table is a run of its own with exp:10 for best-of-4 and exp:-10 for worst-of-4 from three seeds at a KL of .5 nats; what is not named is the
default's. A run that is there already is not made again, and one that was stopped goes on. results-solvers.json and docs/src/results/solvers.md are made of the
rows that are done. A row took about four minutes on a busy core; PPO's takes several times as long.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from joined import joined, percent  # noqa: E402

PAGE = HERE.parents[1] / "docs/src/results/solvers.md"
COMMON = ['design.procedures=["worst-of:4", "best-of:4"]', "design.seeds=[0, 1, 2]"]
STEPS, PROMPTS, SAMPLES = 120, 16, 16
ROWS = {
    "rloo": ("RLOO, exact KL: the default", {}),
    "k1": ("… k1 in the reward", {"train.kl": "k1"}),
    "k3": ("… k3", {"train.kl": "k3"}),
    "grpo": ("GRPO, exact KL", {"train.objective": "grpo"}),
    "projection": ("projection: no RL", {"train.objective": "projection"}),
    "warm-start": ("RLOO after 30 steps of projection", {"train.warm_start": 30}),
    "groups-8": ("groups of 8, 32 prompts", {"train.samples": 8, "train.prompts": 32}),
    "groups-32": ("groups of 32, 8 prompts", {"train.samples": 32, "train.prompts": 8}),
    "groups-64": ("groups of 64, 4 prompts", {"train.samples": 64, "train.prompts": 4}),
    "reuse": ("two passes over every step's samples, half the steps", {"train.epochs": 2, "train.steps": 60}),
    "long": ("twice the steps at .4 of the learning rate", {"train.learning_rate": 4e-4, "train.steps": 240}),
    "t-5": ("\\|t\\| = 5 in place of 10", {"rewards": ["exp:5", "exp:-5"]}),
    "k-32": ("K = 32 in place of 100", {"calibration.rollouts": 32}),
    "k-400": ("K = 400", {"calibration.rollouts": 400}),
    "prompts-24": ("24 prompts in place of 96", {"prompts.limit": 24}),
    "ppo": ("PPO, exact KL", {"train.objective": "ppo"}),
    "k3-brake": ("k3, with a brake above the budget", {"train.kl": "k3", "train.brake": 2.0}),
    "ppo-brake": ("PPO, with a brake above the budget", {"train.objective": "ppo", "train.brake": 2.0}),
}


def arm(name):
    return re.sub(r", seed \d+$", "", name)


def flags(changes):
    rewards = json.dumps(changes.get("rewards", ["exp:10", "exp:-10"]))
    sets = [*COMMON, f"design.rewards={rewards}", *(f"{key}={value}" for key, value in changes.items() if key != "rewards")]
    return [word for s in sets for word in ("--set", s)]


def collect(work, done):
    found = {}
    for key in done:
        changes = ROWS[key][1]
        run = work / "runs" / key
        results = json.loads((run / "eval/results.json").read_text())
        up, down = changes.get("rewards", ["exp:10", "exp:-10"])
        row = {"responses": changes.get("train.steps", STEPS) * changes.get("train.prompts", PROMPTS) * changes.get("train.samples", SAMPLES)}
        for reward, procedure, name in ((up, "best-of:4", "best"), (down, "worst-of:4", "worst")):
            policies = [p for p in results["policies"] if arm(p["name"]) == reward]
            judge = results["judges"][0]["name"]
            rates = [w["win_rate"] for p in policies for w in p["win_rates"] if (w["procedure"], w["judge"]) == (procedure, judge)]
            row[name] = joined(rates)
            row[f"{name}_kl"] = joined([p["kl"]["rao_blackwell"] for p in policies])
            row[f"{name}_efficiency"] = statistics.fmean(p["kl_efficiency"]["mean"] for p in policies)
        found[key] = row
    return found


def page(found):
    lines = [
        "# Which solver, and with what settings",
        "",
        "<!-- made by experiments/tavern/solvers.py; do not edit -->",
        "",
        "```sh",
        "python3 experiments/tavern/solvers.py --program target/release/infalign --work WORK",
        "```",
        "",
        "The [default task](../default-task.md): exp:10 measured under best-of-4 and exp:-10 under worst-of-4, trained from three seeds to a held-out KL of 0.5 nats. "
        "Win rates against the base under the same procedure by the proxy that training sees, in per cent, with 95% intervals over prompts and seeds; *responses* is how "
        "many a policy saw while it was trained, its own or, for the projection, the base's.",
        "",
        "| what | responses | best-of-4 | worst-of-4 | KL (exp:10, exp:-10) | KL efficiency |",
        "|---|---|---|---|---|---|",
    ]
    for key, r in found.items():
        lines.append(f"| {ROWS[key][0]} | {r['responses']:,} | {percent(r['best'])} | {percent(r['worst'])} | {r['best_kl']['mean']:.3f}, {r['worst_kl']['mean']:.3f} | "
                     f"{r['best_efficiency']:.2f}, {r['worst_efficiency']:.2f} |")
    lines += ["", "The intervals are those of one row. Rows share prompts and the base's responses, so that the difference of two rows is known better than their intervals say: "
              "their seeds alone, which are in `experiments/tavern/results-solvers.json`, show how well.", ""]
    return "\n".join(lines)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--program", default="infalign")
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    options.add_argument("--threads", default="1")
    options = options.parse_args()
    program = shutil.which(options.program)
    if program is None:
        sys.exit(f"{options.program} is no program; build it with `cargo build --release -p infalign-cli`")
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    for key in options.rows:
        command = [str(Path(program).resolve()), "run", "--name", key, "--threads", options.threads, *flags(ROWS[key][1])]
        with (work / f"{key}.log").open("a") as log:
            subprocess.run(command, cwd=work, check=True, stdout=log, stderr=log)
        done = [key for key in ROWS if (work / "runs" / key / "eval/results.json").exists()]
        found = collect(work, done)
        (HERE / "results-solvers.json").write_text(json.dumps(found, indent=1) + "\n")
        PAGE.write_text(page(found))
        print(key, "done")


main()
