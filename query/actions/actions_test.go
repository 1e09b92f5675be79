package actions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// replica returns the codes of one more replica.
func replica(b *testbed.Broker) *Codes {
	return New(schemakafka.Actions(b.Topic()), 20*time.Second, source{b}, b.Client(), prometheus.NewRegistry())
}

// source is the log of a test's broker.
type source struct{ broker *testbed.Broker }

func (s source) Log(ctx context.Context) (*schemakafka.Log, error) {
	state, err := schemakafka.NewLogReader(s.broker.Client(), s.broker.Topic()).Read(ctx)
	return state.Log, err
}

func (s source) Seen() *schemakafka.Log {
	log, err := s.Log(context.Background())
	if err != nil {
		return nil
	}
	return log
}

func named(tenant string, names ...string) (entries []schema.Entry) {
	for _, n := range names {
		entries = append(entries, schema.Entry{Tenant: tenant, Action: n})
	}
	return entries
}

func codesOf(t *testing.T, s *Codes, entries []schema.Entry) map[string]int64 {
	t.Helper()
	codes, err := s.Codes(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func checkAction(t *testing.T, s *Codes, code int64, want string) {
	t.Helper()
	if name, ok, err := s.Name(t.Context(), code); name != want || ok != (want != "") || err != nil {
		t.Errorf("the action of code %d: got %q, %v, %v, want %q", code, name, ok, err, want)
	}
}

func TestActionCodes(t *testing.T) {
	b := testbed.Kafka(t, 1)
	first, second := replica(b), replica(b)
	if got := codesOf(t, first, named("a", "post", "like", "post")); !maps.Equal(got, map[string]int64{"post": 0, "like": 1}) {
		t.Errorf("got %v, want post 0, like 1", got)
	}
	if got := codesOf(t, second, named("b", "like", "new")); !maps.Equal(got, map[string]int64{"like": 1, "new": 2}) {
		t.Errorf("the second replica: got %v, want like 1, new 2", got)
	}
	if got := codesOf(t, first, named("a", "new")); got["new"] != 2 {
		t.Errorf("the first replica: got %v, want new 2", got)
	}
	restarted := replica(b)
	for _, s := range []*Codes{first, second, restarted} {
		for code, want := range []string{"post", "like", "new", ""} {
			checkAction(t, s, int64(code), want)
		}
		checkAction(t, s, -1, "")
		checkAction(t, s, 1<<40, "")
	}
	b.Stop()
	first.waitMax = time.Second
	if got := codesOf(t, first, named("a", "new", "post")); got["new"] != 2 || got["post"] != 0 {
		t.Errorf("Kafka is unavailable: got %v, want new 2, post 0", got)
	}
	checkAction(t, first, 1, "like")
	if _, err := first.Codes(t.Context(), named("a", "newer")); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("a new name while Kafka is unavailable: got %v, want %v", err, schema.ErrUnavailable)
	}
	if _, _, err := first.Name(t.Context(), 9); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("a code that is not known while Kafka is unavailable: got %v, want %v", err, schema.ErrUnavailable)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := first.Codes(ctx, named("a", "newer")); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has left: got %v, want %v", err, context.Canceled)
	}
	b.Start()
	first.waitMax = 20 * time.Second
	if got := codesOf(t, first, named("a", "newer")); got["newer"] != 3 {
		t.Errorf("Kafka is back: got %v, want newer 3", got)
	}
}

// TestReplicasAgreeOnCodes lets replicas show the same names at the same time, in different orders.
func TestReplicasAgreeOnCodes(t *testing.T) {
	b := testbed.Kafka(t, 1)
	const names = 40
	var all sync.WaitGroup
	got := make([]map[string]int64, 4)
	for i := range got {
		s := replica(b)
		got[i] = map[string]int64{}
		all.Go(func() {
			for n := range names {
				codes, err := s.Codes(t.Context(), named("a", fmt.Sprint("n", (n*7+i*11)%names), fmt.Sprint("n", n)))
				if err != nil {
					t.Error(err)
					return
				}
				maps.Copy(got[i], codes)
			}
		})
	}
	all.Wait()
	late := replica(b)
	for i := range got {
		if !maps.Equal(got[i], got[0]) || len(got[i]) != names {
			t.Fatalf("replica %d has %v, another %v", i, got[i], got[0])
		}
	}
	end, err := late.topic.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	firsts := map[int64]string{}
	for name, code := range got[0] {
		firsts[code] = name
	}
	for code := range end { // a record that repeats a name is not a code
		checkAction(t, late, code, firsts[code])
	}
}

