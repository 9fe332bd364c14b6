"""Inference-aware alignment from Python: calibrate a reward, transform it, measure best-of-N.

>>> import infalign
>>> design = infalign.design("best-of:4", kl=0.5)
>>> design.recommended.transform, round(design.recommended.beta, 4)
('exp:10', 0.3184)

A calibration is K raw rewards of the base policy per prompt; a response's calibrated reward is its quantile among them, and training
gets Φ of that:

>>> calibration = infalign.Calibration.from_rollouts(["p1", "p2"], [[0.1, 0.4, 0.2, 0.9], [5.0, 7.0, 6.0, 6.0]])
>>> u = calibration.quantiles(["p1", "p2"], [0.3, 6.0])
>>> u
array([0.5, 0.5])
>>> infalign.Transform("exp:10")(u)
array([0.00669285, 0.00669285])

The names of procedures and transforms are the program's. Rewards are kept in single precision, as in the program's files; everything
else is computed in double precision by the same code, so that values are equal to the last digit. Adapters for trainers:
`infalign.trl`, `infalign.openrlhf`, `infalign.verl`, `infalign.swift`, `infalign.axolotl`; for clusters: `infalign.ray`; with a running
`infalign serve`: `infalign.service`.
"""

from infalign._api import design, design_plot, evaluate, expected_reward, report, win_rate, win_rate_difference
from infalign._native import Calibration, Calibrator, Procedure, Transform
from infalign._samples import Samples
from infalign.results import Design, Estimate, Evaluation

__all__ = [
    "Calibration",
    "Calibrator",
    "Design",
    "Estimate",
    "Evaluation",
    "Procedure",
    "Samples",
    "Transform",
    "design",
    "design_plot",
    "evaluate",
    "expected_reward",
    "report",
    "win_rate",
    "win_rate_difference",
]
