#!/usr/bin/env bash
# Makes (once) the virtual environment with the test suites of OpenStack, in .venv-suites:
# tempest, Neutron's plugin of it, and the functional tests of openstacksdk.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=.venv-suites/.isospin-stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(sha256sum scripts/suites-requirements.txt)" ]; then exit 0; fi
python3 -m venv .venv-suites
.venv-suites/bin/pip install -q -r scripts/suites-requirements.txt
sha256sum scripts/suites-requirements.txt > "$stamp"
