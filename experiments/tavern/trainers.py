"""The default task trained by TRL and by ms-swift in place of this program's own trainer, from the handed-over files to the page.

    python3 experiments/tavern/trainers.py --program target/release/infalign --python PYTHON --swift PYTHON --work WORK

PYTHON is one that has torch, trl (1.16 or newer), datasets, and the package `infalign` of this repository; that of `--swift` has ms-swift (4.6) and the
package. For every seed three runs share their configuration: one trains here (RLOO with the exact KL, a controller, landing on the budget); the others write
what TRL needs (`train.trainer = "trl"`: a script and its configuration; `"sft"`: a set and the configuration of `trl sft`), which is run as it was written,
the first beside `infalign serve`, and measure what TRL made (`--trained`). ms-swift gets the prompts and beta that TRL gets, with swift_plugin.py, which wraps
the run's proxy by `infalign.swift`. Whatever is there already is not made again. results-trainers.json and docs/src/results/tavern-trainers.md are made of the
seeds that are done. The trainers hold beta, and SFT takes the optimum's density as it is, so their KL is what comes out.
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

PAGE = HERE.parents[1] / "docs/src/results/tavern-trainers.md"
REWARDS = ["raw", "identity", "exp:10", "exp:-10"]
PROCEDURES = ["standard", "best-of:4", "worst-of:4"]
CONFIG = """seed = {seed}

[design]
procedures = ["worst-of:4", "best-of:4"]
kl = [0.5]
rewards = ["raw", "identity", "exp:10", "exp:-10"]
"""
WAYS = {"own": "infalign, RLOO", "trl": "TRL, RLOO", "sft": "TRL, SFT", "swift": "ms-swift, RLOO"}


def ready(process, service):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit("the service ended before it was ready; its log lies beside the configuration")
        try:
            with urllib.request.urlopen(f"{service}/readyz", timeout=1) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    sys.exit("the service was not ready within a minute")


def trained_by_trl(program, python, work, config, run, reward, port):
    """Runs what was handed over, as it was written, and returns where the policy lies."""
    folder = handed(run, reward)
    if (folder / "trained/seconds.json").exists():
        return folder
    on_cpu = ["--config", "config.yaml", "--use_cpu", "true", "--bf16", "false"]
    rl = (folder / "train.py").exists()
    address = f"127.0.0.1:{port}"
    command = [python, "train.py", *on_cpu, "--service", f"http://{address}"] if rl else [str(Path(python).parent / "trl"), "sft", *on_cpu]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}
    with (work / f"{config.stem}-{folder.name}.log").open("w") as log:
        service = rl and subprocess.Popen([program, "serve", config.name, "--policy", reward, "--listen", address], cwd=work, stdout=log, stderr=log)
        try:
            if service:
                ready(service, f"http://{address}")
            start = time.monotonic()
            subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log, env=environment)
            (folder / "trained/seconds.json").write_text(json.dumps(time.monotonic() - start))
        finally:
            if service:
                service.terminate()
                service.wait()
    return folder


def trained_by_swift(python, folder, reward, here):
    """Trains with ms-swift on the prompts and beta of what was handed over to TRL; returns where the policy lies."""
    place = folder.parent.parent / "swift" / folder.name
    if (place / "seconds.json").exists():
        return place / "trained"
    place.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]
    rows = [{"messages": [{"role": "user", "content": row["prompt"]}], "name": row["prompt_id"]} for row in rows]
    (place / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {key: value for key, value in re.findall(r"^(\w+): (.*)$", (folder / "config.yaml").read_text(), re.M)}
    settings = {
        "rlhf_type": "grpo", "model": here / "policy", "model_type": "llama", "template": "dummy", "use_chat_template": "false", "tuner_type": "full", "torch_dtype": "float32",
        "dataset": "prompts.jsonl", "external_plugins": HERE / "swift_plugin.py", "reward_funcs": "calibrated", "beta": given["beta"],
        # The advantage less the others' mean, the KL of whole sequences in the reward, nothing rescaled.
        "advantage_estimator": "rloo", "kl_in_reward": "true", "scale_rewards": "none",
        "temperature": given["temperature"], "top_k": -1, "top_p": 1, "max_completion_length": given["max_completion_length"],
        "num_generations": given["num_generations"], "per_device_train_batch_size": given["per_device_train_batch_size"],
        "gradient_accumulation_steps": given["gradient_accumulation_steps"], "max_steps": given["max_steps"], "learning_rate": given["learning_rate"],
        "warmup_ratio": 0, "seed": given["seed"], "logging_steps": 1, "save_steps": given["max_steps"], "save_only_model": "true",
        "output_dir": "out", "add_version": "false", "report_to": "none", "use_cpu": "true", "split_dataset_ratio": 0,
    }  # fmt: skip
    command = [str(Path(python).parent / "swift"), "rlhf"] + [str(word) for key, value in settings.items() for word in (f"--{key}", value)]
    environment = {**os.environ, "INFALIGN_RUN": str(here), "INFALIGN_TRANSFORM": reward, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    with (place / "log").open("w") as log:
        start = time.monotonic()
        subprocess.run(command, cwd=place, check=True, stdout=log, stderr=log, env=environment)
        seconds = time.monotonic() - start
    shutil.copytree(place / f"out/checkpoint-{given['max_steps']}", place / "trained", dirs_exist_ok=True)
    (place / "seconds.json").write_text(json.dumps(seconds))
    return place / "trained"


def measured(work, way, seed):
    """Where a way's results of a seed lie, if all policies are in them."""
    file = work / f"runs/{way}-{seed}/eval/results.json"
    results = json.loads(file.read_text()) if file.exists() else {"policies": []}
    return results if set(REWARDS) <= {p["name"] for p in results["policies"]} else None


