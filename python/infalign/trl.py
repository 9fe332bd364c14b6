"""TRL: `CalibratedReward` for RLOOTrainer and GRPOTrainer, and the win rates and best-of-N sampling that TRL no longer has.

    from infalign.trl import CalibratedReward

    reward = CalibratedReward(my_reward, "calibration.safetensors", "exp:10")
    RLOOTrainer(model, reward_funcs=reward, args=RLOOConfig(beta=0.32, ...), train_dataset=dataset)

`my_reward` is what TRL takes: a function (plain or async), a reward model or its path. A prompt is known to the calibration by the
dataset's column `prompt_id` or, without one, by `prompt_key(prompt)`. TRL logs the transformed reward as the reward; the raw and the
calibrated one stand beside it, as metrics and as columns of the completions table.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from transformers import Trainer, TrainerCallback

from infalign._api import win_rate
from infalign._native import Calibration
from infalign._reward import Given, Phi, Shaping, is_async, log_forms, name_of, prompt_key

__all__ = ["BestOfNSampler", "CalibratedReward", "Selected", "WinRateCallback", "prompt_key", "traps"]


def traps(args: Any) -> list[str]:
    """What in a GRPOConfig or RLOOConfig keeps β from being the price of KL that the design computed."""
    found = []
    if getattr(args, "beta", None) == 0:
        found.append("beta=0: no KL is charged, so the policy leaves the base without limit; set beta to the design's")
    if getattr(args, "scale_rewards", "none") not in ("none", False):
        found.append(f'scale_rewards="{args.scale_rewards}" divides by a standard deviation and cancels the scale of Φ; set it to "none"')
    if getattr(args, "normalize_advantages", False):
        found.append("normalize_advantages=True rescales rewards and KL of every batch; set it to False")
    clip = getattr(args, "reward_clip_range", None)
    if clip is not None and not (clip[0] <= 0 and clip[1] >= 1):
        found.append(f"reward_clip_range={tuple(clip)} cuts into [0, 1], where Φ lies; set it to None")
    return found


class CalibratedReward:
    """A reward function for TRL that gives Φ(Ĉ) of another reward.

    Args:
        reward: a function with TRL's signature, plain or async; a sequence classification model; or the path of one.
        calibration: a `Calibration`, or the path of its file or run.
        transform: "exp:10", a `Transform`, or a function on arrays in [0, 1].
        unknown: what an uncalibrated prompt is: "error" (a KeyError that names it), or "pooled": ranked among all prompts' rewards.
        id_column: the dataset's column of prompt ids.
        processing_class: the reward model's tokenizer, where its own folder has none.
    """

    def __new__(cls, reward: Any, *_: Any, **__: Any) -> CalibratedReward:
        # TRL awaits what has an async `__call__`.
        return object.__new__(_AsyncCalibratedReward if cls is CalibratedReward and _awaited(reward) else cls)

    def __init__(
        self,
        reward: Any,
        calibration: Given,
        transform: Phi = "identity",
        *,
        unknown: str = "error",
        id_column: str = "prompt_id",
        processing_class: Any = None,
    ) -> None:
        plain = callable(reward) and not hasattr(reward, "config")
        self.reward: Callable[..., Any] = reward if plain else _RewardModel(reward, processing_class)
        self.shaping = Shaping(calibration, transform, unknown=unknown)
        self.id_column = id_column
        self.name = name_of(self.reward)
        self.__name__ = f"calibrated_{self.name}"
        self._checked = False

    def __call__(self, *, prompts: list[Any], completions: list[Any], **columns: Any) -> list[float | None]:
        """Φ(Ĉ) of each completion; None where the reward gave None."""
        raw = self.reward(prompts=prompts, completions=completions, **columns)
        return self._shape(prompts, raw, columns)

    def _shape(self, prompts: list[Any], raw: Sequence[float | None], columns: dict[str, Any]) -> list[float | None]:
        ids = columns.get(self.id_column)
        shaped = self.shaping([prompt_key(prompt) for prompt in prompts] if ids is None else ids, raw)
        log_forms(self.name, shaped, columns)
        self._warn(columns.get("log_metric"))
        return [None if np.isnan(value) else float(value) for value in shaped.transformed]

    def _warn(self, log_metric: Any) -> None:
        """Names the trainer's settings that spoil β, once."""
        trainer = getattr(log_metric, "__self__", None)
        if not self._checked and trainer is not None:
            self._checked = True
            for trap in traps(trainer.args):
                warnings.warn(f"{self.__name__}: {trap}", stacklevel=2)


