"""Writes prompts.jsonl beside this file: the first twelve words of TinyStories' stories.

    python3 experiments/stories/prompts.py tinystories_1000.json

The file is a JSON list of stories (texts, or objects with `text` or `story`): ToonTalk/jlens-tinystories @8c6e947, MIT. Openings are kept once, in order,
if the story has at least 40 words and the opening is ASCII; 160 are written, of which pilot.toml holds the last 64 out.
"""

import json
import sys
from pathlib import Path

rows, seen = [], set()
for number, story in enumerate(json.loads(Path(sys.argv[1]).read_text())):
    text = story if isinstance(story, str) else (story.get("text") or story.get("story"))
    words = text.split()
    opening = " ".join(words[:12])
    if opening in seen or len(words) < 40 or not opening.isascii():
        continue
    seen.add(opening)
    rows.append({"id": f"story-{number}", "prompt": opening})
Path(__file__).with_name("prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:160]))
