// Package testbed gives tests a real Kafka broker and a real ClickHouse engine, on disk and on free ports of this machine,
// that end with the test. Nothing but tests imports it.
package testbed
