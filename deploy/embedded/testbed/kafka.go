package testbed

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Broker is a Kafka broker for one test, on disk, that can be stopped and started again with the same data. It is the embedded broker
// or, with the build tag kafka, a node of Apache Kafka.
type Broker struct {
	t          testing.TB
	server     *server
	partitions int
}

// Kafka starts a broker with the topics of an installation and stops it when the test ends. The topic of the entries has that many
// partitions.
func Kafka(t testing.TB, partitions int) *Broker {
	t.Helper()
	b := &Broker{t: t, server: newServer(t), partitions: partitions}
	b.Start()
	t.Cleanup(func() {
		if err := b.server.release(); err != nil {
			t.Errorf("leave broker: %v", err)
		}
	})
	b.CreateTopics()
	b.Confirm()
	return b
}

// Confirm confirms that the log belongs to the tables, as a consumer does after comparing them. Kafka calls it, too.
func (b *Broker) Confirm() {
	b.t.Helper()
	Confirm(b.t, b.Client(), b.Topic())
}

// Confirm does the same as Broker.Confirm, for the topics of another installation.
func Confirm(t testing.TB, client *kafka.Client, topic string) {
	t.Helper()
	state, err := schemakafka.BeginLog(t.Context(), client, topic)
	for err != nil && again(t.Context()) { // the topic may have no leader yet
		state, err = schemakafka.BeginLog(t.Context(), client, topic)
	}
	if err == nil {
		err = schemakafka.ConfirmLog(t.Context(), client, topic, state.Log.ID)
	}
	if err != nil {
		t.Fatalf("confirm the log: %v", err)
	}
}

// Lease takes blocks of ids, as collectors do, for tests that number entries themselves: a consumer stores nothing while the
// tables have ids of blocks that nobody leased.
func (b *Broker) Lease(blocks int) {
	b.t.Helper()
	records := make([]kafka.Record, blocks)
	for i := range records {
		records[i].Value = kafka.NewBytes([]byte{1})
	}
	res, err := b.Client().Produce(b.t.Context(), &kafka.ProduceRequest{
		Topic: schemakafka.IDs(b.Topic()), RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		b.t.Fatalf("lease ids: %v", err)
	}
}

// CreateTopics makes the topics of the installation that are missing, and returns when each has its leader. Start does not.
func (b *Broker) CreateTopics() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	specs := schemakafka.Topics(b.Topic(), b.partitions, 24*time.Hour)
	if err := schemakafka.Create(ctx, b.Client(), specs); err != nil {
		b.t.Fatalf("create topics: %v", err)
	}
	for _, s := range specs {
		if err := b.led(ctx, s); err != nil {
			b.t.Fatalf("topic %s: %v", s.Name, err)
		}
	}
}

// ForgetLog recreates the topic of the log, so that it is empty.
func (b *Broker) ForgetLog() {
	b.t.Helper()
	b.DeleteTopic(schemakafka.LogTopic(b.Topic()))
	b.CreateTopics()
}

// DeleteTopic removes a topic and what it holds.
func (b *Broker) DeleteTopic(name string) {
	b.t.Helper()
	res, err := b.Client().DeleteTopics(b.t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err != nil || res.Errors[name] != nil {
		b.t.Fatalf("delete topic %s: %v %v", name, err, res)
	}
}

// led waits until every partition of a new topic has a leader.
func (b *Broker) led(ctx context.Context, s schemakafka.Spec) error {
	client := b.Client()
	var offsets []kafka.OffsetRequest
	for p := range s.Partitions {
		offsets = append(offsets, kafka.LastOffsetOf(p))
	}
	for {
		res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{s.Name: offsets}})
		if err == nil {
			for _, p := range res.Topics[s.Name] {
				err = errors.Join(err, p.Error)
			}
		}
		if err == nil || !again(ctx) {
			return err
		}
	}
}

// again waits a moment. It returns false if ctx has ended.
func again(ctx context.Context) bool {
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Topic returns the topic of the entries. No other test uses it.
func (b *Broker) Topic() string { return b.server.topic }

// Addr returns the broker's host:port. A restart does not change it.
func (b *Broker) Addr() string { return b.server.addr() }

// Login is how clients log in: the mechanism, as the services' settings name it, the user and the password.
func (b *Broker) Login() (mechanism, user, password string) { return b.server.login() }

// Mechanism returns the SASL mechanism for clients of the tests.
func (b *Broker) Mechanism() sasl.Mechanism {
	_, user, password := b.Login()
	return plain.Mechanism{Username: user, Password: password}
}

// Transport returns a new transport to the broker. The test closes its idle connections when it ends.
func (b *Broker) Transport() *kafka.Transport {
	tr := &kafka.Transport{
		Dial: (&net.Dialer{Timeout: time.Second}).DialContext, DialTimeout: time.Second,
		MetadataTTL: time.Second, SASL: b.Mechanism(),
	}
	b.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// Client returns a new client of the broker.
func (b *Broker) Client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(b.Addr()), Timeout: 5 * time.Second, Transport: b.Transport()}
}

// Dialer returns a new dialer for the parts of kafka-go that do not use a transport.
func (b *Broker) Dialer() *kafka.Dialer {
	return &kafka.Dialer{Timeout: time.Second, DualStack: true, SASLMechanism: b.Mechanism()}
}

// Stop stops the broker and closes every connection. A second call does nothing.
func (b *Broker) Stop() {
	b.t.Helper()
	if err := b.server.stop(); err != nil {
		b.t.Errorf("stop broker: %v", err)
	}
}

// Start starts the broker again at the same address with the same data, and returns when it answers.
func (b *Broker) Start() {
	b.t.Helper()
	if err := b.server.start(context.WithoutCancel(b.t.Context())); err != nil {
		b.t.Fatalf("start broker: %v", err)
	}
}

// Replace stops the broker and starts an empty one in its place, without topics.
func (b *Broker) Replace() {
	b.t.Helper()
	b.Stop()
	if err := b.server.replace(); err != nil {
		b.t.Fatal(err)
	}
	b.Start()
}

// Save stops the broker, copies its data and starts it again. It returns a function that restores the copy, as an operator restores a
// backup.
func (b *Broker) Save() (restore func()) {
	b.t.Helper()
	b.Stop()
	back, err := b.server.save()
	if err != nil {
		b.t.Fatal(err)
	}
	b.Start()
	return func() {
		b.t.Helper()
		b.Stop()
		if err := back(); err != nil {
			b.t.Fatal(err)
		}
		b.Start()
	}
}

// Disconnect closes every connection to the broker, like a network failure.
func (b *Broker) Disconnect() { b.server.disconnect() }
