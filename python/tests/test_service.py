"""`infalign.service` against a small server in the service's shapes, and against the program where it is named by INFALIGN_PROGRAM."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import infalign
from infalign.service import ServedReward, ServiceError, ask, compute_score


@contextmanager
def serving(answer: Callable[[dict[str, Any]], tuple[int, Any]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, page = answer(body | {"_token": self.headers.get("Authorization")})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def lengths(body: dict[str, Any]) -> tuple[int, Any]:
    raw = [float(len(text)) for text in body["responses"]]
    return 200, {"raw": raw, "calibrated": [r / 10 for r in raw], "transformed": [r / 100 for r in raw]}


def test_a_trainer_gets_the_transformed_reward_and_logs_three_forms() -> None:
    logged: dict[str, Any] = {}
    with serving(lengths) as url:
        reward = ServedReward(url)
        completions = ["ab", [{"role": "assistant", "content": "abcd"}]]
        found = reward(prompts=["p", "q"], completions=completions, prompt_id=["1", "2"], log_extra=logged.__setitem__, log_metric=logged.__setitem__)
        assert found == [0.02, 0.04]
        assert compute_score("d", "abc", None, {"prompt_id": "1"}, url=url) == {"score": 0.03, "raw": 3.0, "calibrated": 0.3}
    assert logged["served_reward_calibrated"] == [0.2, 0.4]
    assert logged["infalign/served_reward_raw"] == 3.0
    with pytest.raises(ValueError, match="neither `prompt_id` nor `index`"):
        compute_score("d", "abc", None, {}, url=url)


def test_a_refusal_says_why_and_a_busy_service_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("INFALIGN_SERVE_TOKEN", "secret")
    busy = iter([503, 429])
    seen: list[str] = []

    def answer(body: dict[str, Any]) -> tuple[int, Any]:
        seen.append(body["_token"])
        status = next(busy, None)
        return lengths(body) if status is None else (status, {"error": {"message": "busy"}})

    with serving(answer) as url:
        assert ask(url, responses=["a"], prompt_ids=["1"]).raw.tolist() == [1.0]
    assert seen == ["Bearer secret"] * 3
    with serving(lambda _: (422, {"error": {"message": "prompt `x` was never calibrated"}})) as url:
        with pytest.raises(ServiceError, match="422: prompt `x` was never calibrated"):
            ask(url, responses=["a"], prompt_ids=["x"])
    with pytest.raises(ServiceError, match="is `infalign serve` running there"):
        ask(url, responses=["a"], prompt_ids=["x"], tries=1, timeout=2)


@pytest.mark.skipif("INFALIGN_PROGRAM" not in os.environ, reason="INFALIGN_PROGRAM=target/release/infalign python -m pytest python/tests runs it")
def test_the_program_serves_what_the_package_computes(tmp_path: Path) -> None:
    calibration = infalign.Calibration.from_rollouts(["1", "2"], [[1.0, 4.0, 2.0, 9.0], [5.0, 7.0, 6.0, 6.0]])
    calibration.save(tmp_path / "c.safetensors")
    command = [os.environ["INFALIGN_PROGRAM"], "serve", "--calibration", str(tmp_path / "c.safetensors"), "--transform", "exp:10"]
    with subprocess.Popen([*command, "--reward", "length", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stderr is not None
            found = next(filter(None, (re.search(r"http://[\d.:]+", line) for line in program.stderr)))
            shaped = ask(found[0], responses=["abc", "abcdef"], prompts=["a", "b"], prompt_ids=["1", "2"])
        finally:
            program.kill()
    quantile = calibration.quantiles(["1", "2"], shaped.raw)
    assert shaped.quantile.tolist() == quantile.tolist()
    assert shaped.transformed.tolist() == infalign.Transform("exp:10")(quantile, k=4).tolist()
