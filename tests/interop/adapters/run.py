"""OpenRLHF, verl, ms-swift and Axolotl call our adapters by their own code; what they get is what the package computes. See run.sh.

| package | what runs here |
|---|---|
| OpenRLHF | its `SingleTurnAgentExecutor`, which loads the `.py` file and asks it sample by sample |
| verl | its `load_reward_manager` with `custom_reward_function`, and with our manager; its `run_single` on its `DataProto` |
| ms-swift | its `compute_rewards_per_func`, on the class registered in its `orms` |
| Axolotl | its loader of dotted names, read from its installed source: importing it needs a TRL of its own |
"""

import ast
import asyncio
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np

import infalign

FOLDER = Path(tempfile.mkdtemp())
RNG = np.random.default_rng(5)
PROMPTS = [f"prompt {i}" for i in range(8)]
TABLE = np.round(RNG.normal(size=(8, 32)), 1)
RESPONSES = ["x" * int(n) for n in RNG.integers(0, 9, 8)]
RAW = [0.3 * len(r) - 1 for r in RESPONSES]
CALIBRATION = infalign.Calibration.from_rollouts(PROMPTS, TABLE)
FILE = str(FOLDER / "calibration.safetensors")
CALIBRATION.save(FILE)
QUANTILES = CALIBRATION.quantiles(PROMPTS, RAW)
EXPECTED = infalign.Transform("exp:10")(QUANTILES)


def openrlhf() -> str:
    import torch
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    (FOLDER / "reward.py").write_text(
        "from infalign.openrlhf import reward_function\n"
        "def raw(queries, prompts, labels):\n"
        "    return [0.3 * (len(q) - len(p)) - 1 for q, p in zip(queries, prompts)]\n"
        f"reward_func = reward_function(raw, {FILE!r}, 'exp:10')\n"
    )
    executor = SingleTurnAgentExecutor(str(FOLDER / "reward.py"))
    queries = [p + r for p, r in zip(PROMPTS, RESPONSES)]
    answers = asyncio.run(executor._fetch_rewards_via_func(queries, ["chat " + p for p in PROMPTS], PROMPTS))
    shift = [0.3 * (len(q) - len("chat " + p)) - 1 for q, p in zip(queries, PROMPTS)]
    u = CALIBRATION.quantiles(PROMPTS, shift)
    assert [float(a["scores"]) for a in answers] == u.tolist()
    assert [float(a["rewards"]) for a in answers] == infalign.Transform("exp:10")(u).tolist()
    assert [float(a["extra_logs"]["reward_raw"]) for a in answers] == shift
    assert torch.tensor([answers[0]["rewards"]]).shape == (1,)  # how its sample generator makes a tensor of it
    return "SingleTurnAgentExecutor"


