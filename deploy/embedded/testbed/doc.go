// Package testbed gives tests a real Kafka broker and a real ClickHouse engine, on disk and on free ports of this machine. They end
// with the test. Only tests import it.
package testbed
