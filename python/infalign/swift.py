"""ms-swift: an ORM class that gives Φ(Ĉ) of another reward.

    # plugin.py: swift rlhf --rlhf_type grpo --external_plugins plugin.py --reward_funcs calibrated --beta 0.3 --scale_rewards none …
    from swift.rewards import orms
    from infalign.swift import calibrated

    orms["calibrated"] = calibrated(MyReward, "calibration.safetensors", "exp:10")

A prompt is known by its messages before the response (`prompt_key`), or by a column of the dataset that `id_column` names. It cannot be
called `prompt_id`: ms-swift fills a column of that name itself, anew in every step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infalign._reward import Given, Phi, Shaping, is_async, name_of, prompt_key


def calibrated(
    reward: type[Any] | Callable[..., Any],
    calibration: Given,
    transform: Phi = "identity",
    *,
    unknown: str = "error",
    id_column: str | None = None,
) -> type[Any]:
    """A class for `orms`.

    Args:
        reward: an ORM class (or AsyncORM), or a function `(completions, **columns) -> list`.
        calibration: a `Calibration`, or the path of its file or run.
        transform: "exp:10", a `Transform`, or a function on arrays in [0, 1].
        unknown: what an uncalibrated prompt is: "error" (a KeyError that names it), or "pooled".
        id_column: the dataset's column of prompt ids.

    Raises:
        ValueError: `id_column="prompt_id"`.
    """
    if id_column == "prompt_id":
        raise ValueError('id_column="prompt_id": ms-swift fills that column itself; call the dataset\'s column otherwise')
    shaping = Shaping(calibration, transform, unknown=unknown)

    def shape(raw: list[float | None], columns: dict[str, Any]) -> list[float | None]:
        ids = columns[id_column] if id_column else None
        if ids is None:
            ids = [prompt_key(messages[:-1] if messages[-1]["role"] == "assistant" else messages) for messages in columns["messages"]]
        return [None if value != value else value for value in shaping(ids, raw).transformed.tolist()]

    class Calibrated:
        def __init__(self, args: Any = None, **further: Any) -> None:
            self.args = args
            self.reward = reward(args=args, **further) if isinstance(reward, type) else reward

        def __call__(self, completions: list[Any], **columns: Any) -> list[float | None]:
            return shape(self.reward(completions=completions, **columns), columns)

    class AsyncCalibrated(Calibrated):
        async def __call__(self, completions: list[Any], **columns: Any) -> list[float | None]:  # type: ignore[override]
            return shape(await self.reward(completions=completions, **columns), columns)

    called = getattr(reward, "__call__") if isinstance(reward, type) else reward
    made = AsyncCalibrated if is_async(called) else Calibrated
    made.__name__ = f"calibrated_{name_of(reward) if not isinstance(reward, type) else reward.__name__}"
    return made
