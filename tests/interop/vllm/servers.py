"""Starts vLLM on the tiny models, waits until it answers, kills it.

Run:  python servers.py VLLM FOLDER NAME          kills FOLDER/NAME's server and starts it again, without waiting for it
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1",
}  # fmt: skip
PORTS = {"policy": 8000, "reward": 8001, "judge": 8002}
START_S = 900  # half a minute on an idle machine


class Server:
    """A `vllm serve` of models.py's FOLDER/NAME, known as NAME."""

    def __init__(self, vllm: Path, folder: Path, name: str) -> None:
        self.pid = folder / f"{name}.pid"
        self.url = f"http://127.0.0.1:{PORTS[name]}"
        self.log = folder / f"{name}.log"
        further = ["--runner", "pooling"] if name == "reward" else []
        self.command = [str(vllm), "serve", str(folder / name), "--served-model-name", name, "--host", "127.0.0.1", "--port", str(PORTS[name]),
                        "--max-model-len", "1024" if name == "judge" else "256", "--dtype", "float32", "--enforce-eager", "--max-num-seqs", "64", *further]  # fmt: skip

    def start(self) -> None:
        with open(self.log, "a") as log:
            process = subprocess.Popen(self.command, env=os.environ | ENVIRONMENT, stdout=log, stderr=log, start_new_session=True)
        self.pid.write_text(str(process.pid))

    def wait(self) -> float:
        """Seconds until it answers."""
        begin = time.perf_counter()
        while time.perf_counter() - begin < START_S:
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5)
                return time.perf_counter() - begin
            except OSError:
                time.sleep(0.5)
        raise SystemExit(f"vLLM did not answer within {START_S} s; the end of its log:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """The server and its engine, which is a process of its own, of the same group."""
        if self.pid.exists():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(self.pid.read_text()), signal.SIGKILL)
            self.pid.unlink()


def ask(url: str, path: str, body: object = None) -> tuple[int, object]:
    """Status and answer, parsed where it is JSON."""
    data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            status, text = response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


if __name__ == "__main__":
    again = Server(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    again.kill()
    again.start()