// TestActionCodesAreBounded makes more names than there may be, by tenant and in all, and keeps few of them in memory.
func TestActionCodesAreBounded(t *testing.T) {
	b := testbed.Kafka(t, 1)
	bounded := func() *Codes {
		s := replica(b)
		s.most, s.each, s.keep = 5, 3, 8
		return s
	}
	s := bounded()
	long := strings.Repeat("x", schema.MaxNameBytes)
	if got := codesOf(t, s, named("a", "a0", "a1", long)); !maps.Equal(got, map[string]int64{"a0": 0, "a1": 1, long: 2}) {
		t.Errorf("got %v", got)
	}
	if got := codesOf(t, s, named("a", "a3", "a1")); !maps.Equal(got, map[string]int64{"a3": NoCode, "a1": 1}) {
		t.Errorf("a tenant with too many: got %v, want a3 without a code", got)
	}
	if got := codesOf(t, s, named("b", "b0", "b1", "b2")); got["b0"] != 3 || got["b1"] != 4 || got["b2"] != NoCode {
		t.Errorf("all too many: got %v, want 3, 4 and none", got)
	}
	for _, s := range []*Codes{s, bounded()} {
		checkAction(t, s, 2, long) // fetched
		checkAction(t, s, 4, "b1")
		checkAction(t, s, 5, "")
		checkAction(t, s, 99, "")
		if len(s.names) != 4 || s.known() != 5 {
			t.Errorf("%d names in memory of %d, want 4 of 5", len(s.names), s.known())
		}
	}
}

// TestManyNamesAtOnce shows a page of long new names, more than a broker takes in one batch.
func TestManyNamesAtOnce(t *testing.T) {
	b := testbed.Kafka(t, 1)
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("%04d%s", i, strings.Repeat("x", schema.MaxNameBytes-4)))
	}
	got := codesOf(t, replica(b), named("a", names...))
	for i, n := range names {
		if got[n] != int64(i) {
			t.Fatalf("name %d has the code %d", i, got[n])
		}
	}
	checkAction(t, replica(b), 999, names[999])
}

// Codes of an earlier log no longer belong to a name: another log has other codes, also for a replica that knew the old ones.
func TestCodesOfAnEarlierLog(t *testing.T) {
	b := testbed.Kafka(t, 1)
	s := replica(b)
	if got := codesOf(t, s, named("a", "post", "like")); got["like"] != 1 {
		t.Fatalf("got %v", got)
	}
	b.DeleteTopic(schemakafka.Actions(b.Topic()))
	b.CreateTopics()
	if _, err := s.Codes(t.Context(), named("a", "new")); !errors.Is(err, schema.ErrUnavailable) || !strings.Contains(err.Error(), schemakafka.AdoptCommand) {
		t.Errorf("the topic was recreated: got %v, want that it has to be adopted", err)
	}
	checkAction(t, s, 1, "like") // as it was shown
	state, err := schemakafka.BeginLog(t.Context(), b.Client(), b.Topic())
	if err != nil {
		t.Fatal(err)
	}
	next := state.Log.Successor()
	next.FirstCode = 1 << 20
	if next.Topics, err = schemakafka.TopicIDs(t.Context(), b.Client(), schemakafka.Actions(b.Topic())); err != nil {
		t.Fatal(err)
	}
	if _, err := schemakafka.AppendLog(t.Context(), b.Client(), b.Topic(), next); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Codes{s, replica(b)} {
		if got := codesOf(t, s, named("a", "like", "new")); got["like"] != 1<<20 || got["new"] != 1<<20+1 {
			t.Errorf("got %v, want codes above those of the earlier log", got)
		}
		checkAction(t, s, 1<<20+1, "new")
		checkAction(t, s, 1, "")
	}
}
