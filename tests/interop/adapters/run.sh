#!/usr/bin/env bash
# OpenRLHF, verl, ms-swift and Axolotl with our adapters, on a CPU. The four ask for versions of torch, transformers and TRL that exclude
# each other and for GPU packages, so they are installed without dependencies, beside what their reward code imports.
#     tests/interop/adapters/run.sh [python that already has all of it]
set -euo pipefail
cd "$(dirname "$0")"
python=${1:-}
if [ -z "$python" ]; then
  python3 -m venv .venv
  .venv/bin/pip install -q --index-url https://download.pytorch.org/whl/cpu torch || .venv/bin/pip install -q torch
  .venv/bin/pip install -q "trl>=1.16" datasets aiohttp omegaconf tensordict ray hydra-core pylatexenc codetiming orjson dacite addict ../../../python
  .venv/bin/pip install -q --no-deps openrlhf verl ms-swift axolotl
  python=.venv/bin/python
fi
OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 "$python" run.py 2>run.log | grep '^{' || { tail -n 30 run.log; exit 1; }
rm -f run.log
echo "adapters: passed"
