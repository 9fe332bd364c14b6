"""Writes what the stories experiment needs beside this file: prompts.jsonl, and preferences for two reward models that share no review.

    python3 experiments/stories/prepare.py tinystories_1000.json train-pos.jsonl.zst train-neg.jsonl.zst test-pos.jsonl.zst test-neg.jsonl.zst

Prompts: the first twelve words of TinyStories' stories (ToonTalk/jlens-tinystories @8c6e947, MIT; a JSON list of stories), once each and in order, where
the story has at least 40 words and the opening is ASCII; the first 160, of which the configuration holds the last 64 out.

Preferences: of IMDB reviews (Maas et al. 2011, for research; rows `{"id", "rating", "text"}`), the last sentences of a positive one are chosen over
those of a negative one, cut to 180 characters, because that is where a review judges, and as long as the policy's responses. Training reviews make
preferences-proxy.jsonl, test reviews preferences-judge.jsonl. Needs zstd's command where the files end in .zst.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAIRS = 8000
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


def write(name, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (HERE / name).write_text(text)
    print(f"{name}: {text.count(chr(10))} rows")


stories, train_pos, train_neg, test_pos, test_neg = sys.argv[1:]
write("prompts.jsonl", prompts(stories))
write("preferences-proxy.jsonl", preferences(train_pos, train_neg))
write("preferences-judge.jsonl", preferences(test_pos, test_neg))
