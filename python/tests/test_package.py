"""The package by itself: shapes, exceptions, files, and that its parts agree with each other."""

import json
import math
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import infalign

RNG = np.random.default_rng(7)


def by_counting(rewards, raw):
    """Mid-rank Ĉ, by its definition."""
    rewards = np.asarray(rewards, np.float32)
    raw = np.float32(raw)
    return ((rewards < raw).sum() + 0.5 * (rewards == raw).sum()) / len(rewards)


@pytest.fixture
def calibration():
    rewards = np.round(RNG.normal(size=(50, 20)), 1)
    return infalign.Calibration.from_rollouts([f"p{i}" for i in range(50)], rewards, base_policy="sft", reward="rm"), rewards


def test_shapes_in_and_out():
    phi = infalign.Transform("exp:-3")
    u = RNG.random((3, 4, 5))
    assert phi(u).shape == u.shape
    assert isinstance(phi(0.5), float)
    assert phi(u[:, ::2].astype(np.float32)).shape == (3, 2, 5)
    assert (phi(np.asfortranarray(u)) == phi(u)).all()
    assert phi([]).shape == (0,)
    assert (infalign.Transform("log")(u, k=[8] * u.size) == infalign.Transform("log")(u, k=8)).all()


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: infalign.Transform("expp:10"), ValueError, "did you mean `exp:10`?"),
        (lambda: infalign.Transform("optimal"), ValueError, "Transform.optimal"),
        (lambda: infalign.Transform("table:x.csv"), ValueError, "Transform.table"),
        (lambda: infalign.Transform("exp:10")([0.5, 1.5]), ValueError, "u[1] = 1.5"),
        (lambda: infalign.Transform("log")([0.5, 0.5], k=[1, 2, 3]), ValueError, "k has 3 values but u has 2"),
        (lambda: infalign.Transform(3), TypeError, ""),
        (lambda: infalign.Procedure("best-of:0"), ValueError, "N of best-of:N = 0 is out of range"),
        (lambda: infalign.design("best-of:4"), ValueError, "give kl=X or beta=B"),
        (lambda: infalign.design("best-of:4", kl=-1.0), ValueError, "KL = -1 is out of range"),
        (lambda: infalign.Calibrator([]), ValueError, "rewards is empty"),
        (lambda: infalign.Calibrator([1.0, math.nan]), ValueError, "rewards[1] = NaN"),
        (lambda: infalign.Calibrator([1.0], rule="midrank"), ValueError, "did you mean `mid-rank`?"),
        (lambda: infalign.Calibration.load("nowhere/calibration.parquet"), FileNotFoundError, "cannot read nowhere"),
        (lambda: infalign.Calibration.load("nowhere/c.safetensors"), FileNotFoundError, "cannot read nowhere"),
        (lambda: infalign.Calibration.from_rollouts(["a", "a"], [[1.0], [2.0]]), ValueError, "was already given"),
        (lambda: infalign.Calibration.from_rollouts(["a"], [[1.0], [2.0]]), ValueError, "prompt_ids has 1 values but rewards has 2"),
        (lambda: infalign.Calibration.from_rollouts(["a"], [[math.inf]]), ValueError, "the reward is infinite"),
        (lambda: infalign.Calibration.from_rollouts([None], [[1.0]]), TypeError, "no prompt id"),
        (lambda: infalign.win_rate([[1.0]], [[1.0]], "best-of:2"), ValueError, "best-of:2 draws 2 responses, but only 1"),
        (lambda: infalign.win_rate([1.0], [[1.0]]), ValueError, "policy has the shape [1]"),
        (lambda: infalign.win_rate([[1.0]], [[1.0], [1.0]]), ValueError, "policy has 1 values but base has 2"),
        (lambda: infalign.evaluate([[1.0]], {}, procedures=["standard"]), ValueError, "policies is empty"),
        (lambda: infalign.evaluate([[1.0]], {"x": [[1.0, 2.0]]}, procedures=["best-of:2"]), ValueError, "best-of:2 selects among 2"),
        (lambda: infalign.evaluate([1.0], {"x": [[1.0]]}, procedures=["standard"]), ValueError, "base: rewards have the shape (1,)"),
        (lambda: infalign.evaluate([[1.0]], {"x": [[1.0]]}, procedures=["voting:x"]), ValueError, "is not a whole number"),
        (lambda: infalign.report("nowhere"), FileNotFoundError, "give the directory of a run"),
    ],
)
def test_mistakes_are_natural_exceptions(call, kind, words):
    with pytest.raises(kind) as raised:
        call()
    assert words in str(raised.value)


