"""The stories experiment, from its data to its page, in one command; docs/src/results/stories.md says what it asks and what it found.

    python3 experiments/stories/run.py --data DATA --program target/release/infalign --work WORK

DATA holds models/stories260K (ruhai-lin/llama2.v @ba71d14, MIT), text/tinystories_1000.json (ToonTalk/jlens-tinystories @8c6e947, MIT; a list of stories),
text/vader_lexicon.txt (cjhutto/vaderSentiment, MIT) and imdb/{train,test}-{pos,neg}.jsonl.zst (Maas et al. 2011, for research; rows `{"id", "rating", "text"}`).
WORK ends with prompts.jsonl, preferences of two halves, two reward models and a run for each seed. Whatever is there already is not made again, and a
run that was stopped goes on; results.json and the page are made of the seeds that are done. Needs zstd's command. About three hours on two cores.

Prompts: the first twelve words of the stories, once each and in order, where the story has at least 40 words and the opening is ASCII; the first 160, of
which the last 64 are held out.

Preferences: the last sentences of a positive review are chosen over those of a negative one, cut to 180 characters, because that is where a review judges,
and as long as the policy's responses. Training reviews are the proxy's, test reviews the judge's: the two share no review.
"""

import argparse
import concurrent.futures
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAIRS = 8000
SEEDS = (0, 1, 2)
PROMPT = "What they said in the end:"


def prompts(path):
    rows, seen = [], set()
    for number, story in enumerate(json.loads(Path(path).read_text())):
        text = story if isinstance(story, str) else (story.get("text") or story.get("story"))
        words = text.split()
        opening = " ".join(words[:12])
        if opening in seen or len(words) < 40 or not opening.isascii():
            continue
        seen.add(opening)
        rows.append({"id": f"story-{number}", "prompt": opening})
    return rows[:160]


def endings(path):
    data = subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout if path.endswith(".zst") else Path(path).read_bytes()
    for number, line in enumerate(filter(None, data.decode().split("\n"))):
        if number == 0:
            continue  # that of train-pos is no review
        text = re.sub(r"<[^>]*>|\s+", " ", json.loads(line)["text"])
        text = re.sub(r"\s+", " ", text.encode("ascii", "ignore").decode()).strip()
        sentences = re.split(r"(?<=[.!?]) ", text)
        ending = ""
        for sentence in reversed(sentences):
            longer = f"{sentence} {ending}".strip()
            if len(longer) > 180:
                break
            ending = longer
        if len(ending) >= 60:
            yield ending


def preferences(positive, negative):
    for number, (chosen, rejected) in enumerate(zip(endings(positive), endings(negative))):
        if number == PAIRS:
            break
        yield {"id": f"pair-{number}", "prompt": PROMPT, "chosen": " " + chosen, "rejected": " " + rejected}


def write(path, rows):
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(row) + "\n" for row in rows))
        part.rename(path)


def reward_model(program, work, name, rate):
    if not (work / name / "model.safetensors").exists():
        subprocess.run([program, "reward", "train", "--model", "stories260K", "--data", f"preferences-{name}.jsonl", "--out", name, "--epochs", "2", "--learning-rate", rate,
                        "--batch-size", "32", "--threads", "1"], cwd=work, check=True)


def seed_run(program, work, seed):
    command = [program, "run", "stories.toml", "--name", f"seed-{seed}", "--seed", str(seed), "--threads", "1"]
    with (work / f"seed-{seed}.log").open("a") as log:
        subprocess.run(command, cwd=work, check=True, stdout=log, stderr=log)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--program", default="infalign")
    options.add_argument("--work", type=Path, required=True)
    options.add_argument("--jobs", type=int, default=2, help="runs at a time, each on one thread")
    options = options.parse_args()
    work, data, program = options.work, options.data.resolve(), shutil.which(options.program)
    if program is None:
        sys.exit(f"{options.program} is no program; build it with `cargo build --release -p infalign-cli`")
    program = str(Path(program).resolve())
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "stories260K").exists():
        shutil.copytree(data / "models/stories260K", work / "stories260K")
    shutil.copy(data / "text/vader_lexicon.txt", work)
    shutil.copy(HERE / "stories.toml", work)
    write(work / "prompts.jsonl", prompts(data / "text/tinystories_1000.json"))
    for name, half in [("proxy", "train"), ("judge", "test")]:
        write(work / f"preferences-{name}.jsonl", preferences(*(str(data / f"imdb/{half}-{label}.jsonl.zst") for label in ("pos", "neg"))))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda of: reward_model(program, work, *of), [("proxy", "1e-3"), ("judge", "3e-4")]))
        list(pool.map(lambda seed: seed_run(program, work, seed), SEEDS))
    runs = [str(work / f"runs/seed-{seed}") for seed in SEEDS]
    subprocess.run([sys.executable, str(HERE / "page.py"), *runs], check=True)


main()