class _AsyncCalibratedReward(CalibratedReward):
    """The same of an async reward."""

    async def __call__(self, *, prompts: list[Any], completions: list[Any], **columns: Any) -> list[float | None]:  # type: ignore[override]
        raw = await self.reward(prompts=prompts, completions=completions, **columns)
        return self._shape(prompts, raw, columns)


def _awaited(reward: Any) -> bool:
    return callable(reward) and is_async(reward)


class _RewardModel:
    """A sequence classification model as a reward function, read as TRL reads one."""

    def __init__(self, model: Any, processing_class: Any) -> None:
        from accelerate import PartialState
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        if isinstance(model, str):
            model = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1).to(PartialState().device)
        self.model = model.eval()
        path = model.config._name_or_path
        self.tokenizer = processing_class or AutoTokenizer.from_pretrained(path)
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        # The score is read at the last token that is not padding.
        model.config.get_text_config().pad_token_id = self.tokenizer.pad_token_id
        self.__name__ = path.rstrip("/").split("/")[-1] or "reward_model"

    def __call__(self, *, prompts: list[Any], completions: list[Any], **_: Any) -> list[float]:
        import torch

        texts = [self._text(prompt, completion) for prompt, completion in zip(prompts, completions, strict=True)]
        inputs = self.tokenizer(text=texts, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False)
        with torch.inference_mode():
            scores = self.model(**inputs.to(self.model.device)).logits[:, 0]
        return [float(score) for score in scores]

    def _text(self, prompt: Any, completion: Any) -> str:
        if isinstance(prompt, str):
            return prompt + completion
        from trl.data_utils import apply_chat_template

        return str(apply_chat_template({"messages": prompt + completion}, self.tokenizer)["text"])


@dataclass(frozen=True)
class Selected:
    """What best-of-N kept of one prompt's samples."""

    text: str
    reward: float
    texts: list[str]
    rewards: list[float]


