"""Axolotl: its GRPO takes TRL's reward functions by dotted name, so TRL's adapter is Axolotl's.

    # my_rewards.py, on the path
    from infalign.axolotl import CalibratedReward
    reward = CalibratedReward(raw_reward, "calibration.safetensors", "exp:10")

    # config.yaml
    rl: grpo
    trl: {beta: 0.3, scale_rewards: false, reward_funcs: [my_rewards.reward]}
"""

from infalign.trl import CalibratedReward

__all__ = ["CalibratedReward"]
