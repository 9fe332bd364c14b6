"""The default task trained by TRL, by RL and by supervised fine-tuning, in place of this program's own trainer, from the handed-over files to the page.

    python3 experiments/tavern/trl.py --program target/release/infalign --python PYTHON --work WORK

PYTHON is one that has torch, trl (1.16 or newer), datasets, and the package `infalign` of this repository; it may be the one that runs this script. For every
seed three runs share their configuration: one trains here (RLOO with the exact KL, a controller, landing on the budget); the others write what TRL needs
(`train.trainer = "trl"`: a script and its configuration; `"sft"`: a set and the configuration of `trl sft`), which is run as it was written, the first
beside `infalign serve`, and measure what TRL made (`--trained`). Whatever is there already is not made again. results-trl.json and
docs/src/results/tavern-trl.md are made of the seeds that are done. TRL holds beta, and SFT takes the optimum's density as it is, so their KL is what comes out.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from joined import joined, percent  # noqa: E402

PAGE = HERE.parents[1] / "docs/src/results/tavern-trl.md"
REWARDS = ["raw", "identity", "exp:10", "exp:-10"]
PROCEDURES = ["standard", "best-of:4", "worst-of:4"]
CONFIG = """seed = {seed}

[design]
procedures = ["worst-of:4", "best-of:4"]
kl = [0.5]
rewards = ["raw", "identity", "exp:10", "exp:-10"]
"""
WAYS = {"own": "infalign, RLOO", "trl": "TRL, RLOO", "sft": "TRL, SFT"}
SERVICE = "http://127.0.0.1:8100"


def ready(process):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit("the service ended before it was ready; its log lies beside the configuration")
        try:
            with urllib.request.urlopen(f"{SERVICE}/readyz", timeout=1) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    sys.exit("the service was not ready within a minute")


def trained_by_trl(program, python, work, config, run, reward):
    """Runs what was handed over, as it was written, and returns where the policy lies."""
    folder = next(f for f in (run / "handover").iterdir() if names(f) == [reward])
    if (folder / "trained/seconds.json").exists():
        return folder
    on_cpu = ["--config", "config.yaml", "--use_cpu", "true", "--bf16", "false"]
    rl = (folder / "train.py").exists()
    command = [python, "train.py", *on_cpu] if rl else [str(Path(python).parent / "trl"), "sft", *on_cpu]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    with (work / f"{config.stem}-{folder.name}.log").open("w") as log:
        service = rl and subprocess.Popen([program, "serve", config.name, "--policy", reward], cwd=work, stdout=log, stderr=log)
        try:
            if service:
                ready(service)
            start = time.monotonic()
            subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log, env=environment)
            (folder / "trained/seconds.json").write_text(json.dumps(time.monotonic() - start))
        finally:
            if service:
                service.terminate()
                service.wait()
    return folder


def names(folder):
    """The reward that a folder's configuration names."""
    return re.findall(r"the reward (\S+) at", (folder / "config.yaml").read_text())


def seed_of(program, python, work, seed, threads):
    for way in WAYS:
        config = work / f"{way}-{seed}.toml"
        # Another trainer needs a folder: the embedded policy as the first run has put it there.
        trainer = {"own": ""}.get(way, f'\n[policy]\nmodel = "runs/own-{seed}/policy"\n\n[train]\ntrainer = "{way}"\n')
        config.write_text(CONFIG.format(seed=seed) + trainer)
        command = [program, "run", config.name, "--threads", threads]
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
        if way == "own":
            continue
        for reward in REWARDS:
            folder = trained_by_trl(program, python, work, config, work / "runs" / config.stem, reward)
            command += ["--trained", f"{reward}={folder / 'trained'}"]
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)


