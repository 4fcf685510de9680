#!/usr/bin/env bash
# Runs the tests of the crates that have property tests with other random cases
# than `make test` does. Usage: scripts/properties.sh [ROUNDS] [what nextest takes ...]
# A seed that fails is named; `PROPTEST_RNG_SEED=SEED` runs it again.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-20}
shift || true
for ((round = 0; round < rounds; round++)); do
    export PROPTEST_RNG_SEED=$((RANDOM << 15 | RANDOM))
    echo "seed $PROPTEST_RNG_SEED"
    cargo nextest run --lib -p isospin-agent -p isospin-feed -p isospin-identity -p isospin-network \
        --cargo-quiet --show-progress none --status-level fail "$@"
done