def verl() -> str:
    import torch
    from omegaconf import OmegaConf
    from tensordict import TensorDict
    from verl import DataProto
    from verl.trainer.ppo.reward import load_reward_manager

    (FOLDER / "raw_for_verl.py").write_text("def score(data_source, solution_str, ground_truth, extra_info):\n    return 0.3 * len(solution_str) - 1\n")

    class Tokenizer:
        def decode(self, ids, skip_special_tokens=True):
            return "".join("x" for i in ids.tolist() if i)

    def row(i, info):
        ids = torch.zeros(1, 12, dtype=torch.long)
        ids[0, : len(RESPONSES[i])] = 1
        mask = torch.cat([torch.ones(1, 3, dtype=torch.long), (ids > 0).long()], dim=1)
        batch = TensorDict({"responses": ids, "prompts": torch.ones(1, 3, dtype=torch.long), "attention_mask": mask}, batch_size=1)
        extra = {"data_source": "test", "reward_model": {"ground_truth": ""}, "extra_info": info, "raw_prompt": messages(PROMPTS[i])}
        arrays = {}
        for key, value in extra.items():
            arrays[key] = np.empty(1, dtype=object)
            arrays[key][0] = value
        return DataProto(batch=batch, non_tensor_batch=arrays)

    def rewards(reward, info):
        config = OmegaConf.create({"reward": {"sandbox_fusion": None, **reward}})
        manager = load_reward_manager(config, Tokenizer())

        async def run():
            manager.loop = asyncio.get_running_loop()
            return [await manager.run_single(row(i, dict(info(i)))) for i in range(8)]

        return asyncio.run(run())

    plain = {"source": "register", "name": "naive"}
    kwargs = {"reward": "raw_for_verl:score", "calibration": FILE, "transform": "exp:10"}
    function = {"path": "pkg://infalign.verl", "name": "compute_score", "reward_kwargs": kwargs}
    answers = rewards({"reward_manager": plain, "custom_reward_function": function}, lambda i: {"prompt_id": PROMPTS[i]})
    assert [a["reward_score"] for a in answers] == EXPECTED.tolist()
    assert [a["reward_extra_info"]["calibrated"] for a in answers] == QUANTILES.tolist()
    own = {"path": "pkg://infalign.verl", "name": "compute_score", "reward_kwargs": {"reward": "raw_for_verl:score", "transform": "exp:10"}}
    answers = rewards({"reward_manager": plain, "custom_reward_function": own}, lambda i: {"reference_rewards": TABLE[i].tolist()})
    double = [infalign.Calibrator(TABLE[i])(RAW[i]) for i in range(8)]  # a row of the data is compared in double precision
    assert [a["reward_extra_info"]["calibrated"] for a in answers] == double

    keyed = str(FOLDER / "keyed.parquet")
    infalign.Calibration.from_rollouts([infalign._reward.prompt_key(messages(p)) for p in PROMPTS], TABLE).save(keyed)
    manager = {"source": "importlib", "name": "CalibratedRewardManager", "module": {"path": "pkg://infalign.verl"}}
    raw = {"path": "pkg://raw_for_verl", "name": "score"}
    settings = {"reward_manager": manager, "custom_reward_function": raw, "infalign": {"calibration": keyed, "transform": "exp:10"}}
    answers = rewards(settings, lambda i: {})
    assert [a["reward_score"] for a in answers] == EXPECTED.tolist()
    return "load_reward_manager: function, reference rewards, manager"


def messages(prompt):
    return [{"role": "user", "content": prompt}]


def swift() -> str:
    import torch
    from swift.rewards import ORM, orms
    from swift.rl_core.data import GRPOSample
    from swift.rl_core.grpo_algorithm import compute_rewards_per_func

    from infalign.swift import calibrated

    class Length(ORM):
        def __call__(self, completions, **columns):
            return [0.3 * len(c) - 1 for c in completions]

    class AsyncLength(ORM):
        async def __call__(self, completions, **columns):
            return [0.3 * len(c) - 1 for c in completions]

    keyed = infalign.Calibration.from_rollouts([infalign._reward.prompt_key(messages(p)) for p in PROMPTS], TABLE)
    orms["calibrated"] = calibrated(Length, keyed, "exp:10")
    orms["calibrated_async"] = calibrated(AsyncLength, keyed, "exp:10")
    samples = [GRPOSample(messages=[*messages(p), {"role": "assistant", "content": r}]) for p, r in zip(PROMPTS, RESPONSES)]
    made = [orms[name](args=None) for name in ("calibrated", "calibrated_async")]
    found = compute_rewards_per_func(samples, made, [None, None], torch.device("cpu"))
    for column in found.T:
        assert (column.numpy() == EXPECTED.astype(np.float32)).all()
    return "compute_rewards_per_func, plain and async"


def axolotl() -> str:
    (FOLDER / "my_rewards.py").write_text(
        "from infalign.axolotl import CalibratedReward\n"
        "def raw(prompts, completions, **columns):\n"
        "    return [0.3 * len(c) - 1 for c in completions]\n"
        f"reward = CalibratedReward(raw, {FILE!r}, 'exp:10')\n"
    )
    source = Path(importlib.util.find_spec("axolotl").submodule_search_locations[0], "core/trainers/grpo/__init__.py").read_text()
    loader = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name == "get_reward_func")
    loader.decorator_list, loader.returns = [], None
    names = {"importlib": importlib, "inspect": inspect}
    exec(textwrap.dedent(ast.unparse(loader)), names)
    reward = names["get_reward_func"](None, "my_rewards.reward")
    assert reward(prompts=PROMPTS, completions=RESPONSES) == EXPECTED.tolist()
    return "get_reward_func"


def main() -> None:
    sys.path.insert(0, str(FOLDER))
    for check in (openrlhf, verl, swift, axolotl):
        name = {"swift": "ms-swift"}.get(check.__name__, check.__name__)
        version = importlib.metadata.version(name)
        print(json.dumps({"package": name, "version": version, "ran": check()}), flush=True)


if __name__ == "__main__":
    main()
