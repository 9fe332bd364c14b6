"""ms-swift's plugin of experiments/tavern/trainers.py: the proxy of a run, calibrated by the run's table and transformed.

INFALIGN_RUN is the run's folder, INFALIGN_TRANSFORM the reward: `raw` leaves the proxy as it is.
"""

import os
from pathlib import Path

import torch
from infalign.swift import calibrated
from swift.rewards import ORM, orms
from transformers import AutoModelForSequenceClassification, AutoTokenizer

RUN = Path(os.environ["INFALIGN_RUN"])
TRANSFORM = os.environ["INFALIGN_TRANSFORM"]


class Proxy(ORM):
    """The reward model's score of a prompt's tokens followed by a response's, as the program asks it."""

    def __init__(self, args=None, **further):
        super().__init__(args, **further)
        self.tokenizer = AutoTokenizer.from_pretrained(RUN / "reward-model")
        self.model = AutoModelForSequenceClassification.from_pretrained(RUN / "reward-model").eval()

    def __call__(self, completions, messages, **columns):
        texts = [[turn["content"] for turn in turns if turn["role"] == "user"][-1] for turns in messages]
        rows = [self.tokenizer(text)["input_ids"] + self.tokenizer(response)["input_ids"] for text, response in zip(texts, completions)]
        batch = self.tokenizer.pad({"input_ids": rows}, padding_side="right", return_tensors="pt")
        with torch.no_grad():
            return self.model(**batch).logits[:, 0].tolist()


orms["calibrated"] = Proxy if TRANSFORM == "raw" else calibrated(Proxy, str(RUN), TRANSFORM, id_column="name")
