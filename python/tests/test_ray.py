"""What a worker of `infalign.ray` does with a shard, without Ray; tests/interop/ray runs it with Ray."""

import http.server
import json
import pickle
import threading

import numpy as np
import pytest

import infalign

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
ray = pytest.importorskip("infalign.ray")

OF = {"base_policy": "sft", "reward": "rm", "sampling": "t=1"}
RNG = np.random.default_rng(3)


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "shard.parquet"
    pq.write_table(pa.table({"prompt_id": [7, 8, 9], "prompt": ["a", "b", "c"], "answer": ["1", "2", "3"]}), path)
    return path


def asked(folder, call, column="rewards", **further):
    folder.mkdir(exist_ok=True)
    return ray._Asked(folder, OF, column, call, **further)


def test_a_shard_goes_its_way(tmp_path, shard):
    batches = []

    def generate(batch):
        batches.append(batch["prompt"].tolist())
        return {"responses": [[text * n for n in (1, 2, 3)] for text in batch["prompt"]]}

    class Reward:
        def __init__(self, scale):
            self.scale = scale

        def __call__(self, batch):
            assert batch["answer"].tolist() == ["1", "2", "3"]
            return {"rewards": [np.array([len(text) for text in row]) * self.scale for row in batch["responses"]]}

    rollouts = asked(tmp_path / "rollouts", generate, "responses", batch_size=2).step(shard)
    rewards = asked(tmp_path / "rewards", Reward, fn_constructor_args=[-0.5]).step(rollouts)
    (tmp_path / "calibration").mkdir()
    step = ray._Calibrated(tmp_path / "calibration", OF)
    [made] = pickle.loads(pickle.dumps(step))({"shard": np.array([str(rewards)])})["shard"].tolist()
    assert batches == [["a", "b"], ["c"]]
    assert pq.read_schema(rollouts).names == ["prompt_id", "prompt", "answer", "responses"]
    assert pq.read_schema(rewards).field("rewards").type == pa.list_(pa.float32())
    table = infalign.Calibration.load(made)
    assert table.prompt_ids == ["7", "8", "9"] and table.rewards("9").tolist() == [-1.5, -1.0, -0.5]
    assert (table.base_policy, table.reward, table.sampling) == ("sft", "rm", "t=1")
    assert not list(tmp_path.rglob(".*"))

    def never(batch):
        raise AssertionError("done again")

    assert asked(tmp_path / "rewards", never).step(rollouts) == rewards


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([[1.0, 2.0]], "of 1 prompts instead of 3"),
        ([[1.0, 2.0], [1.0], [1.0, 2.0]], r"prompt `8`: rewards of the shape \(1,\) for 2 responses"),
        ([[1.0, 2.0], [1.0, 2.0], [0.0, np.nan]], "prompt `9`: reward nan at 1 is not finite"),
        ([[1.0, 1e39], [1.0, 2.0], [0.0, 1.0]], "prompt `7`: reward inf at 1 is not finite"),
    ],
)
def test_answers_that_do_not_fit(tmp_path, shard, answer, words):
    rollouts = asked(tmp_path / "rollouts", lambda b: {"responses": [["x", "y"]] * len(b["prompt"])}, "responses").step(shard)
    with pytest.raises(ValueError, match=words), np.errstate(over="ignore"):
        asked(tmp_path / "rewards", lambda _: {"rewards": answer}).step(rollouts)
    assert not list((tmp_path / "rewards").iterdir())


