#!/usr/bin/env bash
# Makes (once) the virtual environment with the unmodified OpenStack client, in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=.venv/.isospin-stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(sha256sum scripts/client-requirements.txt)" ]; then exit 0; fi
python3 -m venv .venv
.venv/bin/pip install -q -r scripts/client-requirements.txt
sha256sum scripts/client-requirements.txt > "$stamp"