def test_quantiles_are_the_definition_in_every_shape(calibration):
    calibration, rewards = calibration
    raw = np.round(RNG.normal(size=(50, 3)), 1)
    expected = [[by_counting(row, r) for r in own] for row, own in zip(rewards, raw)]
    ids = [f"p{i}" for i in range(50)]
    assert (calibration.quantiles(ids, raw) == expected).all()
    assert (calibration.quantiles(np.array(ids), raw[:, 0].astype(np.float32)) == np.array(expected)[:, 0]).all()
    assert (calibration.quantiles("p7", raw) == [[by_counting(rewards[7], r) for r in own] for own in raw]).all()
    assert calibration.quantiles("p7", 0.3) == infalign.Calibrator(rewards[7].astype(np.float32))(np.float32(0.3))
    # A pair's quantile is its own, whatever stands beside it.
    order = RNG.permutation(50)
    assert (calibration.quantiles([ids[i] for i in order], raw[order]) == np.array(expected)[order]).all()
    for rule in ("strict", "plus-one", "interpolated"):
        one = [infalign.Calibrator(rewards[i].astype(np.float32), rule=rule)(np.float32(raw[i, 0])) for i in range(50)]
        assert (calibration.quantiles(ids, raw[:, 0], rule=rule) == one).all()


def test_unknown_prompts(calibration):
    calibration, rewards = calibration
    with pytest.raises(KeyError, match="nobody"):
        calibration.quantiles(["p1", "nobody"], [0.0, 0.0])
    with pytest.raises(KeyError, match="nobody"):
        calibration.k(["nobody"])
    pooled = calibration.quantiles(["p1", "nobody"], [0.5, 0.5], unknown="pooled")
    assert (pooled == [by_counting(rewards[1], 0.5), by_counting(rewards.ravel(), 0.5)]).all()
    assert calibration.k("nobody", unknown="pooled") == rewards.size
    with pytest.raises(ValueError, match="pooled"):
        calibration.quantiles(["p1"], [0.0], unknown="guess")


def test_rollouts_come_wide_ragged_or_long():
    wide = infalign.Calibration.from_rollouts([1, 2], [[3.0, 1.0], [2.0, 2.0]])
    long = infalign.Calibration.from_rollouts([2, 1, 2, 1], [2.0, 3.0, 2.0, 1.0])
    ragged = infalign.Calibration.from_rollouts(np.array(["1", "2"]), [[3.0, 1.0], [2.0]])
    assert wide.prompt_ids == ["1", "2"] and long.prompt_ids == ["2", "1"]
    for each in (wide, long, ragged):
        assert each.rewards("1").tolist() == [1.0, 3.0]
        assert 1 in each and "3" not in each and len(each) == 2
    assert ragged.k(["1", "2"]).tolist() == [2, 1]


def test_both_files_come_back(tmp_path, calibration):
    calibration, rewards = calibration
    for name in ("calibration.parquet", "calibration.safetensors"):
        path = tmp_path / name
        calibration.save(path)
        again = infalign.Calibration.load(path)
        assert (again.base_policy, again.reward, again.sampling) == ("sft", "rm", "")
        assert again.prompt_ids == calibration.prompt_ids
        assert (again.quantiles("p3", rewards) == calibration.quantiles("p3", rewards)).all()
    assert len(infalign.Calibration.load(tmp_path)) == 50  # a run's directory
    (tmp_path / "calibration.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a mapped calibration"):
        infalign.Calibration.load(tmp_path / "calibration.safetensors")
    rows = [{"prompt": f"p{i}", "responses": ["x"] * 20, "rewards": row.tolist()} for i, row in enumerate(rewards)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = infalign.Calibration.from_file(tmp_path / "rows.jsonl")
    assert (table.quantiles("p3", rewards) == calibration.quantiles("p3", rewards)).all()


def test_a_mapped_file_is_a_safetensors_file(tmp_path, calibration):
    calibration, rewards = calibration
    calibration.save(tmp_path / "c.safetensors")
    blob = (tmp_path / "c.safetensors").read_bytes()
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + length])
    start, end = header["rewards"]["data_offsets"]
    mapped = np.frombuffer(blob[8 + length + start : 8 + length + end], np.float32)
    assert (mapped == np.sort(rewards.astype(np.float32), axis=1).ravel()).all()


