"""The typed results: what the program prints as JSON, as frozen dataclasses. Made by tools/make_results.py from its JSON Schemas.

`to_json()` gives back the JSON. An unbounded end of an interval is ±inf here and null there. A warning is a dictionary with its `kind`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infalign._record import Record


@dataclass(frozen=True, kw_only=True)
class TransformRow(Record):
    """A transform at the requested KL (or β)."""

    transform: str
    """The transform, as typed: `exp:10`; `raw` for ordinary raw-reward RLHF."""

    beta: float
    """Price of KL at which the transform spends `kl`."""

    kl: float
    """KL(π‖p) in nats."""

    win_rate: float
    """Inference-time win rate `W^T`, in [0,1]."""

    standard_win_rate: float
    """Win rate of one plain sample, in [0,1]."""

    share_of_optimum: float
    """`(W − ½)/(W* − ½)` at a KL budget; at a fixed β, where KLs differ, the same of `W − β KL`."""

    at_k: AtK | None = None
    """The same with Ĉ from K rollouts in place of C (with `--k`; not for `raw`)."""


@dataclass(frozen=True, kw_only=True)
class AtK(Record):
    """What calibrating from K rollouts leaves of a design, when the same KL is spent."""

    beta: float
    """Price of KL to train with, so that Φ(Ĉ) spends the budget."""

    kl: float
    """KL(π‖p) in nats, expected over calibration tables."""

    win_rate: float
    """Inference-time win rate, expected over calibration tables."""

    standard_win_rate: float
    """Standard win rate, expected over calibration tables."""

    loss: float
    """Win rate lost against perfect calibration at the same KL."""

    kl_at_ideal_beta: float
    """What the β of perfect calibration would spend at this K."""

    enough: int | None = None
    """The smallest K that keeps the loss within 0.01, if one up to 4096 does."""


@dataclass(frozen=True, kw_only=True)
class OptimumRow(Record):
    """The coupled optimum."""

    beta: float
    """Price of KL."""

    kl: float
    """KL(π‖p) in nats."""

    win_rate: float
    """Inference-time win rate."""

    standard_win_rate: float
    """Standard win rate."""

    certificate: Certificate
    """Why it is believed."""


@dataclass(frozen=True, kw_only=True)
class Certificate(Record):
    """Evidence of optimality."""

    gap: float | None = None
    """`J* − J ≤ gap`, J = W − β KL, where the problem is concave: in the density (best-of-N) or in the quantile
    function (worst-of-N); None where neither is known."""

    stationarity: float
    """Largest deviation of log f from `Φ_f/β − log Z`, weighted by f: zero at a stationary point."""

    starts: int
    """Starting points tried."""

    agreeing: int
    """How many of them reached the best objective within 1e-9."""


@dataclass(frozen=True, kw_only=True)
class Point(Record):
    """A point of a frontier curve."""

    transform: str
    """The transform, `raw`, `optimum`, or the procedure for the base's own point."""

    beta: float | None = None
    """Price of KL; absent for the base's own point."""

    kl: float
    """KL in nats."""

    win_rate: float
    """Inference-time win rate."""

    standard_win_rate: float
    """Standard win rate."""


@dataclass(frozen=True, kw_only=True)
class Recommended(Record):
    """The transform that training should use."""

    transform: str
    """The transform, as typed."""

    beta: float
    """Its price of KL."""

    kl: float
    """Its KL in nats."""

    win_rate: float
    """Its inference-time win rate."""

    standard_win_rate: float
    """Its standard win rate."""

    reason: str
    """One sentence."""


@dataclass(frozen=True, kw_only=True)
class PhiPoint(Record):
    """Φ at one quantile, both scaled to [0,1] over the grid."""

    u: float
    """Quantile."""

    optimum: float
    """Φ* of the coupled optimum, scaled to [0,1]."""

    recommended: float
    """The recommended Φ, scaled to [0,1]."""


