package matrix

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/relay"
)

// spell is what one relay does for a moment.
type spell struct {
	link   string
	faults relay.Faults
}

func produceAnswers(f relay.Faults) relay.Faults {
	f.Kinds = []protocol.ApiKey{protocol.Produce}
	return f
}

// Each is the worst that a broker or a network may do to an answer that somebody's records hang on.
var badAnswers = []spell{
	{chaos.Collector + chaos.ToBroker, produceAnswers(relay.Faults{Drop: 0.4})},
	{chaos.Collector + chaos.ToBroker, produceAnswers(relay.Faults{Delay: 700 * time.Millisecond})},
	{chaos.Collector + chaos.ToBroker, relay.Faults{Deny: kafka.NotEnoughReplicasAfterAppend, Share: 0.4}},
	{chaos.Collector + chaos.ToBroker, relay.Faults{Refuse: kafka.NotLeaderForPartition, Share: 0.5}},
	{chaos.Collector + chaos.ToBroker, relay.Faults{Deny: kafka.RequestTimedOut, Share: 0.4}},
	{chaos.Collector + chaos.ToBroker, relay.Faults{Refuse: kafka.NotEnoughReplicas, Share: 0.5}},
	{chaos.Query + chaos.ToBroker, produceAnswers(relay.Faults{Drop: 0.5})},
	{"consumer" + chaos.ToBroker, relay.Faults{Drop: 0.2, Kinds: []protocol.ApiKey{protocol.OffsetCommit}}},
	{"consumer" + chaos.ToBroker, relay.Faults{Delay: time.Second}},
	{chaos.Collector + chaos.ToBroker, relay.Faults{Drop: 0.2}},
}

// answersLost does all of it, one after another; on three nodes of Apache Kafka their leaders move as well.
func answersLost(ctx context.Context, t *trial) error {
	cfg := t.base()
	cfg.Deletes = 80
	err := t.play(ctx, cfg, chaos.Script{Strike: func(ctx context.Context, r *chaos.Run, seed uint64) {
		f := r.NewInjector(seed)
		for n := 0; ctx.Err() == nil; n++ {
			s := badAnswers[n%len(badAnswers)]
			r.Cluster.Relays[s.link].Set(s.faults)
			chaos.Sleep(ctx, time.Duration(1+f.Rand.Int64N(int64(2*time.Second))))
			r.Cluster.Relays[s.link].Set(relay.Faults{})
			if len(r.Cluster.Brokers) > 1 {
				f.KillAndRestart(ctx, f.Any(r.Cluster.Brokers...), time.Second)
			}
		}
	}})
	t.relayed()
	return err
}

// relayed shows what the relays have done.
func (t *trial) relayed() {
	if t.rep.Report == nil {
		return
	}
	n := t.rep.Report.Relays
	t.figure("answers", "%d lost, %d held back, %d denied after, %d refused before", n.Dropped, n.Delayed, n.Denied, n.Refused)
	if n.Broken+n.Hung > 0 {
		t.figure("requests", "%d broken off, %d met silence", n.Broken, n.Hung)
	}
}

// insertTimeout is short in row 14, so that a consumer gives up an insert that hangs, and tries again.
const insertTimeout = 3 * time.Second

// The engine as seen over a bad network.
var badEngine = []spell{
	{"consumer" + chaos.ToEngine, relay.Faults{Delay: 2 * time.Second}},
	{"consumer" + chaos.ToEngine, relay.Faults{Hang: true}},
	{"consumer" + chaos.ToEngine, relay.Faults{Break: 0.3}},
	{"consumer" + chaos.ToEngine, relay.Faults{Drop: 0.5}},
	{chaos.Query + chaos.ToEngine, relay.Faults{Hang: true}},
	{chaos.Query + chaos.ToEngine, relay.Faults{Drop: 0.3, Delay: 300 * time.Millisecond}},
	{chaos.Query + chaos.ToEngine, relay.Faults{Break: 0.3}},
}

func engineDisturbed(ctx context.Context, t *trial) error {
	cfg := t.base()
	cfg.Duration = max(cfg.Duration, time.Duration(len(badEngine))*6*time.Second)
	lag, peak := 0.0, int64(0)
	err := t.play(ctx, cfg, chaos.Script{
		Plan: func(p *chaos.Plan) {
			p.Env = map[string][]string{"consumer": {fmt.Sprintf("INSERT_TIMEOUT=%v", insertTimeout)}}
		},
		Strike: func(ctx context.Context, r *chaos.Run, _ uint64) {
			for n := 0; ctx.Err() == nil; n++ {
				s := badEngine[n%len(badEngine)]
				r.Cluster.Relays[s.link].Set(s.faults)
				chaos.Sleep(ctx, insertTimeout+2*time.Second)
				if v, err := r.Cluster.Sum(context.WithoutCancel(ctx), "activity_consumer_lag_records", chaos.Consumer1, chaos.Consumer2); err == nil {
					lag = max(lag, v)
				}
				r.Cluster.Relays[s.link].Set(relay.Faults{})
				chaos.Sleep(ctx, time.Second)
			}
		},
		Finish: func(_ context.Context, r *chaos.Run) error {
			for _, name := range []string{chaos.Consumer1, chaos.Consumer2} {
				peak = max(peak, r.Cluster.Process(name).Usage().Peak)
			}
			return nil
		},
	})
	t.relayed()
	t.figure("greatest lag", "%.0f records", lag)
	t.memory("memory of a consumer", peak, consumerMemory)
	return err
}

// consumerMemory bounds a consumer: BATCH_MEMORY is 128 MiB of records, which are decoded into blocks of as much again.
const consumerMemory = 1 << 30

// memory notes a process's highest resident memory, which must not exceed a bound.
func (t *trial) memory(what string, got, bound int64) {
	t.figure(what, "%d MB", got>>20)
	if got > bound {
		t.fail("%s: %d MB, bound %d MB", what, got>>20, bound>>20)
	}
}