def handed(run, reward):
    """What a run handed over for a reward."""
    return next(f for f in (run / "handover").iterdir() if names(f) == [reward])


def names(folder):
    """The reward that a folder's configuration names."""
    return re.findall(r"the reward (\S+) at", (folder / "config.yaml").read_text())


def seed_of(program, python, swift, work, seed, threads, port, chosen):
    for way in chosen:
        config = work / f"{way}-{seed}.toml"
        # Another trainer needs a folder: the embedded policy as the first run has put it there. What TRL gets serves ms-swift too.
        trainer = {"own": ""}.get(way, f'\n[policy]\nmodel = "runs/own-{seed}/policy"\n\n[train]\ntrainer = "{"trl" if way == "swift" else way}"\n')
        config.write_text(CONFIG.format(seed=seed) + trainer)
        command = [program, "run", config.name, "--threads", threads]
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
        if way == "own":
            continue
        for reward in REWARDS:
            run = work / "runs" / config.stem
            if way == "swift":
                policy = trained_by_swift(swift, handed(run, reward), reward, work / f"runs/own-{seed}")
            else:
                policy = trained_by_trl(program, python, work, config, run, reward, port) / "trained"
            command += ["--trained", f"{reward}={policy}"]
        subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)


def collect(work, versions):
    """Of every way, the seeds that are measured there."""
    found = {**versions, "seeds": {}, "arms": {}}
    for way in WAYS:
        all_of_way = {seed: results for seed in range(100) if (results := measured(work, way, seed))}
        if not all_of_way:
            continue
        seeds, results = list(all_of_way), list(all_of_way.values())
        found["seeds"][way] = seeds
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
                folders = [handed(work / f"runs/{way}-{seed}", reward) for seed in seeds]
                files = [f.parent.parent / "swift" / f.name / "seconds.json" if way == "swift" else f / "trained/seconds.json" for f in folders]
                arm["seconds"] = statistics.median(json.loads(f.read_text()) for f in files)
            found["arms"].setdefault(reward, {})[way] = arm
    return found


