package matrix

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/stats"
)

// Rows are the fault matrix, without row 25: tests of packages cover its security table.
var Rows = []Row{
	{1, "consumers killed (kill -9)", "exact; stored again within session timeout + 2 s", consumersKilled},
	{2, "engine killed", "exact; writes continue", engineKilled},
	{3, "broker killed", "exact; writes refused within 50 ms", brokerKilled},
	{4, "collector killed during requests", "exact", collectorKilled},
	{5, "standalone killed", "exact; ready again within 3 s", standaloneKilled},
	{6, "crash at each step of a batch and of a delete", "exact each time", checkedBy("./ingest/consumer", "TestExactWhereverItIsCutOff", "TestDeletesEqualAModelUnderCrashes", "TestAnyHistoryIsExact")},
	{7, "consumer paused beyond its session timeout, then continued", "nothing stored twice; its commits are refused", consumersPaused},
	{8, "1, then 4, then 2 consumers", "exact; storing continues", consumersComeAndGo},
	{9, "produce responses lost, delayed, replaced by errors", "exact", answersLost},
	{10, "committed offsets deleted, moved back, moved beyond the end", "exact; alarm", offsetsMoved},
	{11, "end of the log cut off, offsets used again", "all new entries stored", logCut},
	{12, "deduplication window exceeded", "nothing stored twice", windowOverrun},
	{13, "disk of broker, engine, both full; then space again", "507 or delayed; recovers without restart", diskFull},
	{14, "engine slow, hanging, connection reset within a request", "each entry stored once; memory bounded", engineDisturbed},
	{15, "records that cannot be stored", "each a dead letter once, the rest stored", poisoned},
	{16, "columns added under load", "exact", columnsAdded},
	{17, "deletes of entries in flight, with crashes", "tables equal the model", deletesUnderCrashes},
	{18, "every keyed POST three times, over restarts", "each entry stored once", keyedThrice},
	{19, "clocks jump by an hour, clocks of collectors differ", "ids unique, pages stable", clocksJump},
	{20, "100 heavy queries during writes", "p99 of writes less than doubled; 503; memory bounded", heavyQueries},
	{21, "caller of a query disconnects", "query stopped in the engine within 200 ms", checkedBy("./query", "TestQueryEndsWithItsCaller")},
	{22, "panic in a handler", "500; the process continues", checkedBy("./cmd/internal/service", "TestHandlers")},
	{23, "SIGTERM under load", "exits within 10 s; nothing replayed", terminated},
	{24, "soak", "memory, goroutines, files and parts do not grow", soak},
	{26, "another Kafka in the place of the one that the tables were filled from", "refused until it is adopted; exact", anotherLog},
}

// base returns the load of the row with these faults, about every 800 ms.
func (t *trial) base(kill ...string) chaos.Config {
	cfg := t.Config.Config
	cfg.Kill, cfg.Every = kill, 800*time.Millisecond
	cfg.Deletes, cfg.Wipes = 40, 2
	return cfg
}

// quiet returns a load without deletes and reads, for faults that move committed offsets: reads and deletes use them to know what is
// stored.
func (t *trial) quiet() chaos.Config {
	cfg := t.base()
	cfg.Deletes, cfg.Wipes, cfg.WriteOnly = 0, 0, true
	return cfg
}

func consumersKilled(ctx context.Context, t *trial) error {
	cfg := t.base()
	var slowest time.Duration
	err := t.play(ctx, cfg, chaos.Script{Strike: func(ctx context.Context, r *chaos.Run, seed uint64) {
		f := r.NewInjector(seed)
		for ctx.Err() == nil {
			slowest = max(slowest, killAndWait(ctx, f, f.Any(chaos.Consumer1, chaos.Consumer2)))
			chaos.Sleep(ctx, time.Duration(f.Rand.Int64N(int64(cfg.Every))))
		}
	}})
	t.within("stored again after", slowest, cfg.Session+2*time.Second)
	return err
}