@dataclass(frozen=True, kw_only=True)
class Design(Record):
    """What `infalign design` answers. Serialises to the documented, stable JSON."""

    procedure: str
    """The procedure, as typed: `best-of:4`."""

    kl: float
    """KL budget in nats: as asked, or the optimum's at the β asked for."""

    k: int | None = None
    """Rollouts per prompt of the calibration, when given."""

    transforms: tuple[TransformRow, ...] = ()
    """One row per transform, best first: by inference-time win rate, or by `W − β KL` when β was asked."""

    optimum: OptimumRow
    """The coupled optimum at this budget."""

    base_procedure: Point
    """The procedure applied to the base policy itself, taken as a policy: `N/(N+1)` for best-of-N."""

    recommended: Recommended
    """The transform to train with."""

    points: tuple[Point, ...] = ()
    """The frontier (with `--frontier`): every transform and `optimum` at ≥ 60 KLs."""

    phi: tuple[PhiPoint, ...] = ()
    """Φ* beside the recommended Φ on a grid of u (with `--frontier` or a plot)."""

    warnings: tuple[dict[str, Any], ...] = ()
    """Caveats."""


@dataclass(frozen=True, kw_only=True)
class Judge(Record):
    """A reward that decides wins."""

    name: str
    """The reward's name."""

    training: bool
    """Whether policies were trained on it (or on its calibration)."""

    threshold: float | None = None
    """Raw rewards below this count as an attack's success, where one was set."""


@dataclass(frozen=True, kw_only=True)
class Behaviour(Record):
    """What a policy does by itself, without an opponent."""

    rewards: tuple[MeanReward, ...] = ()
    """Mean raw reward of one plain response, one entry per judge."""

    length: Estimate
    """Length of a response in tokens."""

    truncated: Estimate
    """Share of responses that were cut at the token limit, in [0,1]."""

    attacks: tuple[AttackSuccess, ...] = ()
    """One entry per judge with a threshold."""


@dataclass(frozen=True, kw_only=True)
class MeanReward(Record):
    """Mean raw reward by one judge."""

    judge: str
    """The judge."""

    reward: Estimate
    """In the judge's own unit."""


@dataclass(frozen=True, kw_only=True)
class Estimate(Record):
    """A mean over prompts (the independent unit) with its uncertainty."""

    mean: float
    """Mean over prompts."""

    standard_error: float
    """Standard error of the mean, over prompts; ∞ (`null` in JSON) for a single prompt."""

    low: float
    """Lower end of the 95% interval; −∞ (`null` in JSON) when unbounded."""

    high: float
    """Upper end of the 95% interval; ∞ (`null` in JSON) when unbounded."""

    prompts: int
    """Number of prompts."""


@dataclass(frozen=True, kw_only=True)
class AttackSuccess(Record):
    """Attack success against the number of attempts, by one judge."""

    judge: str
    """The judge."""

    threshold: float
    """Raw rewards below this are a success of the attack."""

    points: tuple[AttackPoint, ...] = ()
    """N = 1, 2, 4, … up to the number of responses per prompt."""


@dataclass(frozen=True, kw_only=True)
class AttackPoint(Record):
    """One number of attempts."""

    n: int
    """Attempts N."""

    success: Estimate
    """Chance that the worst of N responses is below the threshold: 1 − C(m−c, N)/C(m, N) for c of m responses below it,
    in [0,1]."""


