#!/bin/sh
# Runs a node of Apache Kafka in the foreground, for development and tests: broker and controller in one process, on loopback.
# The script is replaced by the node, which then gets all signals. The first start creates the data folder.
#
#   KAFKA_DATA        data folder (default data/kafka)
#   KAFKA_LOCAL       host:port for clients without a password (default 127.0.0.1:9092)
#   KAFKA_LOGIN       host:port for clients that log in with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (default 127.0.0.1:9094)
#   KAFKA_ADVERTISED  address that clients that log in connect to (default KAFKA_LOGIN)
#   KAFKA_PASSWORD    password of the user activity, letters and digits (default activity)
#   KAFKA_CONTROLLER  host:port of its controller (default 127.0.0.1:9093)
#   KAFKA_NODE        id of the node (default 1)
#   KAFKA_VOTERS      id@host:port of the controllers of all nodes, separated by commas (default: only this node)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
"$here/fetch.sh"
command -v java >/dev/null || { echo "Apache Kafka: Java 17 or later is needed (Debian package default-jre-headless)" >&2; exit 69; }

export KAFKA_DATA="${KAFKA_DATA:-$root/data/kafka}"
export KAFKA_LOCAL="${KAFKA_LOCAL:-127.0.0.1:9092}"
export KAFKA_LOGIN="${KAFKA_LOGIN:-127.0.0.1:9094}"
export KAFKA_ADVERTISED="${KAFKA_ADVERTISED:-$KAFKA_LOGIN}"
export KAFKA_PASSWORD="${KAFKA_PASSWORD:-activity}"
export KAFKA_CONTROLLER="${KAFKA_CONTROLLER:-127.0.0.1:9093}"
export KAFKA_NODE="${KAFKA_NODE:-1}"
export KAFKA_VOTERS="${KAFKA_VOTERS:-$KAFKA_NODE@$KAFKA_CONTROLLER}"
case $KAFKA_VOTERS in
*,*,*) export KAFKA_REPLICAS=3 KAFKA_IN_SYNC=2 KAFKA_SESSION=3000 ;;
*) export KAFKA_REPLICAS=1 KAFKA_IN_SYNC=1 KAFKA_SESSION=2000 ;;
esac

version=$(sed -n 's|^  <version>\(.*\)</version>$|\1|p' "$here/pom.xml")
# Only the first compiler tier: nodes are started often, and it starts faster.
set -- -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$root/.cache/kafka/$version/*" \
	-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dlog4j2.StatusLogger.level=OFF

umask 077
mkdir -p "$KAFKA_DATA"
if [ ! -e "$KAFKA_DATA/formatted" ]; then
	rm -rf "$KAFKA_DATA/log" # left by an interrupted format
	java "$@" kafka.tools.StorageTool format --cluster-id YWN0aXZpdHlsb2cta2Fmaw --config "$here/server.properties" \
		--add-scram "SCRAM-SHA-256=[name=activity,password=$KAFKA_PASSWORD]" \
		--add-scram "SCRAM-SHA-512=[name=activity,password=$KAFKA_PASSWORD]" >"$KAFKA_DATA/format.log" 2>&1 || {
		cat "$KAFKA_DATA/format.log" >&2
		exit 1
	}
	touch "$KAFKA_DATA/formatted"
fi

cat <<EOF
Apache Kafka $version, data in $KAFKA_DATA. Ctrl-C stops it. In another terminal, create the topics:

  export KAFKA_BROKERS=$KAFKA_LOCAL
  bin/activityctl topics

Services in the same terminal use the same variable. With a password, it is

  export KAFKA_BROKERS=$KAFKA_ADVERTISED KAFKA_SASL=scram-sha-512 KAFKA_USERNAME=activity KAFKA_PASSWORD=$KAFKA_PASSWORD

EOF
exec java "$@" kafka.Kafka "$here/server.properties"