// killAndWait kills and starts a member, and returns how long it took until everything acknowledged before was stored.
func killAndWait(ctx context.Context, f *chaos.Injector, member string) time.Duration {
	p := f.Cluster.Process(member)
	if !p.Running() {
		f.Violation("%s exited by itself; see %s", member, p.Log)
	}
	p.Kill()
	f.Struck("kill -9 " + member)
	begun := time.Now()
	chaos.Sleep(ctx, time.Duration(f.Rand.Int64N(int64(500*time.Millisecond))))
	if err := p.Start(); err != nil {
		f.Violation("%v", err)
		return 0
	}
	if err := f.Drain(context.WithoutCancel(ctx)); err != nil {
		f.Violation("%v", err)
	}
	return time.Since(begun)
}

func engineKilled(ctx context.Context, t *trial) error {
	cfg := t.base(chaos.Engine)
	cfg.Every = 3 * time.Second // deletes must succeed in between
	err := t.play(ctx, cfg, chaos.Script{})
	t.slowestOf("slowest start", "slowest start of engine, ms")
	return err
}

func brokerKilled(ctx context.Context, t *trial) error {
	var away stats.Histogram
	err := t.play(ctx, t.base(), chaos.Script{Strike: func(ctx context.Context, r *chaos.Run, seed uint64) {
		f, w := r.NewInjector(seed), r.NewWorker(seed)
		defer w.Close()
		for ctx.Err() == nil {
			chaos.Sleep(ctx, time.Duration(f.Rand.Int64N(int64(3*time.Second))))
			withoutBroker(ctx, w, &away)
		}
	}})
	t.slowestOf("slowest start", "slowest start of broker, ms")
	t.within("slowest of "+strconv.FormatInt(away.Count(), 10)+" refusals while it was down", away.Max(), chaos.RefusalLimit)
	if err == nil {
		n := t.rep.Report.Refusals
		t.figure("all refusals, including those at the moment of the kill", "%d, p50 %v, p99 %v", n.Count, chaos.Round(n.P50), chaos.Round(n.P99))
	}
	return err
}

// withoutBroker kills the broker, writes some entries, which must be refused in time, and starts the broker again.
func withoutBroker(ctx context.Context, w *chaos.Worker, away *stats.Histogram) {
	p := w.Cluster.Process(w.Cluster.Brokers[0])
	p.Kill()
	w.Struck("kill -9 " + p.Name)
	chaos.Sleep(ctx, 200*time.Millisecond)
	for range 5 {
		i := w.Model.Take(1, false)
		w.Body = w.Source.Append(w.Body[:0], i, "")
		if w.Post(&client.Request{ContentType: "application/json", Body: w.Body}, i, 1) {
			w.Violation("a write was acknowledged without a broker")
		}
		away.Observe(w.Took)
	}
	if err := p.Start(); err != nil {
		w.Violation("%v", err)
		return
	}
	took, err := w.Cluster.AwaitReady(context.WithoutCancel(ctx), p.Name)
	if err != nil {
		w.Violation("%v", err)
	}
	w.Slowest("slowest start of broker, ms", took)
}

// slowestOf reports a time among the counts of the run.
func (t *trial) slowestOf(what, name string) {
	if t.rep.Report != nil {
		t.figure(what, "%d ms", t.rep.Report.Counts[name])
	}
}

func collectorKilled(ctx context.Context, t *trial) error {
	cfg := t.base(chaos.Collector)
	cfg.Every = 400 * time.Millisecond
	err := t.play(ctx, cfg, chaos.Script{})
	if err == nil {
		t.figure("unanswered and stored", "%d of %d", t.rep.Report.Entries.MayStored, t.rep.Report.Entries.MayStay)
	}
	return err
}

func standaloneKilled(ctx context.Context, t *trial) error {
	rep, err := chaos.Standalone(ctx, t.base(), t.Kills)
	if err != nil {
		return err
	}
	t.take(rep)
	t.within("slowest start", time.Duration(rep.Counts["slowest start of standalone, ms"])*time.Millisecond, chaos.ReopenLimit)
	t.slowestOf("slowest until everything was stored again", "slowest until everything was stored again, ms")
	return nil
}