@dataclass(frozen=True, kw_only=True)
class PolicyResult(Record):
    """One policy, measured."""

    name: str
    """The policy's name: unique in the evaluation."""

    reward: str
    """What it was trained on: `raw`, or a transform as typed, such as `identity`, `exp:10`, `optimal`."""

    designed_for: str | None = None
    """The procedure that the reward was designed for, as typed."""

    seed: int | None = None
    """Seed of its training."""

    kl_budget: float | None = None
    """KL that training was asked to spend, in nats."""

    beta: float | None = None
    """Price of KL at the end of training."""

    kl: SequenceKl | None = None
    """KL(π‖p) per sequence in nats, where log-probabilities were recorded: exact per position (`rao_blackwell`, the
    figure to use), and k1 and k3 for comparison with other tools."""

    quantile_kl: Estimate
    """KL of the law of u under the policy against the uniform law, in nats: what of the KL went into the training
    reward. Of the law averaged over prompts, hence a lower bound."""

    kl_efficiency: Estimate | None = None
    """`quantile_kl` over the sequence KL, in [0,1] up to noise; absent without log-probabilities or where no KL was
    spent."""

    kl_efficiency_ceiling: float | None = None
    """What `kl_efficiency` comes to for a policy that does exactly what it was trained for, at the measured KL: below 1
    because u is seen as a rank among the base's fresh responses, in cells, as one law for all prompts, and because a
    table of K rollouts turns some KL into its own noise. Compare `kl_efficiency` with this."""

    win_rates: tuple[WinRate, ...] = ()
    """One entry per procedure × judge, against the base under the same procedure."""

    law: LawOfU
    """Where the policy's responses lie among the base's, by the training reward."""

    behaviour: Behaviour
    """Rewards, lengths, attacks."""

    gap: tuple[Gap, ...] = ()
    """The distance to the optimum at the KL budget, one entry per procedure for which there is a prediction."""


@dataclass(frozen=True, kw_only=True)
class SequenceKl(Record):
    """KL(π‖p) per sequence in nats, over prompts."""

    k1: Estimate
    """Mean log-ratio."""

    k3: Estimate
    """Mean of e^{−k1} − 1 + k1."""

    rao_blackwell: Estimate | None = None
    """Mean of the exact per-position KLs, summed over positions, where these were given."""

    log_probs_of: str
    """Whether the log-probabilities are those of the sampler."""


@dataclass(frozen=True, kw_only=True)
class WinRate(Record):
    """A policy's inference-time win rate under one procedure, by one judge."""

    procedure: str
    """The procedure on both sides, as typed. It selects by the training reward."""

    judge: str
    """Who decides which of the two selected responses wins."""

    win_rate: Estimate
    """W^T, unbiased, in [0,1]."""

    predicted: float | None = None
    """What the theory says of this reward at the KL budget; for the training reward only."""

    predicted_at_measured_kl: float | None = None
    """What the theory says of this reward at the measured sequence KL; for the training reward only."""

    optimum: float | None = None
    """The most that any policy wins with the measured sequence KL; for the training reward only."""


@dataclass(frozen=True, kw_only=True)
class LawOfU(Record):
    """A histogram of the calibrated reward u, as a density: 1 everywhere for the base."""

    edges: tuple[float, ...] = ()
    """Edges of the B cells: B + 1 values from 0 to 1."""

    density: tuple[float, ...] = ()
    """Mean density in each cell, over prompts; B values with mean 1."""

    standard_error: tuple[float | None, ...] = ()
    """Standard error of each, over prompts; ∞ (`null` in JSON) for a single prompt."""

    target: tuple[float, ...] | None = None
    """What training aimed at, f = e^{Φ/β}/Z at the KL budget, averaged over each cell; for `raw`, from the calibration
    table."""

    expected: tuple[float, ...] | None = None
    """What a policy that does exactly what it was trained for shows in this histogram: `target` with Ĉ from K rollouts
    in place of C, blurred because u is a rank among so many fresh responses of the base. The curve to compare `density`
    with."""


