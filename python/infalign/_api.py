"""The functions of the package: design, estimators, evaluate, report; each gives back a typed result."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from infalign import _native
from infalign._native import Calibration, Procedure, Transform
from infalign._samples import Samples, ready
from infalign.results import Design, Estimate, Evaluation


def design(
    procedure: str | Procedure,
    *,
    kl: float | None = None,
    beta: float | None = None,
    transforms: Sequence[str | Transform] = (),
    k: int | None = None,
    calibration: Calibration | None = None,
    levels: Sequence[float] = (),
    frontier: bool = False,
    threads: int = 1,
) -> Design:
    """Which transform and which β for this procedure and KL budget, and how much it wins: `infalign design`.

    Args:
        procedure: what deployment does, for example "best-of:4".
        kl: KL(π‖p) to spend, in nats; or
        beta: its price.
        transforms: those to compare; by default identity, log, and exponentials.
        k: rollouts per prompt of the calibration: adds what that K costs, and the β to train with.
        calibration: base rewards, for the row "raw": what plain RLHF does.
        levels: the base's chances of each value of a reward with few values, lowest first.
        frontier: also every transform at 60 KLs or more (`points`), and Φ on a grid (`phi`).
        threads: for the frontier; the answer does not depend on it.

    Raises:
        ValueError: an unknown name or a number out of range, in the program's words.

    >>> answer = design("best-of:4", kl=0.5, transforms=["identity", "exp:10"])
    >>> [(row.transform, round(row.win_rate, 4)) for row in answer.transforms]
    [('exp:10', 0.8715), ('identity', 0.7998)]
    """
    text = _native.design(
        procedure,
        kl=kl,
        beta=beta,
        transforms=list(transforms),
        k=k,
        calibration=calibration,
        levels=list(levels),
        frontier=frontier,
        threads=threads,
    )
    return Design.from_json(text)


def design_plot(answer: Design, path: str | os.PathLike[str]) -> None:
    """Draws a design that was made with `frontier=True` as HTML, SVG or PNG, by the ending of `path`."""
    _native.design_plot(answer.to_json(), os.fspath(path))


def win_rate(policy: ArrayLike, base: ArrayLike, procedure: str | Procedure = "standard") -> Estimate:
    """How often the procedure's output from the policy beats its output from the base, ties half: unbiased, 95% interval over prompts.

    Args:
        policy: raw rewards, (prompts, m).
        base: raw rewards by the same judge, (prompts, n).
        procedure: "best-of:N", "worst-of:N", "order:J/N", "standard", or a mixture of them, with N ≤ m and N ≤ n.

    Raises:
        ValueError: N beyond the number of responses (there is no unbiased estimate), NaN, shapes that do not fit.

    >>> round(win_rate([[0.5, 0.9, 0.3, 0.8]], [[0.1, 0.7, 0.4, 0.2]], "best-of:2").mean, 4)
    0.9167
    """
    return _estimate(_native.win_rates(policy, base, procedure), within=(0.0, 1.0))


def win_rate_difference(left: ArrayLike, right: ArrayLike, base: ArrayLike, procedure: str | Procedure = "standard") -> Estimate:
    """How much more often `left` beats the base than `right` does, paired by prompt. Arguments as of `win_rate`."""
    left_rates, right_rates = (_native.win_rates(policy, base, procedure) for policy in (left, right))
    return _estimate(left_rates - right_rates)


def expected_reward(rewards: ArrayLike, procedure: str | Procedure) -> Estimate:
    """Mean raw reward of what the procedure outputs (best@N, worst@N), without the bias of resampling: (prompts, m) → a figure.

    >>> expected_reward([[1.0, 2.0, 3.0], [1.0, 2.0, 6.0]], "best-of:3").mean
    4.5
    """
    return _estimate(_native.selected_rewards(rewards, procedure))


def evaluate(
    base: ArrayLike | Samples,
    policies: Mapping[str, ArrayLike | Samples],
    *,
    procedures: Sequence[str | Procedure],
    judges: Sequence[str] = ("reward",),
    thresholds: Mapping[str, float] | None = None,
    prompt_ids: Sequence[str] | None = None,
    calibration: Calibration | None = None,
    comparisons: bool = True,
    duels: bool = False,
    seed: int = 0,
) -> Evaluation:
    """Win rates under every procedure by every judge, KL, laws of u, beside what the theory says: `infalign evaluate`, from arrays.

    Args:
        base: the base's rewards, (prompts, n) or (judges, prompts, n), or `Samples`.
        policies: the same by name, on the same prompts.
        procedures: "best-of:4", "standard", "voting:5" (with answers), …
        judges: names of the rewards; procedures select by the first.
        thresholds: for a judge, the raw reward below which a response counts as an attack's success.
        prompt_ids: for messages; by default 0, 1, …
        calibration: the training rewards' table, for predictions where rewards tie.
        comparisons: whether to compare the policies pairwise by their win rates against the base.
        duels: whether to let the policies win against each other.
        seed: of the breaking of ties.

    Raises:
        ValueError: samples that do not fit, a procedure that draws more than there are, unknown names.

    >>> result = evaluate([[0.1, 0.7, 0.4, 0.2]], {"ours": [[0.5, 0.9, 0.3, 0.8]]}, procedures=["best-of:2"])
    >>> round(result.policies[0].win_rates[0].win_rate.mean, 4)
    0.9167
    """
    side = ready("base", base, len(judges))
    sides = [ready(name, samples, len(judges)) for name, samples in policies.items()]
    ids = [str(p) for p in range(len(side.rewards[0]))] if prompt_ids is None else [str(p) for p in prompt_ids]
    limits = thresholds or {}
    text = _native.evaluate(
        side,
        sides,
        procedures=list(procedures),
        judges=[(name, limits.get(name)) for name in judges],
        prompt_ids=ids,
        calibration=calibration,
        comparisons=comparisons,
        duels=duels,
        seed=seed,
    )
    return Evaluation.from_json(text)


def report(
    result: Evaluation | str | os.PathLike[str],
    out: str | os.PathLike[str] = "report.html",
    *,
    title: str = "infalign",
    question: str = "",
    designs: Sequence[Design] = (),
) -> Path:
    """Writes the self-contained HTML report of an evaluation, or of a finished run's directory; returns its path.

    Args:
        result: what `evaluate` gave, or the directory of a run.
        out: the page.
        title: for an evaluation, the title of the page, and
        question: what was asked, in words.
        designs: those made with `frontier=True` give the theoretical frontier of their procedure.

    Raises:
        FileNotFoundError: a directory without a finished run.
        ValueError: an evaluation that holds nothing to show.
    """
    if isinstance(result, Evaluation):
        parts = {"title": title, "question": question, "evaluation": result, "designs": list(designs)}
        record = json.dumps({key: _plain(part) for key, part in parts.items()}, ensure_ascii=False)
    else:
        path = Path(result) / "report.json"
        try:
            record = path.read_text(encoding="utf-8")
        except OSError as error:
            why = f"{path}: {error.strerror} (os error {error.errno}); give the directory of a run that `infalign run` has finished"
            raise type(error)(why) from None
    _native.report(record, os.fspath(out))
    return Path(out)


def _plain(part: object) -> object:
    if isinstance(part, list):
        return [_plain(each) for each in part]
    return json.loads(part.to_json()) if isinstance(part, (Design, Evaluation)) else part


def _estimate(values: NDArray[np.float64], within: tuple[float, float] | None = None) -> Estimate:
    return Estimate.from_json(_native.estimate(values, within))
