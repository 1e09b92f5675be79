#!/bin/sh
# Fetches the archives of Apache Kafka once, through Maven, into .cache/kafka/<version>.
#
#   fetch.sh           fetch them if they are missing; else print nothing
#   fetch.sh --record  after the version in pom.xml has changed: record the archives' hashes
#
# jars.sha256 has names and hashes, no addresses: Maven uses the repository that it is configured with.
set -eu
export LC_ALL=C # fixes the order of the archives

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
version=$(sed -n 's|^  <version>\(.*\)</version>$|\1|p' "$here/pom.xml")
folder=$root/.cache/kafka/$version

fail() {
	echo "Apache Kafka: $*" >&2
	exit 1
}

if [ "${1:-}" != --record ] && [ -e "$folder/jars.sha256" ] && cmp -s "$here/jars.sha256" "$folder/jars.sha256"; then
	exit 0
fi
command -v mvn >/dev/null || fail "mvn is needed to fetch version $version (Debian package maven)"

sums() {
	if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

mkdir -p "$root/.cache/kafka"
work=$(mktemp -d "$root/.cache/kafka/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "Apache Kafka: fetching version $version (about 55 MB) …" >&2
mvn -q -B -C -f "$here/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$work/$version" >&2 ||
	fail "Maven could not fetch version $version"
cd "$work/$version"
if [ "${1:-}" = --record ]; then
	sums ./*.jar >"$here/jars.sha256"
	echo "Apache Kafka: recorded the hashes of $(wc -l <"$here/jars.sha256") archives; check them and commit them" >&2
fi
sums ./*.jar | cmp -s - "$here/jars.sha256" || fail "the archives of version $version do not have the recorded hashes"
cp "$here/jars.sha256" .
rm -rf "$folder"
mv "$work/$version" "$folder"
