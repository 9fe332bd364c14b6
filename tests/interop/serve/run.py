"""OpenRLHF and verl ask a reward service by their own HTTP clients; what they get is what the package computes. See run.sh.

| package | what runs here |
|---|---|
| OpenRLHF | its `SingleTurnAgentExecutor`, 256 samples at once, each a request and a connection of its own |
| verl | its `RewardLoopWorker.compute_score_disrm`, for `vllm` and for `sglang` |

The service is `serve_load service`: prompts p0 to p999, each with the rewards 0, 10, …, 630; the raw reward is a response's length; Φ the identity.
"""

import asyncio
import importlib.metadata
import json
import subprocess
import sys

import infalign

ROLLOUTS = [10.0 * k for k in range(64)]
LENGTHS = [(37 * i) % 700 for i in range(256)]
EXPECTED = infalign.Calibration.from_rollouts(["p"], [ROLLOUTS]).quantiles(["p"] * 256, [float(n) for n in LENGTHS]).tolist()


def openrlhf(address: str) -> str:
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    executor = SingleTurnAgentExecutor(f"http://{address}/get_reward")

    async def ask(i: int) -> dict:
        prompt = f"<|im_start|>user\nQuestion {i}<|im_end|>\n<|im_start|>assistant\n"
        query = prompt + "x" * LENGTHS[i] + "<|im_end|>"
        (answer,) = await executor._fetch_rewards_via_http([query], [prompt], [f"p{i}"])
        return answer

    async def run() -> list:
        return await asyncio.gather(*[ask(i) for i in range(256)])

    answers = asyncio.run(run())
    assert [a["rewards"] for a in answers] == [[u] for u in EXPECTED]
    assert [a["scores"] for a in answers] == [[u] for u in EXPECTED]
    assert [a["extra_logs"]["raw"] for a in answers] == [[float(n)] for n in LENGTHS]
    return "SingleTurnAgentExecutor over HTTP"


def verl(address: str) -> str:
    import numpy as np
    import torch
    from omegaconf import OmegaConf
    from tensordict import TensorDict
    from verl import DataProto
    from verl.experimental.reward_loop.reward_loop import RewardLoopWorker

    class Tokenizer:
        """One token is one letter; the template puts the turns end to end, a line each."""

        eos_token, bos_token = "</s>", "<s>"

        def decode(self, ids):
            return "x" * len(ids) + "</s>"

        def apply_chat_template(self, chat, add_generation_prompt, tokenize):
            assert not add_generation_prompt and not tokenize
            return "<s>" + "\n".join(turn["content"] for turn in chat)

    def row(i: int) -> DataProto:
        n = LENGTHS[i]
        mask = torch.cat([torch.ones(1, 3, dtype=torch.long), (torch.arange(700) < n).long()[None]], dim=1)
        batch = TensorDict({"responses": torch.ones(1, 700, dtype=torch.long), "attention_mask": mask}, batch_size=1)
        prompt = np.empty(1, dtype=object)
        prompt[0] = [{"role": "user", "content": f"p{i}"}]
        return DataProto(batch=batch, non_tensor_batch={"raw_prompt": prompt})

    for engine in ("vllm", "sglang"):
        worker = RewardLoopWorker.__new__(RewardLoopWorker)
        worker.config = OmegaConf.create({"reward": {"reward_model": {"rollout": {"name": engine}, "model_path": "m"}}})
        worker.reward_router_address = address
        worker.input_tokenizer = worker.reward_model_tokenizer = Tokenizer()

        async def run() -> list:
            return await asyncio.gather(*[worker.compute_score_disrm(row(i)) for i in range(64)])

        answers = asyncio.run(run())
        # Without a file of prompts the line break of the template belongs to the response.
        expected = infalign.Calibration.from_rollouts(["p"], [ROLLOUTS]).quantiles(["p"] * 64, [n + 1.0 for n in LENGTHS[:64]])
        assert [a["reward_score"] for a in answers] == expected.tolist(), engine
    return "RewardLoopWorker.compute_score_disrm: vllm, sglang"


def main() -> None:
    service = subprocess.Popen([sys.argv[1], "service"], stdout=subprocess.PIPE, text=True)
    try:
        address = service.stdout.readline().strip()
        for check in (openrlhf, verl):
            version = importlib.metadata.version(check.__name__)
            print(json.dumps({"package": check.__name__, "version": version, "ran": check(address)}), flush=True)
    finally:
        service.kill()


if __name__ == "__main__":
    main()
