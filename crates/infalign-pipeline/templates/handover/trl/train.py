"""Trains `{{ t.weights }}` with TRL's RLOO on {{ t.what }}. Run: python train.py --config config.yaml

The rewards come from `infalign serve`, so they are the program's to the last digit. Written by `infalign run`; change what you like.
"""

from dataclasses import dataclass

from datasets import load_dataset
from infalign.service import ServedReward
from trl import RLOOConfig, RLOOTrainer, TrlParser


@dataclass
class Task:
    """What config.yaml says beside TRL's own settings."""

    model: str
    prompts: str
    service: str


def main() -> None:
    task, settings = TrlParser((Task, RLOOConfig)).parse_args_and_config()
    trainer = RLOOTrainer(
        model=task.model,
        args=settings,
        reward_funcs=ServedReward(task.service),
        train_dataset=load_dataset("json", data_files=task.prompts, split="train"),
    )
    trainer.train()
    trainer.save_model(settings.output_dir)
    trainer.processing_class.save_pretrained(settings.output_dir)


if __name__ == "__main__":
    main()
