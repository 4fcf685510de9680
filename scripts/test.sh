#!/usr/bin/env bash
# Runs every test: pure, store (both engines), API, simulated agents, namespaces,
# clients. One PostgreSQL serves the whole run; nothing is left behind.
set -euo pipefail
cd "$(dirname "$0")/.."

before=$(scripts/leftovers.sh)

folder=$(mktemp -d /tmp/isospin-pg-XXXXXX)
owner=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    owner=(setpriv --reuid postgres --regid postgres --clear-groups)
fi
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
(cd / && "${owner[@]}" "$bin/initdb" -A trust -U isospin --no-sync -E UTF8 --locale=C -D "$folder/data" >/dev/null)
(cd / && exec "${owner[@]}" "$bin/postgres" -D "$folder/data" -k "$folder" \
    -c listen_addresses= -c fsync=off -c max_connections=500 >"$folder/log" 2>&1) &
server=$!
trap 'kill -QUIT $server 2>/dev/null; wait $server 2>/dev/null || true; rm -rf "$folder"' EXIT
until "$bin/pg_isready" -q -h "$folder"; do
    kill -0 $server 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
done
export ISOSPIN_TEST_POSTGRES="host=$folder user=isospin"
# The same cases each time: what passes here passes there. `scripts/properties.sh` looks for new ones.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
# The same faults, too: these once found what others had not. `ISOSPIN_FAULTS=1000` with no
# seed, by hand, takes new ones.
export ISOSPIN_FAULTS_SEED="${ISOSPIN_FAULTS_SEED:-6633061783390576678}"

cargo nextest run --workspace "$@"

after=$(scripts/leftovers.sh)
if [ "$before" != "$after" ]; then
    echo "tests left something behind:" >&2
    diff <(echo "$before") <(echo "$after") >&2 || true
    exit 1
fi
