"""Renders real chat templates with transformers on conversations that find out a template engine, and writes what came out, byte for byte.

Run:  python tests/parity/make_templates.py    (transformers 5.23.0, jinja2 3.1.6)

Reads the templates in crates/infalign-lm/tests/fixtures/templates/ (SOURCES.md there says where they are from), writes cases.json beside them. The clock that
`strftime_now` reads stands at NOW. A case whose template calls `raise_exception` records the message as its `error`; one that fails for another reason
(a template that adds a list to a string) is left out, since another engine may well fail in its own words.
"""

import datetime
import json
from pathlib import Path

import jinja2
from transformers.utils import chat_template_utils

TEMPLATES = Path(__file__).resolve().parents[2] / "crates/infalign-lm/tests/fixtures/templates"
NOW = datetime.datetime(2024, 12, 3, 4, 5, 6)  # a day and a month of one digit: padding shows

SPECIAL = {
    "chatml": {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"},
    "deepseek_r1_distill": {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
    "gemma": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral": {"bos_token": "<s>", "eos_token": "</s>"},
    "qwen": {"eos_token": "<|im_end|>"},  # this family has no bos_token
}


def turns(*contents, system=None):
    roles = ("user", "assistant")
    start = [] if system is None else [{"role": "system", "content": system}]
    return start + [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]


WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather at a place <now>, in \"plain\" words & 摂氏.",
    "parameters": {"type": "object", "properties": {
        "place": {"type": "string", "description": "e.g. Zürich"}, "days": {"type": "integer", "minimum": 1, "default": None},
        "threshold": {"type": "number", "default": 0.5, "maximum": 1e-7}, "unit": {"type": "string", "enum": ["°C", "°F"]}, "raw": {"type": "boolean", "default": False}},
        "required": ["place"]}}}
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "abc123DEF", "type": "function", "function": {"name": "get_weather", "arguments": {"place": "Zürich", "days": 2, "threshold": 1.0, "raw": True}}}]}
REPLY = {"role": "tool", "tool_call_id": "abc123DEF", "name": "get_weather", "content": "{\"sky\": \"clear\", \"temperature\": -3.5}"}

CONVERSATIONS = {
    "one question": turns("Why is the sky blue?"),
    "system": turns("Why is the sky blue?", system="Answer in one sentence."),
    "three turns": turns("Hello", "Hello! What would you like to know?", "Why is the sky blue?"),
    "system and five turns": turns("One", "Two", "Three", "Four", "Five", system="Count."),
    "ends with the assistant": turns("Hello", "Good day."),
    "system, ends with the assistant": turns("Hello", "Good day.", system="Be brief."),
    "unicode": turns("Grüße aus 東京 🗼👩‍👩‍👧 e\u0301 שלום", "Ça va… ½ ≤ ∞ 𝔘", "\u200bzero\u200dwidth\ufeff", system="日本語で"),
    "whitespace": turns("  two before and after  ", "\n\nlines\n\n", "\ttab\r\n", system=" \n system \n "),
    "rare whitespace": turns("\u00a0no-break\u00a0", "\u2003em\u3000", "\x0bvertical\x0c\x1c\u0085"),
    "empty contents": turns("", "", ""),
    "empty system": turns("Hello", system=""),
    "only whitespace": turns("   ", "\n", " "),
    "looks like markup": turns("{{ bos_token }} {% if x %} {# no #} <|im_end|> </s> [INST] <b>&amp;</b>", "'single' \"double\" \\n \\ `tick`", "$1 %s {0}"),
    "lines": turns("a\nb\n\nc", "1. one\n2. two\n", "d\r\ne"),
    "reasoning in the content": turns("2 + 2?", "<think>\nTwo and two.\n</think>\n\nFour.", "3 + 3?", "<think>\n\nThree and three.\n\n</think>\n\nSix."),
    "reasoning apart": [*turns("2 + 2?"), {"role": "assistant", "content": "Four.", "reasoning_content": "\nTwo and two.\n"}],
    "two users in a row": [*turns("Hello"), *turns("Hello?")],
    "starts with the assistant": [{"role": "assistant", "content": "Hello"}],
    "unknown role": [*turns("Hello"), {"role": "narrator", "content": "Silence."}],
    "late system": [*turns("Hello", "Hello."), {"role": "system", "content": "Now in French."}, *turns("And now?")],
    "content in parts": [{"role": "user", "content": [{"type": "text", "text": " part one"}, {"type": "text", "text": "part two "}]}],
    "tool": [*turns("Weather in Zürich?", system="Use tools."), CALL, REPLY],
    "tool, goes on": [*turns("Weather in Zürich?"), CALL, REPLY, {"role": "assistant", "content": "Clear, -3.5 °C."}, *turns("And tomorrow?")],
}
TOOLS = {"one question", "system", "tool", "tool, goes on"}  # rendered with the tool offered too

VARIED = {"one question", "system", "three turns", "tool", "reasoning in the content"}  # rendered with more variables too
VARIABLES = {  # more variables, for the templates that read them
    "qwen3": [{"enable_thinking": False}, {"enable_thinking": True}],
    "llama3_1": [{"date_string": "26 Jul 2024"}, {"tools_in_user_message": False}],
    "llama3_2": [{"date_string": "26 Jul 2024"}, {"tools_in_user_message": False}],
}


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def special(template):
    return SPECIAL[max((key for key in SPECIAL if template.startswith(key)), key=len)]


def render(source, template, conversation, tools, prompt, variables):
    """The text, or the message that the template raised; None where it failed otherwise."""
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            conversations=[conversation], tools=tools, chat_template=source, add_generation_prompt=prompt, **special(template), **variables)
        if "{'type'" in rendered[0]:  # Python's own notation of a list: no template means that
            return None
        return {"expected": rendered[0]}
    except jinja2.exceptions.UndefinedError:
        return None
    except jinja2.exceptions.TemplateError as raised:
        return {"error": str(raised)}
    except (TypeError, KeyError, AttributeError):
        return None


def main():
    chat_template_utils.datetime = Clock
    cases, left_out = [], 0
    for file in sorted(TEMPLATES.glob("*.jinja")):
        template, source = file.stem, file.read_bytes().decode()
        for name, conversation in CONVERSATIONS.items():
            for variables in [{}, *(VARIABLES.get(template, []) if name in VARIED else [])]:
                for tools in (None, [WEATHER]) if name in TOOLS else (None,):
                    for prompt in (True, False):
                        outcome = render(source, template, conversation, tools, prompt, variables)
                        if outcome is None:
                            left_out += 1
                            continue
                        cases.append({"template": template, "conversation": name, "tools": tools is not None, "add_generation_prompt": prompt,
                                      "variables": variables} | outcome)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    head = {"now": NOW.isoformat(), "special_tokens": {file.stem: special(file.stem) for file in sorted(TEMPLATES.glob("*.jinja"))},
            "tools": [WEATHER], "conversations": CONVERSATIONS}
    text = json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "cases": [\n' + lines + "\n]}\n"
    json.loads(text)
    (TEMPLATES / "cases.json").write_text(text, encoding="utf-8", newline="\n")
    errors = sum("error" in case for case in cases)
    print(f"templates: {len(cases)} cases ({errors} raise), {left_out} left out")


if __name__ == "__main__":
    main()