func consumersPaused(ctx context.Context, t *trial) error {
	cfg := t.base(chaos.Pause)
	cfg.Every = cfg.Paused + time.Second // usually only one consumer is paused at a time, so the other takes over
	err := t.play(ctx, cfg, chaos.Script{Finish: func(ctx context.Context, r *chaos.Run) error {
		refused, err := r.Cluster.Sum(ctx, "activity_consumer_refused_intents_total", chaos.Consumer1, chaos.Consumer2)
		t.figure("commits refused", "%.0f", refused)
		return err
	}})
	return err
}

// consumersComeAndGo runs 1, then 4, then 2 consumers, for five seconds each.
func consumersComeAndGo(ctx context.Context, t *trial) error {
	cfg := t.base()
	cfg.Duration = max(cfg.Duration, 30*time.Second)
	var slowest time.Duration
	err := t.play(ctx, cfg, chaos.Script{
		Plan: func(p *chaos.Plan) {
			p.Guests, p.Env = 2, map[string][]string{chaos.Broker: {"PARTITIONS=4"}, chaos.Collector: {"PARTITIONS=4"}}
		},
		Strike: func(ctx context.Context, r *chaos.Run, _ uint64) {
			all := append([]string{chaos.Consumer1, chaos.Consumer2}, r.Cluster.Guests...)
			for n := 0; ctx.Err() == nil; n++ {
				haveRunning(r, all, []int{1, 4, 2}[n%3])
				begun := time.Now()
				if err := r.Drain(context.WithoutCancel(ctx)); err != nil {
					r.Violation("%v", err)
				}
				slowest = max(slowest, time.Since(begun))
				chaos.Sleep(ctx, 5*time.Second)
			}
			haveRunning(r, all, 2)
		},
	})
	t.within("stored again after at most", slowest, 10*time.Second)
	return err
}

// haveRunning starts and stops members so that exactly the first n run.
func haveRunning(r *chaos.Run, members []string, n int) {
	for i, name := range members {
		p := r.Cluster.Process(name)
		switch {
		case i < n && !p.Running():
			if err := p.Start(); err != nil {
				r.Violation("%v", err)
			}
			r.Struck("started " + name)
		case i >= n && p.Running():
			if err := p.Stop(chaos.StopLimit); err != nil {
				r.Violation("SIGTERM: %v", err)
			}
			r.Struck("stopped " + name)
		}
	}
}

func deletesUnderCrashes(ctx context.Context, t *trial) error {
	cfg := t.base(chaos.Faults...)
	cfg.Duration, cfg.Every = 3*cfg.Duration, t.Every
	cfg.Deletes, cfg.Wipes = 500, 15
	err := t.play(ctx, cfg, chaos.Script{})
	if err == nil {
		n := t.rep.Report.Counts
		t.figure("deletes answered", "%d, %d of entries already gone, %d of everything", n["deletes"], n["deletes of what had gone"], n["delete-alls"])
	}
	return err
}

func keyedThrice(ctx context.Context, t *trial) error {
	cfg := t.base(chaos.Collector, "consumer", chaos.Broker, chaos.Engine)
	cfg.Thrice = true
	err := t.play(ctx, cfg, chaos.Script{})
	if err == nil {
		t.figure("keyed requests acknowledged three times", "%d", t.rep.Report.Counts["keyed requests acknowledged three times"])
	}
	return err
}

// terminated stops and starts services one by one under load, and finally stops all of them. No consumer may leave a batch that it or
// another has to store again, neither when it stops nor when the group moves its partitions.
func terminated(ctx context.Context, t *trial) error {
	services := []string{chaos.Collector, chaos.Consumer1, chaos.Consumer2, chaos.Query}
	replays := 0.0
	err := t.play(ctx, t.base(), chaos.Script{
		Strike: func(ctx context.Context, r *chaos.Run, seed uint64) {
			f := r.NewInjector(seed)
			for ctx.Err() == nil {
				chaos.Sleep(ctx, time.Duration(f.Rand.Int64N(int64(f.Every))))
				name := f.Any(services...)
				replays += replaysOf(ctx, r, name) // its counter ends with it
				f.Restart(ctx, name, 0)
			}
		},
		Finish: func(ctx context.Context, r *chaos.Run) error {
			for _, name := range services {
				replays += replaysOf(ctx, r, name)
				if err := r.Cluster.Process(name).Stop(chaos.StopLimit); err != nil {
					r.Violation("SIGTERM: %v", err)
				}
			}
			if err := r.Cluster.Start(ctx, services...); err != nil {
				return err
			}
			if err := r.Drain(ctx); err != nil {
				r.Violation("%v", err)
			}
			replays += replaysOf(ctx, r, chaos.Consumer1) + replaysOf(ctx, r, chaos.Consumer2)
			if replays > 0 {
				r.Violation("%.0f batches were stored again although nothing was killed", replays)
			}
			return nil
		},
	})
	if err == nil {
		t.figure("batches stored again", "%.0f", replays)
		t.within("slowest shutdown", time.Duration(t.rep.Report.Counts["slowest shutdown, ms"])*time.Millisecond, chaos.StopLimit)
	}
	return err
}

