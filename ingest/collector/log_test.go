package collector_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// refusedLog waits until writes are refused because of the log, and /readyz says the parts.
func (r *rig) refusedLog(parts ...string) {
	r.t.Helper()
	var why string
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		err := r.c.Ready(r.t.Context())
		if why = ""; err != nil {
			why = err.Error()
		}
		said := true
		for _, part := range parts {
			said = said && strings.Contains(why, part)
		}
		if said {
			break
		}
	}
	for _, part := range parts {
		if !strings.Contains(why, part) {
			r.t.Errorf("not ready because of %q, want it to say %q", why, part)
		}
	}
	got, err := r.tryPost(anEntry)
	if err != nil || got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || !strings.Contains(got.Message, "/readyz") {
		r.t.Errorf("POST: %d %s, %v, want 503 that points to /readyz", got.Status, got.Body, err)
	}
	if strings.Contains(got.Body, "activityctl") || strings.Contains(got.Body, "topic") {
		r.t.Errorf("POST tells a caller of the installation: %s", got.Body)
	}
}

// state is what Kafka says about the log.
func (r *rig) state() schemakafka.LogState {
	r.t.Helper()
	state, err := schemakafka.BeginLog(r.t.Context(), r.broker.Client(), r.topic)
	if err != nil {
		r.t.Fatal(err)
	}
	return state
}

// adopt replaces Kafka's log by another one, with ids from the block on and offsets from the base on.
func (r *rig) adopt(block uint64, base int64) {
	r.t.Helper()
	next := r.state().Log.Successor()
	ids, err := schemakafka.TopicIDs(r.t.Context(), r.broker.Client(), r.topic, schemakafka.IDs(r.topic), schemakafka.LogTopic(r.topic))
	if err != nil {
		r.t.Fatal(err)
	}
	next.Topics, next.FirstBlock, next.Epochs = ids, block, []schemakafka.Epoch{{Base: base, Fresh: block}}
	if _, err := schemakafka.AppendLog(r.t.Context(), r.broker.Client(), r.topic, next); err != nil {
		r.t.Fatal(err)
	}
	r.broker.Confirm()
}

// wrote posts an entry and checks that its id and its position are those of the log.
func (r *rig) wrote(block uint64, base int64) {
	r.t.Helper()
	got := r.post(anEntry)
	position, err := schema.ParsePosition(got.Header.Get(schema.PositionHeader))
	if err != nil || got.Status != http.StatusOK {
		r.t.Fatalf("POST: %d %s, %v", got.Status, got.Body, err)
	}
	if schema.Block(got.ID) < block || schema.Block(got.ID) > block+10 {
		r.t.Errorf("got the id %d of block %d, want one of block %d or soon after", got.ID, schema.Block(got.ID), block)
	}
	for partition, offset := range position {
		if offset < base || offset > base+10_000 {
			r.t.Errorf("got the position %d:%d, want one from %d on", partition, offset, base)
		}
	}
}

func TestALogThatNobodyComparedTakesNothing(t *testing.T) {
	broker := testbed.Kafka(t, 2)
	broker.ForgetLog()
	r := startOn(t, at(broker), broker.Transport(), nil)
	r.broker = broker
	r.refusedLog("does not say yet which log this is")
	r.state()
	r.refusedLog("has not been compared with the tables yet")
	broker.Confirm()
	r.ready()
	r.wrote(0, 0)
}

// While entries are written, another broker replaces theirs: it acknowledges none before its log is adopted.
func TestAnotherBrokerTakesNothing(t *testing.T) {
	r := start(t, 2, nil)
	r.ready()
	r.wrote(0, 0)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	var mu sync.Mutex
	acknowledged := 0
	const posters = 4
	for range posters {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got, err := r.tryPost(anEntry); err == nil && got.Status == http.StatusOK {
					mu.Lock()
					acknowledged++
					mu.Unlock()
				}
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	r.broker.Stop()
	time.Sleep(200 * time.Millisecond) // the last answers reach their callers
	mu.Lock()
	before := acknowledged
	mu.Unlock()
	r.broker.Replace()
	r.broker.CreateTopics()
	r.state()
	time.Sleep(2 * time.Second)
	close(stop)
	writers.Wait()
	if before < 50 || acknowledged != before {
		t.Errorf("%d entries were acknowledged by the first broker, %d in all, want as many", before, acknowledged)
	}
	// Entries that were sent just when the first broker stopped may reach the second one. No caller was told that they were accepted.
	if entries, _ := r.log(2); len(entries) > posters {
		t.Errorf("the second broker has %d entries, want at most those that were on their way", len(entries))
	}
	r.refusedLog("not been compared")
	r.adopt(1<<17, schemakafka.EpochStep)
	r.ready()
	r.wrote(1<<17, schemakafka.EpochStep)
}

func TestATopicThatWasMadeAnewTakesNothing(t *testing.T) {
	for name, topic := range map[string]func(string) string{"entries": func(topic string) string { return topic }, "leases": schemakafka.IDs} {
		t.Run(name, func(t *testing.T) {
			r := start(t, 2, nil)
			r.ready()
			r.wrote(0, 0)
			r.broker.DeleteTopic(topic(r.topic))
			r.broker.CreateTopics()
			r.refusedLog(topic(r.topic)+" was recreated", schemakafka.AdoptCommand)
			r.adopt(1<<17, schemakafka.EpochStep)
			r.ready()
			r.wrote(1<<17, schemakafka.EpochStep)
		})
	}
}

// A broker that is restored from a backup has forgotten leases. A collector that holds them knows, and stops.
func TestLeasesThatWereLost(t *testing.T) {
	r := start(t, 2, nil)
	r.ready()
	restore := r.broker.Save()
	r.ready()
	second := startOn(t, at(r.broker), r.broker.Transport(), nil) // leases a block that the backup does not have
	second.broker = r.broker
	second.ready()
	second.wrote(1, 0)
	restore()
	second.refusedLog("has lost leases", schemakafka.AdoptCommand)
	r.ready()
	r.wrote(0, 0) // its own are still there
	second.adopt(1<<17, schemakafka.EpochStep)
	second.ready()
	second.wrote(1<<17, schemakafka.EpochStep)
	r.refusedUntil(1 << 17)
}

// refusedUntil posts until an id of the block or one soon after is given.
func (r *rig) refusedUntil(block uint64) {
	r.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got, err := r.tryPost(anEntry); err == nil && got.Status == http.StatusOK && schema.Block(got.ID) >= block {
			return
		}
	}
	r.t.Errorf("no id of block %d or later within 15 s", block)
}