@dataclass(frozen=True, kw_only=True)
class Gap(Record):
    """Distance of a policy's win rate to the optimum's at the KL budget, in win rate (0.01 is a point), in five terms
    that sum to the whole. With B the budget, s the measured sequence KL, q the part of s that went into the reward's
    quantiles (`quantile_kl` over `kl_efficiency_ceiling`, at most s), W* the optimum, V the prediction of this reward
    with perfect calibration, P its prediction as calibrated, and W the measured win rate by the training reward. A term
    may be negative."""

    procedure: str
    """The procedure, as typed."""

    basis: str
    """What V and P are computed from."""

    optimum: float
    """W*(B): the most that any policy wins with the budget."""

    predicted: float
    """P(B): what this reward was expected to win."""

    predicted_at_measured_kl: float
    """P(s): what it was expected to win with the KL that was spent."""

    measured: float
    """W, measured."""

    transform: float
    """W*(B) − V(B): the reward is not the optimal one for this procedure."""

    calibration: float
    """V(B) − P(B): Ĉ from K rollouts in place of C, and ties of the reward, which no calibration can part. 0 for `raw`."""

    kl_missed: float
    """P(B) − P(s): more or less KL was spent than asked for."""

    kl_wasted: float
    """P(s) − P(q): KL that went elsewhere than into the reward's quantiles. At least 0, as P rises with KL."""

    shape: float
    """P(q) − W: as much useful KL as this, but a law of u of another shape than the target's."""

    total: Estimate
    """W*(B) − W, with the uncertainty of W: the sum of the five terms."""


@dataclass(frozen=True, kw_only=True)
class Comparison(Record):
    """How much more often `left` beats the base than `right` does."""

    left: str
    """A policy."""

    right: str
    """Another one."""

    procedure: str
    """The procedure, as typed."""

    judge: str
    """Who decides."""

    difference: Estimate
    """W^T(left) − W^T(right), paired by prompt: both are measured against the same responses of the base."""


@dataclass(frozen=True, kw_only=True)
class Duel(Record):
    """Two policies against each other, each under the procedure."""

    left: str
    """A policy."""

    right: str
    """Its opponent."""

    procedure: str
    """The procedure on both sides, as typed."""

    judge: str
    """Who decides."""

    win_rate: Estimate
    """How often left's selected response beats right's, ties half; in [0,1]."""


@dataclass(frozen=True, kw_only=True)
class Pairwise(Record):
    """A policy against the base, each under the procedure, by a judge that compares the two selected responses in both
    orders."""

    policy: str
    """The policy."""

    procedure: str
    """The procedure on both sides, as typed. It selects by the training reward."""

    judge: str
    """Who compares."""

    win_rate: Estimate | None = None
    """How often the policy's selected response beats the base's, ties and inconsistent pairs half; in [0,1]. Absent
    where no pair has a verdict."""

    pairs: int
    """Pairs of responses. The five counts below add up to it."""

    wins: int
    """The policy's response is better, in both orders."""

    losses: int
    """The base's is, in both orders."""

    ties: int
    """Neither is, in both orders; equal texts are so unasked."""

    inconsistent: int
    """Another verdict in the other order: many of them tell of a judge that goes by position."""

    unparsed: int
    """No verdict in one order at least."""

    left_out: int
    """Prompts of which no pair has a verdict: they are left out of the win rate."""


@dataclass(frozen=True, kw_only=True)
class CalibrationDiagnostics(Record):
    """A calibration table against fresh responses of the base."""

    prompts: int
    """Prompts in both the table and the fresh responses."""

    k: Rollouts
    """Rollouts per prompt of the table."""

    held_out: int
    """Fresh responses per prompt."""

    pit: Pit
    """Histogram of Ĉ of one fresh response per prompt, ties broken at random, with the tests that need independent
    values: χ² and Kolmogorov–Smirnov."""

    law: LawOfU
    """The same histogram of all fresh responses, with standard errors over prompts: the smoother picture."""

    error: CalibrationError | None = None
    """Does a response of calibrated reward u beat the base with probability u? Over disjoint pairs of fresh responses.
    Absent with fewer than two per prompt."""

    spread: Spread
    """How the spread of raw rewards differs between prompts: what makes `raw` spend its KL unevenly."""

    tie_share: float
    """Share of pairs of rewards of one prompt that are equal, in [0,1]."""

    flat_prompts: int
    """Prompts whose rewards are all equal: nothing can be learnt from them."""

    needed_k: tuple[NeededK, ...] = ()
    """The rollouts that each design needs."""