// replaysOf waits until a consumer is ready, so that it has batches under way, and returns how many it has stored again.
func replaysOf(ctx context.Context, r *chaos.Run, name string) float64 {
	if name != chaos.Consumer1 && name != chaos.Consumer2 {
		return 0
	}
	ctx = context.WithoutCancel(ctx)
	_, err := r.Cluster.AwaitReady(ctx, name)
	if err != nil {
		r.Violation("%v", err)
		return 0
	}
	n, err := r.Cluster.Sum(ctx, "activity_consumer_replays_total", name)
	if err != nil {
		r.Violation("%v", err)
	}
	return n
}

// columnsAdded adds and drops columns of the tables while consumers are killed.
func columnsAdded(ctx context.Context, t *trial) error {
	changes := 0
	err := t.play(ctx, t.base(), chaos.Script{Strike: func(ctx context.Context, r *chaos.Run, seed uint64) {
		f := r.NewInjector(seed)
		for n := 0; ctx.Err() == nil; n++ {
			table := f.Any("activity", "by_kind", "by_entity")
			for _, what := range []string{" ADD COLUMN added UInt32 DEFAULT 7", " DROP COLUMN added"} {
				if err := r.Cluster.Store.Exec(context.WithoutCancel(ctx), "ALTER TABLE "+table+what, nil); err != nil {
					r.Violation("ALTER TABLE %s%s: %v", table, what, err)
				}
				changes++
				chaos.Sleep(ctx, time.Duration(f.Rand.Int64N(int64(time.Second))))
			}
			if n%3 == 2 {
				killAndWait(ctx, f, f.Any(chaos.Consumer1, chaos.Consumer2))
			}
		}
	}})
	t.figure("changes of tables", "%d", changes)
	return err
}

// windowOverrun makes ClickHouse remember so few tokens that it forgets the token of a killed consumer's last batch before the next owner
// repeats the batch.
func windowOverrun(ctx context.Context, t *trial) error {
	recovered := 0.0
	err := t.play(ctx, t.base(), chaos.Script{
		Plan: func(p *chaos.Plan) { p.Env = map[string][]string{"consumer": {"BATCH_AGE=20ms"}} },
		Begin: func(ctx context.Context, r *chaos.Run) error {
			for _, table := range []string{"activity", "by_kind", "by_entity"} {
				if err := r.Cluster.Store.Exec(ctx, "ALTER TABLE "+table+" MODIFY SETTING non_replicated_deduplication_window = 4", nil); err != nil {
					return err
				}
			}
			return nil
		},
		Strike: func(ctx context.Context, r *chaos.Run, seed uint64) {
			f := r.NewInjector(seed)
			for ctx.Err() == nil {
				victim := f.Any(chaos.Consumer1, chaos.Consumer2)
				killAndWait(ctx, f, victim)
				n, err := r.Cluster.Sum(ctx, `activity_consumer_entries_total{outcome="recovered"}`, other(victim))
				if err == nil {
					recovered = max(recovered, n)
				}
			}
		},
	})
	t.figure("entries of forgotten tokens left out, by one consumer", "%.0f", recovered)
	return err
}

func other(consumer string) string {
	return []string{chaos.Consumer1, chaos.Consumer2}[1-slices.Index([]string{chaos.Consumer1, chaos.Consumer2}, consumer)]
}
