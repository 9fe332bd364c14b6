#!/usr/bin/env bash
# Ray Data with infalign.ray on this machine: generation, rewards and calibration of Parquet shards, a worker killed in the middle; the table is,
# byte for byte, what the program makes in one process. Needs Rust and pip; makes its environment in .venv (some 400 MB).
#     INFALIGN_PROGRAM=target/release/infalign tests/interop/ray/run.sh [python that already has ray[data] and infalign]
set -euo pipefail
program=$(realpath "${INFALIGN_PROGRAM:?the path of the program}")
cd "$(dirname "$0")"
python=${1:-}
if [ -z "$python" ]; then
  python3 -m venv .venv
  .venv/bin/pip install -q "ray[data]>=2.50" ../../../python
  python=.venv/bin/python
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export RAY_USAGE_STATS_ENABLED=0 RAY_DATA_DISABLE_PROGRESS_BARS=1 OMP_NUM_THREADS=1 RAY_worker_niceness=0
INFALIGN_PROGRAM=$program "$python" run.py "$out" 2>"$out/log" | grep --line-buffered '^{' || { tail -n 40 "$out/log"; exit 1; }
echo "Ray: passed"
