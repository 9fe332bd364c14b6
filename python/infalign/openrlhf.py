"""OpenRLHF: a `reward_func` for `--reward.remote_url FILE.py` that gives Φ(Ĉ) of another reward.

    # reward.py
    from infalign.openrlhf import reward_function

    reward_func = reward_function(my_reward, "calibration.safetensors", "exp:10")

`my_reward(queries, prompts, labels)` is what OpenRLHF would call: the whole text, the prompt, the label; it returns raw rewards, as a
list or under "rewards". OpenRLHF hands on no id: by default the label (`--data.label_key`) is the prompt's id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from infalign._reward import Given, Phi, Shaping

Id = Literal["labels", "prompts"] | Callable[[str, Any], Any]


def reward_function(
    reward: Callable[[Sequence[str], Sequence[str], Sequence[Any]], Any],
    calibration: Given,
    transform: Phi = "identity",
    *,
    prompt_id: Id = "labels",
    unknown: str = "error",
) -> Callable[[Sequence[str], Sequence[str], Sequence[Any]], dict[str, Any]]:
    """Wraps a raw reward.

    Args:
        reward: the raw reward.
        calibration: a `Calibration`, or the path of its file or run.
        transform: "exp:10", a `Transform`, or a function on arrays in [0, 1].
        prompt_id: what a prompt is known by: its "labels" entry, its text ("prompts"), or a function of both.
        unknown: what an uncalibrated prompt is: "error", or "pooled". OpenRLHF swallows errors of a reward and logs them.

    Returns:
        A function whose answer holds `rewards` (Φ(Ĉ), what is trained on), `scores` (Ĉ, in [0, 1], what dynamic filtering looks at) and
        `extra_logs` with the raw and the calibrated reward.
    """
    import torch  # OpenRLHF has it, and takes one number from a tensor where a list would add a dimension

    shaping = Shaping(calibration, transform, unknown=unknown)

    def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> dict[str, Any]:
        answer = reward(queries, prompts, labels)
        raw = answer["rewards"] if isinstance(answer, dict) else answer
        raw = np.asarray([float(each) for each in raw])
        if callable(prompt_id):
            ids = [prompt_id(prompt, label) for prompt, label in zip(prompts, labels, strict=True)]
        else:
            ids = list(labels if prompt_id == "labels" else prompts)
        shaped = shaping(ids, raw.tolist())
        return {
            "rewards": torch.tensor(shaped.transformed),
            "scores": torch.tensor(shaped.quantile),
            "extra_logs": {"reward_raw": torch.tensor(shaped.raw), "reward_calibrated": torch.tensor(shaped.quantile)},
        }

    return reward_func
