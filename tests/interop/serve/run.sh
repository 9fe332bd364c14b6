#!/usr/bin/env bash
# The HTTP clients of OpenRLHF and verl, as installed, ask the reward service. The environment is that of ../adapters.
#     tests/interop/serve/run.sh [python that already has all of it]
set -euo pipefail
cd "$(dirname "$0")"
python=${1:-../adapters/.venv/bin/python}
cargo build -q --release -p infalign-serve --example serve_load
target=$(cargo metadata --format-version 1 --no-deps | "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$python" run.py "$target/release/examples/serve_load" 2>run.log | grep '^{' || { tail -n 30 run.log; exit 1; }
rm -f run.log
echo "serve: passed"
