//go:build !kafka

package collector_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/deploy/embedded/broker"
	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

const diskTopic = "activity"

// brokerAt opens a broker and creates the topics.
func brokerAt(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Open(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	client := &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: newTransport(t)}
	if err := schemakafka.Create(t.Context(), client, schemakafka.Topics(diskTopic, 1, time.Hour)); err != nil {
		t.Fatal(err)
	}
	return b
}

func newTransport(t *testing.T) *kafka.Transport {
	tr := &kafka.Transport{MetadataTTL: time.Second, DialTimeout: time.Second}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func closeBroker(t *testing.T, b *broker.Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestFullDisk(t *testing.T) {
	cfg := broker.Config{DataDir: t.TempDir(), NoPassword: true, ReserveBytes: 1}
	full := func(r *rig, when string) {
		t.Helper()
		for range 3 {
			got := r.post(anEntry)
			if got.Status != 507 || got.Code != 50701 || got.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %s", when, got.Status, got.Body)
			}
			if status, header, _, text := r.audit("", `{"action":"a"}`); status != 507 || header.Get("Retry-After") == "" || !strings.HasPrefix(text, `{"success":false,`) {
				t.Errorf("%s: %d %s", when, status, text)
			}
			if err := r.c.Ready(t.Context()); err == nil {
				t.Errorf("%s: ready", when)
			}
		}
	}
	b := brokerAt(t, cfg)
	cfg.Addr = b.Addr()
	testbed.Confirm(t, &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: newTransport(t)}, diskTopic)
	restart := func(reserve int64) {
		closeBroker(t, b)
		cfg.ReserveBytes = reserve
		b = brokerAt(t, cfg)
	}
	restart(1 << 60)
	r := startOn(t, address{cfg.Addr, diskTopic}, newTransport(t), nil)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if r.post(anEntry).Status == 507 {
			break
		}
	}
	full(r, "before the first lease of ids")

	restart(1)
	r.ready()
	if got := r.post(anEntry); got.Status != 200 {
		t.Errorf("with space: %d %s", got.Status, got.Body)
	}
	time.Sleep(20 * time.Millisecond) // or the next write goes into a dead connection, and its outcome is not known
	restart(1 << 60)
	full(r, "with ids")
	restart(1)
	r.ready()
	if got := r.post(anEntry); got.Status != 200 {
		t.Errorf("with space again: %d %s", got.Status, got.Body)
	}
	if entries, _ := r.log(1); len(entries) != 2 {
		t.Errorf("%d entries in the log, want 2", len(entries))
	}
	r.stop()
	closeBroker(t, b)
}
