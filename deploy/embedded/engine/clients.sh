#!/usr/bin/env bash
# Fetches the clients of other languages that the engine's tests use into .cache/clients, once: clickhouse-connect (Python, into a
# virtual environment) and clickhouse-jdbc (Maven).
set -euo pipefail
cd "$(dirname "$0")/../../.."
from=deploy/embedded/engine/testdata/clients to=.cache/clients
made=$(cat "$from/requirements.txt" "$from/pom.xml" | sha256sum)
[ "$(cat "$to/made" 2>/dev/null)" != "$made" ] || exit 0
mkdir -p "$to"
python3 -m venv "$to/python"
"$to/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$from/requirements.txt"
rm -rf "$to/java"
mvn --quiet --batch-mode --file "$from/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD/$to/java"
echo "$made" >"$to/made"