def test_arrays_are_not_changed_and_results_are_fresh():
    u = np.full(3, 0.5)
    result = infalign.Transform("identity")(u)
    result[0] = 9.0
    assert u.tolist() == [0.5] * 3


def test_a_transform_and_an_optimum():
    optimum = infalign.design("best-of:4", kl=0.5).optimum
    phi = infalign.Transform.optimal("best-of:4", kl=0.5)
    row = infalign.design("best-of:4", kl=0.5, transforms=[phi]).transforms[0]
    assert row.transform == "optimal" == str(phi)
    assert row.win_rate == pytest.approx(optimum.win_rate, abs=1e-9)
    assert optimum.certificate.gap < 1e-12
    table = infalign.Transform.table([0.0, 0.5, 1.0], [0.0, 0.1, 1.0])
    assert table(0.75) == pytest.approx(0.55)
    assert pickle.loads(pickle.dumps(infalign.Transform("exp:10"))) == infalign.Transform("exp:10")
    with pytest.raises(ValueError, match="pickled"):
        pickle.dumps(table)


def test_intervals_without_an_end_are_infinite():
    one = infalign.expected_reward([[1.0, 2.0]], "best-of:2")
    assert (one.mean, one.low, one.high, one.standard_error) == (2.0, -math.inf, math.inf, math.inf)
    assert json.loads(one.to_json())["low"] is None
    assert infalign.Estimate.from_json(one.to_json()) == one
    assert infalign.win_rate([[1.0]], [[0.0]]).high == 1.0


def test_an_evaluation_with_everything_and_its_report(tmp_path):
    shape = (40, 8)
    base = infalign.Samples(rewards=RNG.normal(size=(2, *shape)), lengths=np.full(shape, 12))
    ours = infalign.Samples(
        rewards=RNG.normal(0.4, size=(2, *shape)),
        lengths=RNG.integers(5, 20, shape),
        truncated=RNG.random(shape) < 0.1,
        log_probs=(RNG.normal(-20, size=shape), RNG.normal(-20.3, size=shape), np.full(shape, 0.3)),
        transform="exp:10",
        procedure="best-of:4",
        kl=0.5,
    )
    result = infalign.evaluate(
        base,
        {"raw": infalign.Samples(rewards=RNG.normal(size=(2, *shape)), transform="raw"), "ours": ours},
        procedures=["standard", "best-of:4"],
        judges=["proxy", "gold"],
        thresholds={"proxy": 0.0},
    )
    assert [p.name for p in result.policies] == ["raw", "ours"]
    ours = result.policies[1]
    assert ours.kl.rao_blackwell.mean == pytest.approx(0.3)
    assert [(w.procedure, w.judge) for w in ours.win_rates][0] == ("standard", "proxy")
    alone = infalign.win_rate(*(np.float32(x) for x in (RNG.normal(size=shape), RNG.normal(size=shape))), "best-of:4")
    assert 0 <= alone.low < alone.mean < alone.high <= 1
    page = infalign.report(result, tmp_path / "r.html", designs=[infalign.design("best-of:4", kl=0.5, frontier=True)])
    assert page.read_text().count("<svg") > 3
    assert infalign.Evaluation.from_json(result.to_json()) == result


def test_the_results_are_those_of_the_schemas():
    tools = Path(__file__).resolve().parents[1] / "tools"
    sys.path.insert(0, str(tools))
    try:
        import make_results
    finally:
        sys.path.remove(str(tools))
    assert make_results.TARGET.read_text() == make_results.made(), "run python/tools/make_results.py"
