"""Ray Data runs infalign.ray with a worker killed in the middle: the table is the program's, bit for bit. Driven by run.sh.

Run:  INFALIGN_PROGRAM=target/release/infalign python run.py OUT

A reward is a function (the task that has it is killed) or a class (the actor is killed). Then the same call again makes nothing again,
and, with the files of one shard removed, only these.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from infalign.ray import calibrate

SHARDS, PROMPTS, K = 12, 50, 32
FOLDER = Path(sys.argv[1])
PROGRAM = os.environ["INFALIGN_PROGRAM"]


def responses(prompt_id, prompt):
    digest = hashlib.sha256(prompt_id.encode()).digest()
    return [f"{prompt} {digest[j % 32] % 7 * 'x'} {j}" for j in range(K)]


def rewards(texts):
    """On a few levels, with ties, and a negative zero, which calibration makes a zero."""
    return [-0.0 if text.count("x") == 3 else 0.1 * text.count("x") - 0.3 for text in texts]


class Mark:
    """Notes who works, once waits to be killed, and counts the calls."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __call__(self, batch):
        ids = list(batch["prompt_id"])
        with open(f"{self.folder}/calls", "a") as file:
            file.write("".join(f"{i}\n" for i in ids))
        if "s5-p20" in ids:
            try:
                descriptor = os.open(f"{self.folder}/victim", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                pass
            else:
                os.write(descriptor, str(os.getpid()).encode())
                os.close(descriptor)
                time.sleep(120)
        return {"rewards": [rewards(texts) for texts in batch["responses"]]}


def generate(batch):
    return {"responses": [responses(*pair) for pair in zip(batch["prompt_id"], batch["prompt"])]}


class Reward:
    """The same, made once per actor."""

    def __init__(self, mark):
        self.mark = mark

    def __call__(self, batch):
        return self.mark(batch)


def kill(folder, killed):
    """Kills the worker that has noted itself."""
    victim = folder / "victim"
    while not (victim.exists() and victim.read_text()):
        time.sleep(0.02)
    pid = int(victim.read_text())
    os.kill(pid, signal.SIGKILL)
    killed.append(pid)


def single():
    """The table by the program, in one process, from one file of rewards that Ray has not seen."""
    ids, values = [], []
    for s in range(SHARDS):
        for p in range(PROMPTS):
            ids.append(f"s{s}-p{p}")
            values.append(rewards(responses(ids[-1], f"prompt {s} {p}")))
    source, table = FOLDER / "single.parquet", FOLDER / "single-calibration.parquet"
    pq.write_table(pa.table({"prompt_id": ids, "rewards": pa.array(values, pa.list_(pa.float32()))}), source)
    subprocess.run([PROGRAM, "calibrate", "--rewards", source, "--out", table, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return table.read_bytes()


def files(folder):
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*.parquet") if p.parent != folder}


def main():
    prompts = FOLDER / "prompts"
    prompts.mkdir()
    for s in range(SHARDS):
        rows = {"prompt_id": [f"s{s}-p{p}" for p in range(PROMPTS)], "prompt": [f"prompt {s} {p}" for p in range(PROMPTS)]}
        pq.write_table(pa.table(rows), prompts / f"shard-{s:02}.parquet")
    expected = single()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    print(json.dumps({"ray": ray.__version__, "python": sys.version.split()[0]}))
    for case in ("functions", "class"):
        folder, killed = FOLDER / case, []
        folder.mkdir()
        threading.Thread(target=kill, args=(folder, killed), daemon=True).start()
        mark = Mark(folder)
        given = {"reward": mark} if case == "functions" else {"reward": Reward, "reward_options": {"fn_constructor_args": [mark]}}
        given.setdefault("reward_options", {})["batch_size"] = 10
        start = time.perf_counter()
        table = calibrate(prompts, folder / "out", generate=generate, **given)
        seconds = time.perf_counter() - start
        assert killed, "no worker was killed"
        assert table.read_bytes() == expected, "not the program's table"
        calls = (folder / "calls").read_text().split()
        again = sorted(set(i for i in calls if calls.count(i) > 1))
        assert again and all(i.startswith("s5-") for i in again), f"more than the shard of the killed worker was done again: {again}"
        assert not [p for p in folder.rglob("*") if p.name.endswith(".infalign-tmp")]
        print(json.dumps({"case": case, "killed": len(killed), "prompts_asked_again": len(again), "seconds": round(seconds, 1)}))

        before, asked = files(folder / "out"), len(calls)
        assert calibrate(prompts, folder / "out", generate=generate, **given).read_bytes() == expected
        assert files(folder / "out") == before and len((folder / "calls").read_text().split()) == asked, "done again"
        for step in ("rewards", "calibration"):
            (folder / "out" / step / "shard-03.parquet").unlink()
        assert calibrate(prompts, folder / "out", generate=generate, **given).read_bytes() == expected
        changed = {name for name, at in files(folder / "out").items() if before[name] != at}
        assert changed == {"rewards/shard-03.parquet", "calibration/shard-03.parquet"}, changed
        assert len((folder / "calls").read_text().split()) == asked + PROMPTS
    subprocess.run([PROGRAM, "calibrate", "--rewards", *sorted((FOLDER / "class/out/rewards").iterdir()), "--out", FOLDER / "again.parquet", "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    assert (FOLDER / "again.parquet").read_bytes() == expected
    print(json.dumps({"table": hashlib.sha256(expected).hexdigest(), "prompts": SHARDS * PROMPTS, "rewards": SHARDS * PROMPTS * K, "equal": "bit for bit"}))
    ray.shutdown()


if __name__ == "__main__":
    main()
