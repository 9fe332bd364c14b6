"""The package's answers are the program's, to the last digit. Needs the program: INFALIGN_PROGRAM=target/release/infalign."""

import json
import os
import subprocess

import numpy as np
import pytest

import infalign

PROGRAM = os.environ.get("INFALIGN_PROGRAM")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="INFALIGN_PROGRAM=target/release/infalign python -m pytest python/tests runs it")


def program(*arguments, check=True):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=check)
    return done.stdout if check else done.stderr


def without_nulls(value):
    """JSON as the program writes it, which leaves out what is not there."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None and item != []}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        (["best-of:4", "--kl", "0.5"], {"kl": 0.5}),
        (["worst-of:4", "--kl", "0.5", "--k", "32"], {"kl": 0.5, "k": 32}),
        (["best-of:4", "--beta", "0.3", "--transforms", "exp:10,log"], {"beta": 0.3, "transforms": ["exp:10", "log"]}),
        (["best-of:8", "--kl", "0.5", "--levels", "0.7,0.3"], {"kl": 0.5, "levels": [0.7, 0.3]}),
        (["best-of:2", "--kl", "0.2", "--frontier"], {"kl": 0.2, "frontier": True}),
    ],
)
def test_designs(arguments, keywords):
    theirs = json.loads(program("design", "--procedure", *arguments, "--format", "json"))
    ours = json.loads(infalign.design(arguments[0], **keywords).to_json())
    assert without_nulls(ours) == without_nulls(theirs)


def test_the_row_of_raw_rewards(tmp_path):
    rewards = np.random.default_rng(1).normal(size=(30, 25))
    calibration = infalign.Calibration.from_rollouts([str(i) for i in range(30)], rewards)
    path = tmp_path / "calibration.parquet"
    calibration.save(path)
    theirs = json.loads(program("design", "--procedure", "best-of:4", "--kl", "0.5", "--calibration", str(path), "--format", "json"))
    ours = json.loads(infalign.design("best-of:4", kl=0.5, calibration=calibration).to_json())
    assert "raw" in [row["transform"] for row in ours["transforms"]]
    assert without_nulls(ours) == without_nulls(theirs)


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["--procedure", "best-off:4", "--kl", "0.5"], lambda: infalign.design("best-off:4", kl=0.5)),
        (["--procedure", "best-of:4", "--kl", "99"], lambda: infalign.design("best-of:4", kl=99)),
        (["--procedure", "best-of:4", "--kl", "1", "--transforms", "exp:x"], lambda: infalign.design("best-of:4", kl=1, transforms=["exp:x"])),
        (["--procedure", "best-of:4", "--kl", "1", "--k", "0"], lambda: infalign.design("best-of:4", kl=1, k=0)),
    ],
)
def test_errors_have_the_programs_words(arguments, call):
    with pytest.raises(ValueError) as raised:
        call()
    said = " ".join(program("design", *arguments, check=False).split())
    assert " ".join(str(raised.value).split()) in said


def test_a_run_is_read_like_the_program_reads_it(tmp_path):
    """INFALIGN_RUN names the directory of a finished run: its calibration, its designs and its page."""
    run = os.environ.get("INFALIGN_RUN")
    if not run:
        pytest.skip("INFALIGN_RUN names no run")
    record = json.loads(open(os.path.join(run, "report.json")).read())
    evaluation = infalign.Evaluation.from_dict(record["evaluation"])
    assert without_nulls(json.loads(evaluation.to_json())) == without_nulls(record["evaluation"])
    program("report", run, "--out", str(tmp_path / "theirs.html"))
    infalign.report(run, tmp_path / "ours.html")
    assert (tmp_path / "ours.html").read_bytes() == (tmp_path / "theirs.html").read_bytes()
    assert len(infalign.Calibration.load(run)) > 0
