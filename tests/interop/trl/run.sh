#!/usr/bin/env bash
# TRL's own trainers with infalign.trl, on a CPU: RLOO and GRPO, plain and conversational prompts, an async reward, a reward model, and two
# processes. Needs Rust and pip; makes its environment in .venv (torch: some 200 MB).
#     tests/interop/trl/run.sh [python that already has torch, trl, datasets, pandas and infalign]
set -euo pipefail
cd "$(dirname "$0")"
python=${1:-}
if [ -z "$python" ]; then
  python3 -m venv .venv
  .venv/bin/pip install -q --index-url https://download.pytorch.org/whl/cpu torch || .venv/bin/pip install -q torch
  .venv/bin/pip install -q "trl>=1.16" datasets pandas ../../../python
  python=.venv/bin/python
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1 TRL_EXPERIMENTAL_SILENCE=1
"$python" -c 'import torch, transformers, trl; print("torch", torch.__version__, "transformers", transformers.__version__, "trl", trl.__version__)'
for trainer in rloo grpo chat async model; do
  "$python" run.py "$trainer" "$out" 2>"$out/log" | tail -n 1 || { tail -n 30 "$out/log"; exit 1; }
done
"$python" -m torch.distributed.run --nproc_per_node 2 run.py rloo "$out/two" 2>"$out/log" | tail -n 1 || { tail -n 30 "$out/log"; exit 1; }
echo "TRL: passed"