def test_files_of_something_else_are_refused(tmp_path, shard):
    step = asked(tmp_path / "rewards", lambda b: {"rewards": [[1.0, 2.0]] * len(b["prompt"])})
    made = step.step(shard)
    with pytest.raises(ValueError, match="give another folder"):
        ray._there(made, {**OF, "reward": "other"}, shard)
    pq.write_table(pa.table({"prompt_id": ["1"], "prompt": ["a"]}), shard)
    with pytest.raises(ValueError, match="has 3 prompts, .* has 1"):
        step.step(shard)
    with pytest.raises(FileNotFoundError, match="no Parquet files: .*nothing.d"):
        ray._files(tmp_path / "rewards" / "nothing.d")
    with pytest.raises(ValueError, match="2 shards are called shard.parquet"):
        ray._files([shard, tmp_path / "rewards" / "shard.parquet"])
    with pytest.raises(ValueError, match="prompt `7` comes more than once"):
        ray._once([made, made])
    with pytest.raises(ValueError, match="no column `prompt_id`, but x"):
        pq.write_table(pa.table({"x": [1]}), shard)
        asked(tmp_path / "other", print).step(shard)


def test_shards_and_the_whole_are_the_same_table(tmp_path):
    values = np.round(RNG.normal(size=(5000, 7)), 1).astype(np.float32)
    values[0] = -0.0
    ids = [f"p{i}" for i in range(5000)]
    parts = []
    for start, end in ((0, 1), (1, 4500), (4500, 5000)):
        source, part = tmp_path / f"{start}.parquet", tmp_path / f"c{start}.parquet"
        pq.write_table(pa.table({"prompt_id": ids[start:end], "rewards": list(values[start:end])}), source)
        assert infalign._native.calibrate_files([source], part, **OF) == end - start
        parts.append(part)
    assert infalign._native.calibrate_files(parts, tmp_path / "merged.parquet", **OF) == 5000
    infalign.Calibration.from_rollouts(ids, np.sort(values + 0.0, axis=1), base_policy="sft", reward="rm", sampling="t=1").save(tmp_path / "whole.parquet")
    assert (tmp_path / "merged.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        infalign._native.calibrate_files(["nowhere.parquet"], tmp_path / "n.parquet", **OF)
    assert not (tmp_path / "n.parquet").exists()


@pytest.fixture
def server():
    """Answers like vLLM, refuses the first request for the moment, and keeps what it was asked."""
    asked, refused = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = 200, {"choices": [{"index": i, "text": f"{body['prompt']} {i}"} for i in reversed(range(body["n"]))]}
            if not refused:
                refused.append(body)
                status, answer = 503, {"error": "busy"}
            elif body["prompt"] == "bad":
                status, answer = 400, {"error": {"message": "no such model"}}
            else:
                asked.append({**body, "key": self.headers.get("Authorization")})
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}/", asked
        made.shutdown()


def test_completions(server, monkeypatch):
    url, requests = server
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    monkeypatch.setattr(ray.time, "sleep", lambda _: None)
    complete = pickle.loads(pickle.dumps(ray.Completions(url, "my-sft", 3, max_tokens=9, temperature=0.7)))
    batch = {"prompt_id": np.array(["1", "2"], object), "prompt": np.array(["a", "b"], object)}
    assert complete(batch) == {"responses": [["a 0", "a 1", "a 2"], ["b 0", "b 1", "b 2"]]}
    first = {request["prompt"]: request for request in requests}
    assert first["a"]["seed"] != first["b"]["seed"] and 0 <= first["a"]["seed"] < 2**31
    assert {name: first["a"][name] for name in ("model", "n", "max_tokens", "temperature", "key")} == {
        "model": "my-sft", "n": 3, "max_tokens": 9, "temperature": 0.7, "key": "Bearer sesame",
    }  # fmt: skip
    ray.Completions(url, "my-sft", 3)({name: column[::-1] for name, column in batch.items()})
    assert {(r["prompt"], r["seed"]) for r in requests[2:]} == {(r["prompt"], r["seed"]) for r in requests[:2]}
    with pytest.raises(OSError, match="400.*no such model") as raised:
        complete({"prompt_id": ["3"], "prompt": ["bad"]})
    assert "sesame" not in str(pickle.loads(pickle.dumps(raised.value)))
