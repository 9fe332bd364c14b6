"""What `evaluate` is given of one policy: arrays over prompts and responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from infalign._native import Procedure, Transform


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Fresh responses of a policy (or of the base) to the evaluation's prompts.

    Every array has the shape (prompts, responses); `rewards` has a first axis of judges where there are several, the training reward
    first.
    """

    rewards: ArrayLike
    """Raw rewards: (prompts, responses) or (judges, prompts, responses)."""
    lengths: ArrayLike | None = None
    """Lengths in tokens; without them the evaluation's lengths are 0."""
    truncated: ArrayLike | None = None
    """Whether a response was cut at the token limit; without them the share is 0."""
    log_probs: tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike] | None = None
    """log π(y) and log p(y) of the distributions that were sampled from, summed over tokens, in nats; third, where known, the exact KLs
    per position, summed."""
    answers: Sequence[Sequence[str]] | None = None
    """The answer that each response gives, for `voting:N`."""
    transform: str | Transform | None = None
    """What the policy was trained on: a transform, or "raw"; gives the predictions of the theory."""
    procedure: str | Procedure | None = None
    """The procedure that its reward was designed for."""
    kl: float | None = None
    """KL that training was asked to spend, in nats."""
    beta: float | None = None
    """Price of KL at the end of training."""
    seed: int | None = None
    """Seed of its training."""


def ready(name: str, samples: ArrayLike | Samples, judges: int) -> SimpleNamespace:
    """The samples as the native half takes them.

    Raises:
        ValueError: a shape that does not fit.
    """
    given = samples if isinstance(samples, Samples) else Samples(rewards=samples)
    rewards = np.asarray(given.rewards, dtype=np.float32)
    if rewards.ndim == 2:
        rewards = rewards[np.newaxis]
    if rewards.ndim != 3 or len(rewards) != judges:
        raise ValueError(
            f"{name}: rewards have the shape {np.shape(given.rewards)}: it must be (prompts, responses), "
            f"or (judges, prompts, responses) with {judges} judge(s)"
        )
    shape = rewards.shape[1:]

    def array(what: str, values: ArrayLike | None, kind: type) -> NDArray[Any]:
        made: NDArray[Any] = np.zeros(shape, kind) if values is None else np.ascontiguousarray(values, kind)
        if made.shape != shape:
            raise ValueError(f"{name}: {what} have the shape {made.shape}, but rewards have {shape} for each judge")
        return made

    log_probs = None
    if given.log_probs is not None:
        arrays = [array("log-probabilities", each, np.float64) for each in given.log_probs]
        log_probs = (arrays[0], arrays[1], arrays[2] if len(arrays) > 2 else None)
    return SimpleNamespace(
        name=name,
        rewards=[np.ascontiguousarray(each) for each in rewards],
        lengths=array("lengths", given.lengths, np.uint32),
        truncated=array("marks of truncation", given.truncated, np.bool_),
        log_probs=log_probs,
        answers=given.answers,
        transform=given.transform,
        procedure=given.procedure,
        kl=given.kl,
        beta=given.beta,
        seed=given.seed,
    )