def collect(work, seeds, version):
    found = {"trl": version, "seeds": seeds, "arms": {}}
    for way in WAYS:
        results = [json.loads((work / f"runs/{way}-{seed}/eval/results.json").read_text()) for seed in seeds]
        found |= {"prompts": results[0]["prompts"], "samples": results[0]["samples"], "judges": [j["name"] for j in results[0]["judges"]]}
        for reward in REWARDS:
            policies = [next(p for p in r["policies"] if p["name"] == reward) for r in results]
            rates = {}
            for procedure in PROCEDURES:
                for judge in found["judges"]:
                    rows = [w for p in policies for w in p["win_rates"] if (w["procedure"], w["judge"]) == (procedure, judge)]
                    rates[f"{procedure} by {judge}"] = joined([w["win_rate"] for w in rows]) | {
                        "optimum": statistics.fmean(w["optimum"] for w in rows) if rows[0].get("optimum") is not None else None,
                    }
            arm = {"kl": joined([p["kl"]["rao_blackwell"] for p in policies]), "kl_efficiency": joined([p["kl_efficiency"] for p in policies]), "win_rates": rates}
            if way != "own":
                files = [f for seed in seeds for f in (work / f"runs/{way}-{seed}/handover").iterdir() if names(f) == [reward]]
                arm["seconds"] = statistics.median(json.loads((f / "trained/seconds.json").read_text()) for f in files)
            found["arms"].setdefault(reward, {})[way] = arm
    return found


def page(found):
    lines = [
        "# The default task through TRL",
        "",
        "<!-- made by experiments/tavern/trl.py; do not edit -->",
        "",
        "```sh",
        "python3 experiments/tavern/trl.py --program target/release/infalign --python PYTHON --work WORK",
        "```",
        "",
        f"The [default task](../default-task.md) by this program's own trainer, and by TRL {found['trl']} with what `train.trainer = \"trl\"` and `\"sft\"` write, "
        "run as it is ([without the weights](../tools/weights-free.md)); RLOO's rewards by `infalign serve`, SFT's rows drawn by the optimum's density. "
        f"{len(found['seeds'])} seed{'s' * (len(found['seeds']) > 1)}; measured on {found['prompts']} held-out prompts with {found['samples']} fresh responses of each policy, by the proxy that training sees. "
        "Means with 95% intervals over prompts and seeds, in per cent. The own trainer lands on the budget of 0.5 nats. TRL's RLOO holds "
        "the design's β and SFT has no KL in its loss, so their KL is what comes out, and the figures to compare are those beside the optimum *at that KL*, in brackets.",
        "",
        "| reward | trainer | KL | " + " | ".join(PROCEDURES) + " | KL efficiency |",
        "|---" * (len(PROCEDURES) + 4) + "|",
    ]
    judge = found["judges"][0]
    for reward, arms in found["arms"].items():
        for way, name in WAYS.items():
            a = arms[way]
            cells = [percent(w) + (f" ({100 * w['optimum']:.1f})" if w["optimum"] is not None else "") for w in (a["win_rates"][f"{p} by {judge}"] for p in PROCEDURES)]
            lines.append(f"| `{reward}` | {name} | {a['kl']['mean']:.3f} ± {a['kl']['half']:.3f} | " + " | ".join(cells) + f" | {a['kl_efficiency']['mean']:.2f} |")
    rl, sft = (statistics.median(arms[way]["seconds"] for arms in found["arms"].values()) for way in ("trl", "sft"))
    lines += ["", f"TRL took {rl:.0f} s for a policy by RLOO and {sft:.0f} s by SFT on a CPU (median; the machine was shared, so that this is no benchmark).", ""]
    return "\n".join(lines)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--program", default="infalign")
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--threads", default="1", help="of the program")
    options = options.parse_args()
    program = shutil.which(options.program)
    if program is None:
        sys.exit(f"{options.program} is no program; build it with `cargo build --release -p infalign-cli`")
    program = str(Path(program).resolve())
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    options.seeds.sort()
    version = subprocess.run([options.python, "-c", "import trl, infalign.service; print(trl.__version__)"], check=True, capture_output=True, text=True).stdout.strip()
    done = []
    for seed in options.seeds:
        seed_of(program, options.python, work, seed, options.threads)
        done.append(seed)
        found = collect(work, done, version)
        (HERE / "results-trl.json").write_text(json.dumps(found, indent=1) + "\n")
        PAGE.write_text(page(found))
        print(PAGE, f"of seeds {done}")


main()
