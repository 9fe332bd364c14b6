"""Ray Data: generation, rewards and calibration of Parquet shards over a cluster, each shard by itself, without a shuffle.

    from infalign.ray import Completions, calibrate

    table = calibrate("/shared/prompts", "/shared/out", generate=Completions("http://10.0.0.7:8000", "my-sft", 100), reward=MyReward)

Workers are handed the names of shards and pass data on through files of the shared folder `out`, one for each shard and step:

| step | file | its columns |
|---|---|---|
| `generate` | `rollouts/NAME.parquet` | those of the shard, and `responses` (list of strings) |
| `reward` | `rewards/NAME.parquet` | `prompt_id`, `rewards` (list of floats) |
| | `calibration/NAME.parquet` | `prompt_id`, `k`, `rewards` ascending |
| | `calibration.parquet` | all of these, the bytes that `infalign calibrate --rewards rewards/*.parquet --out` writes |

A file is there whole or not at all, and what is there is not made again: a worker's death costs one step of one shard, and the same
call after an interruption goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from infalign._native import calibrate_files

__all__ = ["Completions", "calibrate"]

Folder = str | os.PathLike[str]
Batch = dict[str, Any]

_KINDS = {"responses": pa.list_(pa.string()), "rewards": pa.list_(pa.float32())}
_BATCH = 64  # prompts to a call
_OWN = ("batch_size", "fn_constructor_args", "fn_constructor_kwargs")  # options of `map_batches` that are for the user's object, not for ours
_UNFINISHED = ".infalign-tmp"  # how the native half calls files in the making, too


def calibrate(
    shards: Folder | Sequence[Folder],
    out: Folder,
    *,
    generate: Callable[..., Any] | None = None,
    reward: Callable[..., Any] | None = None,
    generate_options: dict[str, Any] | None = None,
    reward_options: dict[str, Any] | None = None,
    base_policy: str = "the policy that drew the rewarded responses",
    reward_name: str = "rewards",
    sampling: str = "as recorded",
) -> Path:
    """A calibration of many prompts, made by a cluster; returns the path of the merged table.

    Args:
        shards: Parquet files, or a folder of them, one row per prompt: `prompt_id`, and `prompt` for `generate`, `responses` where only
            `reward` is given, `rewards` where neither is. Further columns are handed through to `reward`.
        out: a folder that all machines see.
        generate: what `map_batches` takes, a function or a class: a batch of columns to {"responses": K strings per row}.
        reward: the same: a batch with `responses` to {"rewards": a number for each of them, per row}.
        generate_options: arguments of `map_batches` for it: `compute`, `num_gpus`, `memory`, `fn_constructor_kwargs`, …;
            `batch_size` prompts go to a call, 64 unless told.
        reward_options: the same for `reward`.
        base_policy: whose rewards they are, and
        reward_name: by what, and
        sampling: how drawn: kept in the files. A folder with files of another base or reward is refused.

    Raises:
        ValueError: two shards of one name, a prompt twice, files of something else in `out`, answers that do not fit their batch.
    """
    import ray

    sources, out = _files(shards), Path(out).resolve()
    of = {"base_policy": base_policy, "reward": reward_name, "sampling": sampling}
    tables, rewards = out / "calibration", out / "rewards"
    steps: list[tuple[type[_Step], dict[str, Any], dict[str, Any]]] = []  # with their own arguments, and those of `map_batches`
    for column, call, folder, options in (
        ("responses", generate, out / "rollouts", generate_options),
        ("rewards", reward, rewards, reward_options),
    ):
        if call is not None:
            options = dict(options or {})
            given: dict[str, Any] = {"folder": folder, "of": of, "column": column, "call": call}
            given |= {name: options.pop(name) for name in _OWN if name in options}
            steps.append((_Asked, given, options))
    steps.append((_Calibrated, {"folder": tables, "of": of}, {}))

    missing = [source for source in sources if not _there(tables / source.name, of, source)]
    if missing:
        for _, given, _ in steps:
            given["folder"].mkdir(parents=True, exist_ok=True)
        data: Any = ray.data.from_items([{"shard": str(source)} for source in missing], override_num_blocks=len(missing))
        for kind, given, options in steps:
            if isinstance(given.get("call"), type):  # an object that is made once per worker
                if "concurrency" not in options:  # as Ray calls it before 2.51
                    options.setdefault("compute", ray.data.ActorPoolStrategy(size=1))
                data = data.map_batches(kind, batch_size=1, fn_constructor_kwargs=given, **options)
            else:
                data = data.map_batches(kind(**given).__call__, batch_size=1, **options)
        data.materialize()
        for _, given, _ in steps:  # what killed workers left
            for partial in given["folder"].glob(f".*{_UNFINISHED}"):
                partial.unlink(missing_ok=True)
    made = [tables / source.name for source in sources]
    _once(made)
    calibrate_files(made, out / "calibration.parquet", **of)
    return out / "calibration.parquet"


class Completions:
    """K responses per prompt from an OpenAI-compatible server (vLLM, SGLang): one request of `/v1/completions` per prompt.

    The seed of a request is made of `seed` and the prompt's id, so that no two prompts share one. Requests that the server refuses for
    the moment (429, 5xx, no connection) are tried again for some minutes. A key is read by the worker from the variable OPENAI_API_KEY.

    Args:
        url: of the server, without `/v1`.
        model: its name there.
        k: responses per prompt.
        seed: of the whole.
        parallel: requests of one worker at a time.
        sampling: further fields of the request: `max_tokens` (vLLM's default is 16), `temperature`, `top_p`, `stop`, …
    """

    def __init__(self, url: str, model: str, k: int, *, seed: int = 0, parallel: int = 32, **sampling: Any) -> None:
        self.url, self.k, self.seed, self.parallel = url.rstrip("/") + "/v1/completions", k, seed, parallel
        self.fields = {"model": model, "n": k, **sampling}

    def __call__(self, batch: Batch) -> Batch:
        with ThreadPoolExecutor(self.parallel) as pool:
            return {"responses": list(pool.map(self._responses, batch["prompt_id"], batch["prompt"]))}

    def _responses(self, prompt_id: str, prompt: str) -> list[str]:
        digest = hashlib.sha256(f"{self.seed} {prompt_id}".encode()).digest()
        answer = self._ask({**self.fields, "prompt": prompt, "seed": int.from_bytes(digest[:4], "big") >> 1})
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        if len(choices) != self.k:
            raise ValueError(f"{self.url} gave {len(choices)} responses to prompt `{prompt_id}` instead of {self.k}")
        return [choice["text"] for choice in choices]

    def _ask(self, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get("OPENAI_API_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)
        for wait in (1, 2, 4, 8, 16, 32, 64, None):
            try:
                with urllib.request.urlopen(request) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if wait is None or not (error.code == 429 or error.code >= 500):
                    said = error.read(500).decode(errors="replace")
                    raise OSError(f"{self.url} answered {error.code}: {said}") from None  # an HTTPError cannot be pickled
            except (OSError, ValueError) as error:
                if wait is None:
                    raise OSError(f"{self.url} does not answer: {error}") from None
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")


class _Step:
    """What a worker does with the shard that it is handed: reads its file, makes another, and hands that on."""

    def __init__(self, folder: Path, of: dict[str, str]) -> None:
        self.folder, self.of = folder, of

    def __call__(self, batch: Batch) -> Batch:
        return {"shard": np.array([str(self.step(Path(str(shard)))) for shard in batch["shard"]])}

    def step(self, source: Path) -> Path:
        target = self.folder / source.name
        if not _there(target, self.of, source):
            self.make(source, target)
        return target

    def make(self, source: Path, target: Path) -> None:
        raise NotImplementedError


class _Calibrated(_Step):
    """Raw rewards to a calibration."""

    def make(self, source: Path, target: Path) -> None:
        calibrate_files([source], target, **self.of)


class _Asked(_Step):
    """A column that the user's function or object makes of the others, some prompts at a time."""

    def __init__(
        self,
        folder: Path,
        of: dict[str, str],
        column: str,
        call: Callable[..., Any],
        batch_size: int = _BATCH,
        fn_constructor_args: Iterable[Any] = (),
        fn_constructor_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(folder, of)
        self.column, self.batch_size = column, batch_size
        self.call = call(*fn_constructor_args, **(fn_constructor_kwargs or {})) if isinstance(call, type) else call

    def make(self, source: Path, target: Path) -> None:
        table = pq.read_table(source)
        if "prompt_id" not in table.column_names:
            raise ValueError(f"{source} has no column `prompt_id`, but {', '.join(table.column_names)}")
        table = table.set_column(table.column_names.index("prompt_id"), "prompt_id", table["prompt_id"].cast(pa.string()))
        answers: list[Any] = []
        for start in range(0, len(table), self.batch_size):
            part = table.slice(start, self.batch_size)
            batch = {name: part[name].to_numpy() for name in part.column_names}
            answers.extend(self._checked(source, batch, self.call(batch)[self.column]))
        made = pa.chunked_array([pa.array(answers, _KINDS[self.column])])
        if self.column == "rewards":
            table = table.select(["prompt_id"])
        elif self.column in table.column_names:
            table = table.drop_columns([self.column])
        _write(table.append_column(self.column, made), target, self.of)

    def _checked(self, source: Path, batch: Batch, answers: Any) -> list[Any]:
        """One list per row, each as long as the row's responses; rewards finite in single precision."""
        ids = batch["prompt_id"]
        if len(answers) != len(ids):
            raise ValueError(f"{source}: `{self.column}` of {len(answers)} prompts instead of {len(ids)}")
        if self.column != "rewards":
            return [list(row) for row in answers]
        rows = [np.asarray(row, dtype=np.float32) for row in answers]
        for i, row in enumerate(rows):
            expected = len(batch["responses"][i]) if "responses" in batch else row.size
            if row.shape != (expected,):
                raise ValueError(f"{source}, prompt `{ids[i]}`: rewards of the shape {row.shape} for {expected} responses")
            if not np.isfinite(row).all():
                raise ValueError(f"{source}, prompt `{ids[i]}`: reward {row[~np.isfinite(row)][0]} at {int(np.argmin(np.isfinite(row)))} is not finite")
        return rows


def _files(shards: Folder | Sequence[Folder]) -> list[Path]:
    """The shards in the order of their names, which is that of the table."""
    if isinstance(shards, (str, os.PathLike)):
        found = sorted(Path(shards).resolve().glob("*.parquet")) if Path(shards).is_dir() else [Path(shards).resolve()]
    else:
        found = [Path(each).resolve() for each in shards]
    if not found or not all(each.is_file() for each in found):
        raise FileNotFoundError(f"no Parquet files: {next((each for each in found if not each.is_file()), shards)}")
    for name, count in Counter(each.name for each in found).items():
        if count > 1:
            raise ValueError(f"{count} shards are called {name}: what is made of them would be one file")
    return found


def _there(made: Path, of: dict[str, str], source: Path) -> bool:
    """Whether the file is there; it is refused when it was made of something else."""
    if not made.exists():
        return False
    about = pq.read_metadata(made)
    said = {name: (about.metadata or {}).get(f"infalign.{name}".encode(), b"").decode() for name in of}
    if said != of:
        raise ValueError(f"{made} is of {said}, not of {of}: give another folder `out`, or remove this one")
    if about.num_rows != (rows := pq.read_metadata(source).num_rows):
        raise ValueError(f"{made} has {about.num_rows} prompts, {source} has {rows}: the shard has changed; remove what was made of it")
    return True


def _write(table: pa.Table, target: Path, of: dict[str, str]) -> None:
    """Whole or not at all, also where two workers write the same."""
    metadata = {f"infalign.{name}": text for name, text in of.items()}
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_UNFINISHED}")
    codec = "none" if "rewards" in table.column_names else "zstd"  # floats hardly compress, and are then read as they lie
    with open(partial, "wb") as file:
        pq.write_table(table.replace_schema_metadata(metadata), file, compression=codec, use_dictionary=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, target)


def _once(files: list[Path]) -> None:
    """Refuses a prompt that comes twice."""
    ids = pa.chunked_array([chunk for file in files for chunk in pq.read_table(file, columns=["prompt_id"])["prompt_id"].chunks])
    if pc.count_distinct(ids).as_py() == len(ids):
        return
    twice = pc.value_counts(ids)
    first = twice.field("values").filter(pc.greater(twice.field("counts"), 1))[0]
    raise ValueError(f"prompt `{first}` comes more than once in these shards")
