package testbed

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"

	"github.com/activitylog/activitylog/deploy/embedded/broker"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Topic is the entries' topic of every test broker.
const Topic = "activity"

// Broker is a Kafka broker of one test, on disk, that can be stopped and started again over the same data.
type Broker struct {
	t       testing.TB
	cfg     broker.Config
	running *broker.Broker
}

// Kafka starts a broker with the topics of an installation, partitions of them for the entries, and stops it when the
// test ends.
func Kafka(t testing.TB, partitions int) *Broker {
	t.Helper()
	b := &Broker{t: t, cfg: broker.Config{DataDir: filepath.Join(t.TempDir(), "broker")}}
	b.Start()
	t.Cleanup(b.Stop)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := schemakafka.Create(ctx, b.Client(), schemakafka.Topics(Topic, partitions, 24*time.Hour)); err != nil {
		t.Fatalf("create topics: %v", err)
	}
	return b
}

// Addr is the broker's host:port, the same after a restart.
func (b *Broker) Addr() string { return b.cfg.Addr }

// Mechanism is how clients name their password.
func (b *Broker) Mechanism() sasl.Mechanism {
	return plain.Mechanism{Username: broker.User, Password: b.cfg.Password}
}

// Transport is a new transport to the broker. The test closes its idle connections when it ends.
func (b *Broker) Transport() *kafka.Transport {
	tr := &kafka.Transport{
		Dial: (&net.Dialer{Timeout: time.Second}).DialContext, DialTimeout: time.Second,
		MetadataTTL: time.Second, SASL: b.Mechanism(),
	}
	b.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// Client is a new client of the broker.
func (b *Broker) Client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(b.Addr()), Timeout: 5 * time.Second, Transport: b.Transport()}
}

// Dialer is a new dialer for the parts of kafka-go that take no transport.
func (b *Broker) Dialer() *kafka.Dialer {
	return &kafka.Dialer{Timeout: time.Second, DualStack: true, SASLMechanism: b.Mechanism()}
}

// Stop ends the broker and closes every connection. It may have been stopped already.
func (b *Broker) Stop() {
	b.t.Helper()
	if b.running == nil {
		return
	}
	if err := b.running.Close(); err != nil {
		b.t.Errorf("stop broker: %v", err)
	}
	b.running = nil
}

// Start runs the broker again at the same address, over the same data.
func (b *Broker) Start() {
	b.t.Helper()
	running, err := broker.Open(context.WithoutCancel(b.t.Context()), b.cfg)
	if err != nil {
		b.t.Fatalf("start broker: %v", err)
	}
	b.running, b.cfg.Addr, b.cfg.Password = running, running.Addr(), running.Password()
}

// Disconnect closes every connection to the broker, as a network fault would.
func (b *Broker) Disconnect() { b.running.Disconnect() }
