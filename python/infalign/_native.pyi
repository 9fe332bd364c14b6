"""Types of the native half; its docstrings are in the module itself."""

import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Rule = Literal["mid-rank", "strict", "plus-one", "interpolated"]
_Unknown = Literal["error", "pooled"]
_PromptId = str | int | np.integer[Any]
_Path = str | os.PathLike[str]

@final
class Transform:
    def __new__(cls, name: str | Transform) -> Transform: ...
    @staticmethod
    def table(u: Sequence[float], phi: Sequence[float], name: str = "table") -> Transform: ...
    @staticmethod
    def optimal(procedure: str | Procedure, *, kl: float) -> Transform: ...
    # A number gives a number, an array an array of its shape.
    def __call__(self, u: ArrayLike, k: int | ArrayLike | None = None) -> Any: ...
    @property
    def bounds(self) -> tuple[float, float]: ...

@final
class Procedure:
    def __new__(cls, name: str | Procedure) -> Procedure: ...
    @staticmethod
    def tabulated(u: Sequence[float], g: Sequence[float], name: str = "cdf") -> Procedure: ...

@final
class Calibrator:
    def __new__(cls, rewards: ArrayLike, *, rule: _Rule = "mid-rank") -> Calibrator: ...
    def __call__(self, rewards: ArrayLike) -> Any: ...
    @property
    def k(self) -> int: ...
    @property
    def levels(self) -> list[float]: ...

@final
class Calibration:
    @staticmethod
    def load(path: _Path) -> Calibration: ...
    @staticmethod
    def from_file(
        path: _Path, *, prompt_column: str | None = None, reward_column: str | None = None, base_policy: str = "", sampling: str = ""
    ) -> Calibration: ...
    @staticmethod
    def from_rollouts(
        prompt_ids: Sequence[_PromptId] | NDArray[Any],
        rewards: ArrayLike | Sequence[ArrayLike],
        *,
        base_policy: str = "",
        reward: str = "reward",
        sampling: str = "",
    ) -> Calibration: ...
    def quantiles(
        self,
        prompt_ids: _PromptId | Sequence[_PromptId] | NDArray[Any],
        rewards: ArrayLike,
        *,
        rule: _Rule = "mid-rank",
        unknown: _Unknown = "error",
    ) -> Any: ...
    def k(self, prompt_ids: _PromptId | Sequence[_PromptId] | NDArray[Any], *, unknown: _Unknown = "error") -> Any: ...
    def rewards(self, prompt_id: str) -> NDArray[np.float32]: ...
    def save(self, path: _Path) -> None: ...
    @property
    def prompt_ids(self) -> list[str]: ...
    @property
    def base_policy(self) -> str: ...
    @property
    def reward(self) -> str: ...
    @property
    def sampling(self) -> str: ...
    def __len__(self) -> int: ...
    def __contains__(self, prompt_id: _PromptId) -> bool: ...

def calibrate_files(files: Sequence[_Path], out: _Path, *, base_policy: str, reward: str, sampling: str) -> int: ...
def design(
    procedure: str | Procedure,
    *,
    kl: float | None,
    beta: float | None,
    transforms: Sequence[str | Transform],
    k: int | None,
    calibration: Calibration | None,
    levels: Sequence[float],
    frontier: bool,
    threads: int,
) -> str: ...
def win_rates(policy: ArrayLike, base: ArrayLike, procedure: str | Procedure) -> NDArray[np.float64]: ...
def selected_rewards(rewards: ArrayLike, procedure: str | Procedure) -> NDArray[np.float64]: ...
def estimate(values: NDArray[np.float64], within: tuple[float, float] | None = None) -> str: ...
def evaluate(
    base: SimpleNamespace,
    policies: Sequence[SimpleNamespace],
    *,
    procedures: Sequence[str | Procedure],
    judges: Sequence[tuple[str, float | None]],
    prompt_ids: Sequence[str],
    calibration: Calibration | None,
    comparisons: bool,
    duels: bool,
    seed: int,
) -> str: ...
def report(record: str, out: str) -> None: ...
def design_plot(design: str, out: str) -> None: ...
