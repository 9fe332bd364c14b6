"""Rewards of a running `infalign serve`, for trainers that call Python functions.

    from infalign.service import ServedReward

    RLOOTrainer(model, reward_funcs=ServedReward("http://127.0.0.1:8100"), args=RLOOConfig(beta=0.32, ...), train_dataset=dataset)

The service knows the calibration, the raw reward and the transform; nothing of them is loaded here. A prompt is known by the dataset's
column `prompt_id` or, without one, by its text or messages. For verl there is `compute_score`:

    reward.custom_reward_function.path=pkg://infalign.service
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs={url: "http://127.0.0.1:8100"}
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

import numpy as np

from infalign._reward import Shaped, log_forms

__all__ = ["ServedReward", "ServiceError", "ask", "compute_score"]

TOKEN = "INFALIGN_SERVE_TOKEN"
"""The variable that holds the token, where the service asks for one."""


class ServiceError(RuntimeError):
    """The service refused a request, or did not answer; the message is its own."""


def ask(
    url: str,
    *,
    responses: Sequence[str],
    prompts: Sequence[Any] | None = None,
    prompt_ids: Sequence[Any] | None = None,
    answers: Sequence[str | None] | None = None,
    tries: int = 5,
    timeout: float = 300.0,
) -> Shaped:
    """Raw, calibrated and transformed rewards of responses, in their order.

    Args:
        url: where the service is, for example "http://127.0.0.1:8100".
        responses: texts, as they shall be rewarded.
        prompts: a text or a list of messages for each, or None where `prompt_ids` name them.
        prompt_ids: the prompts' ids.
        answers: right answers, for rewards that verify them.
        tries: how often a busy or silent service is asked.
        timeout: seconds for one try.

    Raises:
        ServiceError: a request that the service refuses, or no answer after all tries.
    """
    given = {"prompts": prompts, "prompt_ids": prompt_ids, "responses": responses, "answers": answers}
    body = json.dumps({name: list(values) for name, values in given.items() if values is not None}).encode()
    headers = {"Content-Type": "application/json"}
    if os.environ.get(TOKEN):
        headers["Authorization"] = f"Bearer {os.environ[TOKEN]}"
    request = urllib.request.Request(f"{url.rstrip('/')}/v1/rewards", data=body, headers=headers)
    for attempt in range(1, tries + 1):
        try:
            with urllib.request.urlopen(request, timeout=timeout) as reply:
                answer = json.load(reply)
            return Shaped(*(np.asarray(answer[form], dtype=np.float64) for form in ("raw", "calibrated", "transformed")))
        except urllib.error.HTTPError as refused:
            message = _message(refused)
            if refused.code not in (429, 500, 502, 503, 504) or attempt == tries:
                raise ServiceError(f"{url}: {refused.code}: {message}") from None
        except (urllib.error.URLError, TimeoutError, ConnectionError) as silent:
            if attempt == tries:
                raise ServiceError(f"{url} does not answer ({silent}); is `infalign serve` running there?") from None
        time.sleep(min(0.25 * 2**attempt, 10.0))
    raise ValueError(f"tries = {tries} is out of range: it must be at least 1")


def _message(refused: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(refused)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return refused.reason


class ServedReward:
    """A reward function with TRL's signature (also Axolotl's) whose values come from the service.

    Args:
        url: where the service is.
        id_column: the dataset's column of prompt ids; without it, prompts are known by their texts.
        answer_column: the dataset's column of right answers, for rewards that verify them.
    """

    def __init__(self, url: str, *, id_column: str = "prompt_id", answer_column: str = "answer") -> None:
        self.url, self.id_column, self.answer_column = url, id_column, answer_column
        self.__name__ = "served_reward"

    def __call__(self, *, prompts: list[Any], completions: list[Any], **columns: Any) -> list[float]:
        """Φ(Ĉ) of each completion."""
        texts = [each if isinstance(each, str) else "".join(str(message["content"]) for message in each) for each in completions]
        shaped = ask(
            self.url,
            responses=texts,
            prompts=prompts,
            prompt_ids=columns.get(self.id_column),
            answers=columns.get(self.answer_column),
        )
        log_forms(self.__name__, shaped, columns)
        return [float(value) for value in shaped.transformed]


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
    *,
    url: str,
    **_: Any,
) -> dict[str, float]:
    """Φ(Ĉ) of one response, for verl, with what it logs beside it.

    Args:
        extra_info: holds the prompt's id as `prompt_id` or `index`.
        url: where the service is.

    Raises:
        ValueError: no id.
        ServiceError: as `ask`.
    """
    info = extra_info or {}
    prompt_id = info.get("prompt_id", info.get("index"))
    if prompt_id is None:
        raise ValueError("extra_info holds neither `prompt_id` nor `index`: verl does not pass the prompt, so its id must stand there")
    answers = [ground_truth] if isinstance(ground_truth, str) and ground_truth else None
    shaped = ask(url, responses=[solution_str], prompt_ids=[prompt_id], answers=answers)
    return {"score": float(shaped.transformed[0]), "raw": float(shaped.raw[0]), "calibrated": float(shaped.quantile[0])}
