"""verl: `compute_score` and a reward manager that give Φ(Ĉ) of another reward.

As a function (`compute_score` does not see the prompt, so its id stands in the data's `extra_info`):

    reward.custom_reward_function.path=pkg://infalign.verl
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs={reward: "my_rewards:score", calibration: /data/calibration.safetensors, transform: "exp:10"}

As a manager (which sees the prompt; the raw reward is verl's own `custom_reward_function` or its default):

    reward.reward_manager.source=importlib reward.reward_manager.name=CalibratedRewardManager
    reward.reward_manager.module.path=pkg://infalign.verl
    +reward.infalign={calibration: /data/calibration.safetensors, transform: "exp:10"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infalign._native import Calibrator, Transform
from infalign._reward import Shaping, cached, named, prompt_key

if TYPE_CHECKING:
    CalibratedRewardManager: type[Any]


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
    *,
    reward: str,
    calibration: str | None = None,
    transform: str = "identity",
    unknown: str = "error",
    **further: Any,
) -> dict[str, float]:
    """Φ(Ĉ) of one response, with what verl logs beside it.

    Args:
        extra_info: holds the prompt's id as `prompt_id` or `index`; or its base's rewards as `reference_rewards`, which need no
            calibration.
        reward: the raw reward, "package.module:function" with the signature of this function's first four arguments; it returns a
            number, or a dictionary with `score`.
        calibration: the path of a calibration.
        transform: for example "exp:10".
        unknown: what an uncalibrated prompt is: "error" (a KeyError that names it), or "pooled".
        further: for `reward`.

    Raises:
        ValueError: neither an id nor reference rewards.
    """
    info = extra_info or {}
    answer = named(reward)(data_source=data_source, solution_str=solution_str, ground_truth=ground_truth, extra_info=info, **further)
    raw = float(answer["score"] if isinstance(answer, dict) else answer)
    if calibration is not None:
        prompt_id = info.get("prompt_id", info.get("index"))
        if prompt_id is None:
            raise ValueError("extra_info holds neither `prompt_id` nor `index`: verl does not pass the prompt, so its id must stand there")
        return _answer(cached(calibration, transform, unknown), prompt_id, raw)
    if info.get("reference_rewards") is None:
        raise ValueError("give a calibration, or put the base's rewards into extra_info as `reference_rewards`")
    calibrator = Calibrator([float(each) for each in info["reference_rewards"]])
    quantile = calibrator(raw)
    return {"score": Transform(transform)(quantile, k=calibrator.k), "raw": raw, "calibrated": quantile}


def _answer(shaping: Shaping, prompt_id: Any, raw: float) -> dict[str, float]:
    shaped = shaping([prompt_id], [raw])
    return {"score": float(shaped.transformed[0]), "raw": raw, "calibrated": float(shaped.quantile[0])}


def __getattr__(name: str) -> Any:
    """Makes the manager when it is asked for: only then is verl needed."""
    if name != "CalibratedRewardManager":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager

    class CalibratedRewardManager(NaiveRewardManager):  # type: ignore[misc]
        """verl's own manager, whose reward becomes Φ(Ĉ). A prompt's id is `extra_info["prompt_id"]` or `prompt_key(raw_prompt)`."""

        def __init__(self, config: Any, *given: Any, **further: Any) -> None:
            super().__init__(config, *given, **further)
            own = config.reward.infalign
            self.shaping = cached(str(own.calibration), str(own.get("transform", "identity")), str(own.get("unknown", "error")))

        async def run_single(self, data: Any) -> dict[str, Any]:
            result = await super().run_single(data)
            item = data[-1].non_tensor_batch
            prompt_id = (item.get("extra_info") or {}).get("prompt_id")
            shaped = _answer(self.shaping, prompt_key(item["raw_prompt"]) if prompt_id is None else prompt_id, float(result["reward_score"]))
            logged = {**result["reward_extra_info"], **shaped}
            return {"reward_score": shaped["score"], "reward_extra_info": logged}

    globals()[name] = CalibratedRewardManager
    return CalibratedRewardManager