@dataclass(frozen=True, kw_only=True)
class Rollouts(Record):
    """Rollouts per prompt."""

    fewest: int
    """The fewest of a prompt."""

    median: int
    """The median over prompts."""

    most: int
    """The most of a prompt."""


@dataclass(frozen=True, kw_only=True)
class Pit(Record):
    """How far calibrated rewards of the base are from uniform."""

    counts: tuple[int, ...] = ()
    """Values in each cell."""

    expected: tuple[float, ...] = ()
    """Values expected in each cell under exact calibration."""

    chi_squared: float
    """χ² statistic."""

    degrees_of_freedom: int
    """Its degrees of freedom, B − 1."""

    chi_squared_p: float
    """P(χ² at least this large) under exact calibration."""

    kolmogorov_smirnov: float
    """Kolmogorov–Smirnov statistic D."""

    kolmogorov_smirnov_p: float
    """P(D at least this large) under exact calibration."""

    warnings: tuple[dict[str, Any], ...] = ()
    """Caveats."""


@dataclass(frozen=True, kw_only=True)
class CalibrationError(Record):
    """Predictions against outcomes."""

    expected: float
    """Expected calibration error, in [0,1]."""

    maximum: float
    """The largest error of a cell, in [0,1]."""

    floor: float
    """What exact calibration would show on average in a sample of this size."""

    cells: tuple[ReliabilityCell, ...] = ()
    """The cells that hold predictions, in ascending order: a reliability diagram."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityCell(Record):
    """One cell of a reliability diagram."""

    predicted: float
    """Mean prediction."""

    observed: float
    """Mean outcome."""

    count: int
    """Number of predictions."""


@dataclass(frozen=True, kw_only=True)
class Spread(Record):
    """Quantiles over prompts of the standard deviation of a prompt's raw rewards."""

    levels: tuple[float, ...] = ()
    """Levels: 0 (the least), 0.1, 0.25, 0.5, 0.75, 0.9, 1 (the most)."""

    values: tuple[float, ...] = ()
    """The quantile at each, in units of the raw reward."""


@dataclass(frozen=True, kw_only=True)
class NeededK(Record):
    """The rollouts per prompt that a transform needs for a procedure at a KL."""

    transform: str
    """The transform, as typed."""

    procedure: str
    """The procedure, as typed."""

    kl: float
    """KL budget in nats."""

    k: int | None = None
    """The smallest K that costs less than `wanted` in win rate, if one up to 4096 does."""

    wanted: float
    """The cost that is taken as acceptable."""

    cost: float | None = None
    """Win rate that the table's median K costs; absent where that K cannot spend the KL."""


@dataclass(frozen=True, kw_only=True)
class Evaluation(Record):
    """The result of `infalign evaluate`. Serialises to the documented `results.json`."""

    base: str
    """Name of the base policy."""

    prompts: int
    """Held-out prompts."""

    samples: int
    """Fresh responses per prompt of each policy; the fewest where policies differ."""

    base_samples: int
    """Fresh responses per prompt of the base."""

    seed: int
    """The seed of the evaluation."""

    judges: tuple[Judge, ...] = ()
    """Who decides wins; the first is the training reward, by which procedures select."""

    procedures: tuple[str, ...] = ()
    """Procedures of deployment, as typed."""

    base_behaviour: Behaviour
    """What the base does by itself."""

    policies: tuple[PolicyResult, ...] = ()
    """One entry per policy."""

    comparisons: tuple[Comparison, ...] = ()
    """Differences between policies, paired by prompt."""

    duels: tuple[Duel, ...] = ()
    """Policies directly against each other, where that was asked for."""

    pairwise: tuple[Pairwise, ...] = ()
    """Policies against the base by judges that compare two texts, where such were asked."""

    diagnostics: CalibrationDiagnostics | None = None
    """How good the calibration is, where a calibration table was given."""

    warnings: tuple[dict[str, Any], ...] = ()
    """Caveats."""