def page(found):
    lines = [
        "# The default task through other trainers",
        "",
        "<!-- made by experiments/tavern/trainers.py; do not edit -->",
        "",
        "```sh",
        "python3 experiments/tavern/trainers.py --program target/release/infalign --python PYTHON --swift PYTHON --work WORK",
        "```",
        "",
        f"The [default task](../default-task.md) by this program's own trainer, and by TRL {found['trl']} with what `train.trainer = \"trl\"` and `\"sft\"` write, "
        "run as it is ([without the weights](../tools/weights-free.md)); RLOO's rewards by `infalign serve`, SFT's rows drawn by the optimum's density. "
        + (f"ms-swift {found['swift']} has TRL's prompts and β, `--advantage_estimator rloo --kl_in_reward true --scale_rewards none`, and the proxy wrapped by "
        "[`infalign.swift`](../tools/swift.md). " if "swift" in found else "") +
        f"Measured on {found['prompts']} held-out prompts with {found['samples']} fresh responses of each policy, by the proxy that training sees. "
        "Means with 95% intervals over prompts and seeds, in per cent. The own trainer lands on the budget of 0.5 nats. The others' RLOO holds "
        "the design's β and SFT has no KL in its loss, so their KL is what comes out, and the figures to compare are those beside the optimum *at that KL*, in brackets.",
        "",
        "| reward | trainer | seeds | KL | " + " | ".join(PROCEDURES) + " | KL efficiency |",
        "|---" * (len(PROCEDURES) + 5) + "|",
    ]
    judge = found["judges"][0]
    for reward, arms in found["arms"].items():
        for way, a in arms.items():
            cells = [percent(w) + (f" ({100 * w['optimum']:.1f})" if w["optimum"] is not None else "") for w in (a["win_rates"][f"{p} by {judge}"] for p in PROCEDURES)]
            lines.append(f"| `{reward}` | {WAYS[way]} | {len(found['seeds'][way])} | {a['kl']['mean']:.3f} ± {a['kl']['half']:.3f} | " + " | ".join(cells) + f" | {a['kl_efficiency']['mean']:.2f} |")
    took = {way: statistics.median(arms[way]["seconds"] for arms in found["arms"].values()) for way in arms if way != "own"}
    told = ", ".join(f"{WAYS[way]} {seconds:.0f} s" for way, seconds in took.items())
    lines += ["", f"Seconds of a policy on a CPU (median; the machine was shared, so that this is no benchmark): {told}.", ""]
    return "\n".join(lines)


def version_of(python, modules):
    """The version of the first of some modules, which must all be there."""
    told = subprocess.run([python, "-c", f"import {modules}; print({modules.split(',')[0]}.__version__)"], check=True, capture_output=True, text=True)
    return told.stdout.split()[-1]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--program", default="infalign")
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--swift", help="a Python with ms-swift; without it that trainer is left out")
    options.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="which trainers; results of the others are taken as they lie in WORK")
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--threads", default="1", help="of the program")
    options.add_argument("--port", type=int, default=8100, help="of the service that TRL asks")
    options = options.parse_args()
    program = shutil.which(options.program)
    if program is None:
        sys.exit(f"{options.program} is no program; build it with `cargo build --release -p infalign-cli`")
    program = str(Path(program).resolve())
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    options.seeds.sort()
    versions = {"trl": version_of(options.python, "trl, infalign.service")}
    if options.swift:
        versions["swift"] = version_of(options.swift, "swift, infalign.swift")
    chosen = [way for way in WAYS if way in options.ways and (way != "swift" or options.swift)]
    for seed in options.seeds:
        seed_of(program, options.python, options.swift, work, seed, options.threads, options.port, chosen)
        found = collect(work, versions)
        (HERE / "results-trainers.json").write_text(json.dumps(found, indent=1) + "\n")
        PAGE.write_text(page(found))
        print(PAGE, f"of seeds {found['seeds']}")


main()
