#!/bin/sh
# Fetches the engine's library (libchdb, ClickHouse 26.5) once, through npm, into .cache/chdb/<platform>/libchdb.so.
#
# It prints nothing if the library is there. CHDB_LIB_PATH names a library that is already on this machine; nothing is fetched then.
# The lock files in lib/ hold the version and the hash of a platform's package, and no address: npm takes the registry it is
# configured with. For a platform without a lock file, npm checks the package against the hash that the registry publishes; that
# hash is kept beside the library, and a later fetch on this machine must match it.
set -eu

version=26.5.3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)

say() { echo "engine library: $*" >&2; }

fail() {
	say "$*"
	cat >&2 <<EOF

standalone and the tests with ClickHouse need this library. On a machine without a network, copy libchdb.so from the npm
package $package $version, or from .cache/chdb/$platform of another machine, to this machine and set
  CHDB_LIB_PATH=/path/to/libchdb.so
or copy it to $target
EOF
	exit 1
}

case "$(uname -s)" in
Linux) os=linux end=-gnu ;;
Darwin) os=darwin end= ;;
*) os=$(uname -s) end= ;;
esac
case "$(uname -m)" in
x86_64 | amd64) arch=x64 ;;
arm64 | aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac
platform=$os-$arch$end
package=@chdb/lib-$platform
lock=$here/lib/$platform
folder=$root/.cache/chdb/$platform
target=$folder/libchdb.so

if [ -n "${CHDB_LIB_PATH:-}" ]; then
	[ -r "$CHDB_LIB_PATH" ] || fail "CHDB_LIB_PATH is $CHDB_LIB_PATH, which cannot be read"
	exit 0
fi

# The expected hash: the committed one, otherwise the one that was recorded by the first fetch on this machine.
[ -r "$lock/package-lock.json" ] || lock=$folder
if [ -s "$target" ] && { [ ! -e "$folder/package-lock.json" ] || cmp -s "$lock/package-lock.json" "$folder/package-lock.json"; }; then
	exit 0
fi

case "$platform" in
linux-x64-gnu | linux-arm64-gnu | darwin-x64 | darwin-arm64) ;;
*) fail "there is no library for $platform; supported are Linux and macOS on x64 and arm64" ;;
esac
if [ $os = linux ] && ldd --version 2>&1 | grep -qi musl; then
	fail "this Linux uses musl; the library needs glibc (Debian, Ubuntu, Fedora, …)"
fi
command -v npm >/dev/null || fail "npm is needed to fetch $package $version (install Node.js)"

mkdir -p "$root/.cache/chdb"
work=$(mktemp -d "$root/.cache/chdb/fetch.XXXXXX")
progress=
clean() {
	[ -z "$progress" ] || kill "$progress" 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

say "fetching $package $version (about 150 MB, 560 MB unpacked) …"
(
	seconds=0
	while sleep 5 >/dev/null 2>&1; do
		seconds=$((seconds + 5))
		say "  ${seconds} s, $(du -sm "$work" 2>/dev/null | cut -f1) MB unpacked"
	done
) &
progress=$!
printf '{\n  "name": "activitylog-engine-library",\n  "private": true,\n  "dependencies": {\n    "%s": "%s"\n  }\n}\n' "$package" "$version" >"$work/package.json"
if grep -q "\"$version\"" "$lock/package-lock.json" 2>/dev/null; then
	cp "$lock/package-lock.json" "$work/"
else
	say "no hash of $package $version is committed; npm checks it against the one that its registry publishes, which is kept"
	(cd "$work" && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error >&2) ||
		fail "npm knows no package $package $version"
fi
(cd "$work" && npm ci --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
	fail "npm could not fetch $package $version, or the package does not have the recorded hash"
library=$work/node_modules/$package/libchdb.so
[ -s "$library" ] || library=${library%.so}.dylib
[ -s "$library" ] || fail "$package $version has no libchdb.so"
mkdir -p "$folder"
mv "$library" "$target"
cp "$work/package-lock.json" "$folder/package-lock.json"
say "stored at ${target#"$root"/}"
