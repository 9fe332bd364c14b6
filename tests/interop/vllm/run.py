"""The program against a real vLLM: rollouts (completions and chat), rewards, calibration, the policy's server killed in the middle. See run.sh.

Run:  python run.py PROGRAM VLLM FOLDER          FOLDER holds the models of models.py and takes everything that is made

The same is asked of the library by crates/infalign-remote/tests/vllm.rs, which run.sh runs before.
"""

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from servers import PORTS, Server, ask

PROGRAM, VLLM, FOLDER = (Path(each).resolve() for each in sys.argv[1:])
POLICY, REWARD = (f"http://127.0.0.1:{PORTS[name]}" for name in ("policy", "reward"))
N = 8


def program(*arguments: object, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    done = subprocess.run([str(PROGRAM), *map(str, arguments)], capture_output=True, text=True, cwd=FOLDER)
    if done.returncode and not may_fail:
        raise SystemExit(f"infalign {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return done


def told(check: str, **facts: object) -> None:
    print(json.dumps({"check": check, **facts}), flush=True)


def rows(file: str, to: str) -> list[dict[str, object]]:
    """A Parquet file of ours, read by the program."""
    lines = FOLDER / f"{file}.{to}.jsonl"
    program("data", "convert", file, lines, "--to", to)
    return [json.loads(line) for line in lines.read_text().splitlines()]


def write(file: str, prompts: list[object]) -> None:
    lines = [json.dumps({"prompt_id": f"p{i}", "prompt": prompt}) for i, prompt in enumerate(prompts)]
    (FOLDER / file).write_text("\n".join(lines) + "\n")


def answered() -> int:
    """Responses that the policy's server has given since it started."""
    page = urllib.request.urlopen(POLICY + "/metrics").read().decode()
    return int(sum(float(n) for n in re.findall(r"^vllm:request_success_total\{[^}]*\} (\S+)", page, re.MULTILINE)))


def killed_in_the_middle(server: Server, after: int, *arguments: object) -> tuple[int, list[int]]:
    """Runs a command, kills the server once it has given so many more responses, starts it again, and runs the command until it succeeds.
    Returns how many it had given, and the exit codes."""
    first = answered()
    running = subprocess.Popen([str(PROGRAM), *map(str, arguments)], cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while (since := answered() - first) < after:
        assert running.poll() is None, f"ended before the server could be killed: {running.stderr.read()[-3000:]}"
        time.sleep(0.02)
    server.kill()
    time.sleep(2)
    server.start()
    said = running.communicate()[1]
    codes = [running.returncode]
    while codes[-1]:
        assert codes[-1] == 1, f"exit code {codes[-1]}: {said[-3000:]}"
        assert re.search(r"p\d+", said), f"what is missing is not listed: {said[-3000:]}"
        assert len(codes) < 4, said[-3000:]
        server.wait()
        done = program(*arguments, may_fail=True)
        said = done.stderr
        codes.append(done.returncode)
    server.wait()
    return since, codes


def sampled() -> None:
    prompts = [f"the cat {i} " for i in range(60)]
    write("prompts.jsonl", prompts)
    write("chat.jsonl", [[{"role": "user", "content": prompt}] for prompt in prompts])
    for file in ("prompts.jsonl", "chat.jsonl"):
        done = program("sample", "--policy", POLICY, "--prompts", file, "--n", N, "--max-tokens", 12, "--seed", 1, "--format", "json")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert sorted((r["prompt_id"], r["index"]) for r in lines) == sorted((f"p{i}", j) for i in range(60) for j in range(N))
        assert all(len(r["tokens"]) == len(r["log_probs"]) and r["log_probs_of"] == "sampler" for r in lines)
        distinct = len({r["text"] for r in lines})
        assert distinct > 0.9 * len(lines), f"{distinct} different texts among {len(lines)}"
        told(f"sample {file}", responses=len(lines), distinct=distinct)


def shard(policy: Server) -> None:
    write("many.jsonl", [f"a bird {i} " for i in range(400)])
    command = ["sample", "--policy", POLICY, "--prompts", "many.jsonl", "--n", N, "--max-tokens", 12, "--out", "rollouts.parquet"]
    since, codes = killed_in_the_middle(policy, 100 * N, *command)
    found = rows("rollouts.parquet", "rollouts")
    assert [r["prompt_id"] for r in found] == [f"p{i}" for i in range(400)] and all(len(r["responses"]) == N for r in found)
    told("sample --out, server killed", responses_before=since, exit_codes=codes, prompts=len(found))


def scored() -> None:
    program("score", "--reward", f"vllm:{REWARD}", "--data", "rollouts.parquet", "--out", "rewarded.parquet")
    found = rows("rewarded.parquet", "rollouts")
    for row in found[::57]:
        _, answer = ask(REWARD, "/classify", {"input": [row["prompt"] + text for text in row["responses"]], "use_activation": False})
        direct = [each["probs"][0] for each in answer["data"]]
        assert max(abs(a - b) for a, b in zip(direct, row["rewards"], strict=True)) < 1e-3
    done = program("calibrate", "--rewards", "rewarded.parquet", "--out", "calibration.parquet", "--format", "json")
    table = json.loads(done.stdout)["table"]
    assert table["prompts"] == 400 and table["rewards"] == 400 * N
    told("score, calibrate --rewards", **{name: table[name] for name in ("prompts", "rewards")})


def run(policy: Server) -> None:
    """`infalign run` up to the calibration, then as far as the files for a trainer."""
    (FOLDER / "run.toml").write_text(
        f'policy.model = "{POLICY}"\npolicy.weights = "policy"\ntrain.trainer = "trl"\nprompts.file = "many.jsonl"\nprompts.held_out = 40\nprompts.limit = 200\nsampling.max_tokens = 12\n'
        f'[reward]\ntrain_on = "vllm:{REWARD}"\njudges = ["length"]\n[design]\nprocedures = ["best-of:4"]\nrewards = ["exp:10"]\n[evaluate]\nsamples = 8\n[calibration]\nrollouts = 32\ncheck = 4\nshard = 16\n'
    )
    since, codes = killed_in_the_middle(policy, 40 * 32, "calibrate", "run.toml", "--name", "remote", "--runs", "runs")
    files = {str(p.relative_to(FOLDER)): p.stat().st_mtime_ns for p in (FOLDER / "runs/remote").rglob("*.parquet")}
    table = rows("runs/remote/calibration.parquet", "rewards")
    ids = [r["prompt_id"] for r in table]
    assert len(ids) == len(set(ids)) == 200, len(ids)
    program("run", "run.toml", "--name", "remote", "--runs", "runs")
    again = {str(p.relative_to(FOLDER)): p.stat().st_mtime_ns for p in (FOLDER / "runs/remote").rglob("*.parquet")}
    assert all(again[name] == at for name, at in files.items()), "made again"
    assert (FOLDER / "runs/remote/handover").is_dir()
    told("run, server killed while calibrating", responses_before=since, exit_codes=codes, prompts=len(ids))


def likelihoods() -> None:
    """What vLLM says of given responses is what the model says when it is loaded here."""
    data = [{"prompt_id": f"p{i}", "prompt": f"the dog {i} ", "responses": ["ran over the hill", "sat on the mat and sang", "x"]} for i in range(50)]
    (FOLDER / "given.jsonl").write_text("\n".join(map(json.dumps, data)) + "\n")
    told_by = {}
    for source in (["--policy", POLICY], ["--model", "policy", "--raw"]):
        done = program("score", *source, "--data", "given.jsonl", "--format", "json")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        told_by[source[0]] = {(r["prompt_id"], r["index"]): (r["tokens"], r["log_prob"]) for r in lines}
    server, here = told_by["--policy"], told_by["--model"]
    assert server.keys() == here.keys() and len(server) == 150, (len(server), len(here))
    # Tokens may be a list or their number; what counts is the sum.
    apart = max(abs(server[key][1] - here[key][1]) for key in server)
    assert apart < 1e-3, apart
    told("score --policy", responses=len(server), largest_difference=apart)


def trained() -> None:
    """A served policy measured as the trained one. It is the base itself, so that it must win half and have no KL."""
    done = program("run", "run.toml", "--name", "remote", "--runs", "runs", "--trained", f"exp:10={POLICY}")
    results = json.loads((FOLDER / "runs/remote/eval/results.json").read_text())
    (policy,) = results["policies"]
    rate = next(w["win_rate"] for w in policy["win_rates"] if w["procedure"] == "standard")
    assert rate["low"] <= 0.5 <= rate["high"], rate
    kl = policy["kl"]
    assert abs(next(v["mean"] for v in kl.values() if isinstance(v, dict) and "mean" in v)) < 0.05, kl
    assert (FOLDER / "runs/remote/report.html").exists(), done.stdout
    told("run --trained", win_rate=round(rate["mean"], 4), low=round(rate["low"], 4), high=round(rate["high"], 4), kl=kl)


def served() -> None:
    """The service of that run: rewards by vLLM, and rollouts by vLLM of a prompt that nobody calibrated."""
    service = "http://127.0.0.1:8100"
    log = (FOLDER / "serve.log").open("w")
    running = subprocess.Popen([str(PROGRAM), "serve", "run.toml", "--name", "remote", "--runs", "runs", "--policy", "exp:10", "--unknown", "rollout"],
                               cwd=FOLDER, stdout=log, stderr=log)  # fmt: skip
    try:
        for _ in range(300):
            assert running.poll() is None, (FOLDER / "serve.log").read_text()
            try:
                if ask(service, "/readyz")[0] == 200:
                    break
            except OSError:
                pass
            time.sleep(0.2)
        responses = ["sat on the mat", "flew over the hill"]
        for prompt in ("a bird 7 ", "nobody calibrated this "):
            status, answer = ask(service, "/v1/rewards", {"prompts": [prompt, prompt], "responses": responses})
            assert status == 200, answer
            _, direct = ask(REWARD, "/classify", {"input": [prompt + text for text in responses], "use_activation": False})
            assert max(abs(a - b["probs"][0]) for a, b in zip(answer["raw"], direct["data"], strict=True)) < 1e-3
            assert all(0 <= u <= 1 for u in answer["calibrated"]), answer
            # The same prompt again is not drawn for again.
            assert ask(service, "/v1/rewards", {"prompts": [prompt, prompt], "responses": responses})[1] == answer
        drawn = re.search(r"^infalign_unknown_prompts_total\{[^}]*rollout[^}]*\} (\S+)", urllib.request.urlopen(service + "/metrics").read().decode(), re.MULTILINE)
        told("serve", rewards=answer["raw"], calibrated=answer["calibrated"], unknown_prompts=drawn and drawn[1])
    finally:
        running.terminate()
        running.wait()
        log.close()


def main() -> None:
    servers = {name: Server(VLLM, FOLDER, name) for name in PORTS}
    for server in servers.values():
        server.wait()
    told("vLLM", version=ask(POLICY, "/version")[1]["version"])
    sampled()
    shard(servers["policy"])
    scored()
    run(servers["policy"])
    likelihoods()
    trained()
    served()


if __name__ == "__main__":
    main()
