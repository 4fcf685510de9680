#!/usr/bin/env bash
# Makes (once) the virtual environment with a real Keystone, in .venv-keystone, and in it a
# bootstrapped installation on SQLite that tests copy: `template`.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=.venv-keystone/.isospin-stamp
wanted=$(cat scripts/keystone-requirements.txt tests/conformance/keystone/keystone.conf scripts/keystone-env.sh | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi
python3 -m venv .venv-keystone
.venv-keystone/bin/pip install -q -r scripts/keystone-requirements.txt
folder=$PWD/.venv-keystone/template
rm -rf "$folder"
mkdir -p "$folder"
sed "s|FOLDER|$folder|g" tests/conformance/keystone/keystone.conf > "$folder/keystone.conf"
manage() { .venv-keystone/bin/keystone-manage --config-file "$folder/keystone.conf" "$@" 2>>"$folder/manage.log"; }
manage db_sync
manage fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
manage credential_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
# URLs are put right by whoever starts a copy.
manage bootstrap --bootstrap-password keystone-secret --bootstrap-region-id RegionOne \
    --bootstrap-public-url http://127.0.0.1:1/v3
echo "$wanted" > "$stamp"