class BestOfNSampler:
    """Samples N responses to each prompt and keeps the one of the highest raw reward.

    Args:
        model: a causal language model.
        processing_class: its tokenizer.
        reward: a reward function with TRL's signature, `(prompts, completions, **columns) -> list`.
        n: samples per prompt.
        generation: further arguments of `model.generate`, for example `max_new_tokens=64, temperature=0.7`.
    """

    def __init__(self, model: Any, processing_class: Any, reward: Callable[..., Any], n: int = 4, **generation: Any) -> None:
        if n < 1:
            raise ValueError(f"n = {n} is out of range: it must be at least 1")
        self.model, self.processing_class, self.reward, self.n = model, processing_class, reward, n
        self.generation = {"max_new_tokens": 256, **generation}

    def __call__(self, prompts: Sequence[Any], **columns: Sequence[Any]) -> list[Selected]:
        """One `Selected` per prompt; `columns` are handed to the reward, repeated for each sample."""
        selected = []
        for i, prompt in enumerate(prompts):
            texts = self._sample(prompt)
            completions = texts if isinstance(prompt, str) else [[{"role": "assistant", "content": text}] for text in texts]
            repeated = {name: [values[i]] * self.n for name, values in columns.items()}
            raw = self.reward(prompts=[prompt] * self.n, completions=completions, **repeated)
            rewards = [float("-inf") if reward is None else float(reward) for reward in raw]
            best = int(np.argmax(rewards))
            selected.append(Selected(texts[best], rewards[best], texts, rewards))
        return selected

    def _sample(self, prompt: Any) -> list[str]:
        import torch

        tokenizer = self.processing_class
        if isinstance(prompt, str):
            inputs = tokenizer(prompt, return_tensors="pt")
        else:
            inputs = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        inputs = {key: inputs[key].to(self.model.device) for key in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            ids = self.model.generate(
                **inputs, do_sample=True, num_return_sequences=self.n, pad_token_id=tokenizer.pad_token_id, **self.generation
            )
        return list(tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


class WinRateCallback(TrainerCallback):  # type: ignore[misc]
    """Logs how often the policy beats the base under a procedure, on held-out prompts, every so many steps.

    Logged are `win_rate/PROCEDURE`, and `…/low` and `…/high`, the 95% interval over prompts. Every process samples its share of the
    prompts.

    Args:
        trainer: the trainer that logs.
        prompts: held-out prompts, texts or messages.
        reward: the raw reward, with TRL's signature.
        base: raw rewards of the base's responses to these prompts, (prompts, n); or a `Calibration` that holds these prompts.
        procedures: for example ["standard", "best-of:4"].
        n: fresh samples per prompt, at least what the procedures draw.
        every: steps between two measurements; the first is before training, one more comes at its end.
        columns: further columns for the reward, one value per prompt.
        generation: further arguments of `model.generate`.
    """

    def __init__(
        self,
        trainer: Any,
        prompts: Sequence[Any],
        reward: Callable[..., Any],
        base: ArrayLike | Calibration,
        *,
        procedures: Sequence[str] = ("standard",),
        n: int = 8,
        every: int = 100,
        columns: dict[str, Sequence[Any]] | None = None,
        **generation: Any,
    ) -> None:
        self.trainer, self.prompts, self.reward = trainer, list(prompts), reward
        if isinstance(base, Calibration):
            ids = (columns or {}).get("prompt_id") or [prompt_key(prompt) for prompt in self.prompts]
            base = np.stack([base.rewards(str(each)) for each in ids])
        self.base = np.asarray(base, dtype=np.float32)
        if self.base.ndim != 2 or len(self.base) != len(self.prompts):
            raise ValueError(f"base has the shape {self.base.shape}: it must be ({len(self.prompts)} prompts, n)")
        self.procedures, self.n, self.every = procedures, n, every
        self.columns, self.generation = columns or {}, generation
        for procedure in procedures:  # a procedure that cannot be measured is refused now
            win_rate(np.zeros((len(self.prompts), n)), self.base, procedure)

    # At the end of a step a log of ours would stand in the place of the trainer's own.
    def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, processing_class: Any = None, **_: Any) -> None:
        if state.global_step % self.every == 0:
            self._measure(model, processing_class)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, processing_class: Any = None, **_: Any) -> None:
        self._measure(model, processing_class)

    def _measure(self, model: Any, processing_class: Any) -> None:
        from accelerate.utils import gather_object

        accelerator = self.trainer.accelerator
        mine = range(accelerator.process_index, len(self.prompts), accelerator.num_processes)
        unwrapped = accelerator.unwrap_model(model)
        sampler = BestOfNSampler(unwrapped, processing_class, self.reward, self.n, **self.generation)
        was_training = unwrapped.training
        unwrapped.eval()
        try:
            columns = {name: [values[i] for i in mine] for name, values in self.columns.items()}
            found = sampler([self.prompts[i] for i in mine], **columns)
        finally:
            unwrapped.train(was_training)
        rewards = dict(gather_object([(i, each.rewards) for i, each in zip(mine, found, strict=True)]))
        table = [rewards[i] for i in range(len(self.prompts))]
        for procedure in self.procedures:
            rate = win_rate(np.array(table, dtype=np.float32), self.base, procedure)
            name = f"win_rate/{procedure}"
            # Not TRL's own `log`, which would also close the running averages of the training metrics.
            Trainer.log(self.trainer, {name: rate.mean, f"{name}/low": rate.low, f"{name}/high": rate.high})
