#!/usr/bin/env bash
# Makes the environment tests/parity/.venv and, unless told `--only-environment`, the fixtures of crates/infalign-lm with it.
set -euo pipefail
cd "$(dirname "$0")"

[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet -r requirements.txt
if [ "${1:-}" != "--only-environment" ]; then
  export OMP_NUM_THREADS=1
  .venv/bin/python make_fixtures.py
  .venv/bin/python make_templates.py
fi
