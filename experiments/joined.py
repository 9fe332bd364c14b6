"""Means over seeds with intervals over prompts and seeds, as every page of experiments tells them.

The standard error joins what prompts and what seeds leave open: se^2 = mean over seeds of se^2 over prompts + variance over seeds / seeds; the prompts' share
does not shrink with the seeds, because all seeds are measured on the same prompts. 95% intervals are +-1.96 se.
"""

import math
import statistics


def joined(estimates):
    """Mean and half a 95% interval over prompts and seeds."""
    means = [e["mean"] for e in estimates]
    of_prompts = statistics.fmean(e["standard_error"] ** 2 for e in estimates)
    of_seeds = statistics.variance(means) / len(means) if len(means) > 1 else 0.0
    return {"mean": statistics.fmean(means), "half": 1.96 * math.sqrt(of_prompts + of_seeds), "seeds": means}


def percent(e):
    return f"{100 * e['mean']:.1f} ± {100 * e['half']:.1f}"
