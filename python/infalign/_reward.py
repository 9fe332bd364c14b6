"""What every adapter does: raw rewards of a batch to Φ(Ĉ), pair by pair, with what to log beside it."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infalign._native import Calibration, Transform

Phi = str | Transform | Callable[[NDArray[np.float64]], Any]
Given = Calibration | str | os.PathLike[str]


class Shaped(NamedTuple):
    """A batch of rewards in three forms; NaN where there is no raw reward."""

    raw: NDArray[np.float64]
    quantile: NDArray[np.float64]
    transformed: NDArray[np.float64]


def log_forms(name: str, shaped: Shaped, columns: dict[str, Any]) -> None:
    """Hands the three forms to TRL's `log_extra` and `log_metric`, where it offers them."""
    log_extra, log_metric = columns.get("log_extra"), columns.get("log_metric")
    named = {"raw": shaped.raw, "calibrated": shaped.quantile, "transformed": shaped.transformed}
    for form, values in named.items():
        if log_extra is not None:
            log_extra(f"{name}_{form}", values.tolist())
        if log_metric is not None and not np.isnan(values).all():
            log_metric(f"infalign/{name}_{form}", float(np.nanmean(values)))


class Shaping:
    """Raw reward → quantile under the base → Φ of it. A function of each pair (prompt, reward) alone, never of the batch."""

    def __init__(self, calibration: Given, transform: Phi, *, unknown: str = "error") -> None:
        self.calibration = calibration if isinstance(calibration, Calibration) else Calibration.load(calibration)
        self.transform = Transform(transform) if isinstance(transform, str) else transform
        if unknown not in ("error", "pooled"):
            raise ValueError(f'unknown="{unknown}": it is "error" or "pooled"')
        self.unknown = unknown

    def __call__(self, prompt_ids: Sequence[Any], raw: Sequence[float | None]) -> Shaped:
        """Raises KeyError for a prompt that was not calibrated, ValueError for lists of unequal lengths."""
        rewards = np.array([np.nan if reward is None else float(reward) for reward in raw])
        ids = list(prompt_ids)
        quantile = self.calibration.quantiles(ids, rewards, unknown=self.unknown)  # type: ignore[arg-type]
        known = ~np.isnan(quantile)
        transformed = np.full(len(rewards), np.nan)
        if known.any():
            if isinstance(self.transform, Transform):
                k = self.calibration.k(ids, unknown=self.unknown)  # type: ignore[arg-type]
                transformed[known] = self.transform(quantile[known], k=k[known])
            else:
                transformed[known] = self.transform(quantile[known])
        return Shaped(rewards, quantile, transformed)


@functools.lru_cache(maxsize=8)
def cached(calibration: str, transform: str, unknown: str) -> Shaping:
    """The same, made once per process, for trainers that know a reward by texts alone."""
    return Shaping(calibration, transform, unknown=unknown)


def prompt_key(prompt: Any) -> str:
    """The id of a prompt that has none: its text, or compact JSON of its messages.

    >>> prompt_key("Hello")
    'Hello'
    >>> prompt_key([{"role": "user", "content": "Hello"}])
    '[{"role":"user","content":"Hello"}]'
    """
    if isinstance(prompt, str):
        return prompt
    messages = [{"role": message["role"], "content": message["content"]} for message in prompt]
    return json.dumps(messages, ensure_ascii=False, separators=(",", ":"))


def named(reward: str | Callable[..., Any]) -> Callable[..., Any]:
    """A function, or the one that "package.module:name" names."""
    if not isinstance(reward, str):
        return reward
    module, _, name = reward.partition(":")
    if not name:
        raise ValueError(f"reward `{reward}`: write it like `package.module:function`")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives something to await."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))


def name_of(function: Any) -> str:
    """What to call a reward in logs."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
