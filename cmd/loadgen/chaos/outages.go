package chaos

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
)

// RefusalLimit is how long the refusal of a POST may take while the broker is unavailable.
const RefusalLimit = 50 * time.Millisecond

// OutageReport is what callers saw while a dependency was unavailable.
type OutageReport struct {
	Checks []Check `json:"checks"`
}

// Check is a promise, whether it was kept, and the measured figure.
type Check struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Figure string `json:"figure"`
}

// Broken reports whether a promise was broken.
func (o *OutageReport) Broken() bool {
	for _, c := range o.Checks {
		if !c.OK {
			return true
		}
	}
	return false
}

// outages runs checks one after another.
type outages struct {
	*Worker
	report OutageReport
}

func (o *outages) check(ok bool, what, figure string, args ...any) {
	o.report.Checks = append(o.report.Checks, Check{what, ok, fmt.Sprintf(figure, args...)})
	o.Say("%s: %s", what, fmt.Sprintf(figure, args...))
}

// Outages starts the services before their dependencies, then kills the engine, then the broker.
func Outages(ctx context.Context, cfg Config) (*OutageReport, error) {
	cluster, err := NewCluster(ctx, cfg.Dir, cfg.Bin, Plan{Session: cfg.Session, Nodes: cfg.Nodes})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	r := NewRun(cfg, cluster)
	o := &outages{Worker: r.NewWorker(cfg.Seed)}
	defer o.Close()
	for _, step := range []func(context.Context) error{o.startBackwards, o.withoutEngine, o.withoutBroker, o.exact} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return &o.report, ctx.Err()
}

var services = []string{Collector, Consumer1, Consumer2, Query}

func (o *outages) startBackwards(ctx context.Context) error {
	for _, name := range services {
		if err := o.Cluster.Process(name).Start(); err != nil {
			return err
		}
	}
	Sleep(ctx, 3*time.Second)
	for _, name := range services {
		alive := o.Cluster.Process(name).Running()
		o.check(alive && o.status(name) == http.StatusServiceUnavailable, name+" waits for its dependencies and is not ready", "running %v, /readyz %d", alive, o.status(name))
	}
	o.refusals(20, "POST without a broker")
	begun := time.Now()
	if err := o.Cluster.Start(ctx, Broker, Engine); err != nil {
		return err
	}
	up := time.Since(begun)
	for _, name := range services {
		if _, err := o.Cluster.AwaitReady(ctx, name); err != nil {
			o.check(false, name+" becomes ready", "%v", err)
			return err
		}
	}
	o.check(true, "everything becomes ready once broker and engine run", "%v, the dependencies themselves after %v", Round(time.Since(begun)), Round(up))
	o.accepted(50, "POST once everything is ready")
	o.appears(ctx, "entries posted once everything is ready")
	return nil
}

// Round rounds a time for people, to 0.1 ms.
func Round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

func (o *outages) status(name string) int {
	conn, err := client.New("http://"+o.Cluster.http[name], 5*time.Second)
	if err != nil {
		return 0
	}
	defer conn.Close()
	reply, err := conn.Do(context.Background(), &client.Request{Method: http.MethodGet, Path: "/readyz"})
	if err != nil {
		return 0
	}
	return reply.Status
}

// one sends one entry, and returns the response and its latency.
func (o *outages) one() (status int, reply *client.Reply, took time.Duration) {
	i := o.Model.Take(1, false)
	o.Body = o.Source.Append(o.Body[:0], i, "")
	begun := time.Now()
	reply, err := o.write.Do(context.Background(), &client.Request{Method: http.MethodPost, Path: client.Path, ContentType: "application/json", Body: o.Body})
	took = time.Since(begun)
	if err != nil {
		o.Model.answered(i, unknown, 0)
		return 0, nil, took
	}
	if reply.Status != http.StatusOK {
		fate := refused
		if reply.Status == http.StatusGatewayTimeout {
			fate = unknown
		}
		o.Model.answered(i, fate, 0)
		return reply.Status, reply, took
	}
	o.Worker.accepted(reply, i, 1)
	return reply.Status, reply, took
}

func (o *outages) accepted(n int, what string) {
	good, slowest := 0, time.Duration(0)
	for range n {
		status, _, took := o.one()
		if status == http.StatusOK {
			good++
		}
		slowest = max(slowest, took)
	}
	o.check(good == n, what+" is answered 200", "%d of %d, slowest %v", good, n, Round(slowest))
}

// refusals posts n entries, each of which must be refused in time and as documented.
func (o *outages) refusals(n int, what string) {
	good, slowest := 0, time.Duration(0)
	for range n {
		status, reply, took := o.one()
		if status == http.StatusServiceUnavailable && client.Code(reply) == 50301 && reply.RetryAfter > 0 {
			good++
		}
		slowest = max(slowest, took)
	}
	o.check(good == n && slowest <= RefusalLimit, what+" is 50301 with Retry-After within 50 ms", "%d of %d, slowest %v", good, n, Round(slowest))
}

// appears waits until everything acknowledged is listed.
func (o *outages) appears(ctx context.Context, what string) {
	begun := time.Now()
	err := o.Drain(ctx)
	o.check(err == nil, what+" appear", "after %v", Round(time.Since(begun)))
}

func (o *outages) withoutEngine(ctx context.Context) error {
	o.Cluster.Process(Engine).Kill()
	o.accepted(200, "engine killed: POST")
	good, slowest := 0, time.Duration(0)
	for range 20 {
		begun := time.Now()
		reply, err := o.Read.Do(ctx, &client.Request{Method: http.MethodGet, Path: client.Path})
		slowest = max(slowest, time.Since(begun))
		if err == nil && reply.Status == http.StatusServiceUnavailable && client.Code(reply) == 50301 && reply.RetryAfter > 0 {
			good++
		}
	}
	o.check(good == 20, "engine killed: GET is 50301 with Retry-After", "%d of 20, slowest %v", good, Round(slowest))
	Sleep(ctx, 5*time.Second)
	o.accepted(50, "engine unavailable for 5 s: POST")
	begun := time.Now()
	if err := o.Cluster.Start(ctx, Engine); err != nil {
		return err
	}
	o.check(true, "engine is ready again", "after %v", Round(time.Since(begun)))
	o.appears(ctx, "engine running again: entries posted meanwhile")
	return nil
}

func (o *outages) withoutBroker(ctx context.Context) error {
	o.accepted(50, "POST before the broker is killed")
	o.appears(ctx, "entries posted before the broker is killed")
	o.Cluster.Process(Broker).Kill()
	o.refusals(100, "broker killed: POST")
	good, slowest := 0, time.Duration(0)
	for range 50 {
		begun := time.Now()
		_, _, err := o.Read.List(ctx, client.Query{Params: url.Values{}})
		slowest = max(slowest, time.Since(begun))
		if err == nil {
			good++
		}
	}
	o.check(good == 50, "broker killed: GET is answered", "%d of 50, slowest %v", good, Round(slowest))
	Sleep(ctx, 5*time.Second)
	o.refusals(100, "broker unavailable for 5 s: POST")
	begun := time.Now()
	if err := o.Cluster.Start(ctx, Broker); err != nil {
		return err
	}
	ready := time.Since(begun)
	for status := 0; status != http.StatusOK; {
		if status, _, _ = o.one(); time.Since(begun) > startTimeout {
			break
		}
		Sleep(ctx, 10*time.Millisecond)
	}
	o.check(time.Since(begun) < ready+2*time.Second, "broker running again: POST is accepted again", "%v after it was ready", Round(time.Since(begun)-ready))
	o.accepted(50, "broker running again: POST")
	o.appears(ctx, "broker running again: entries")
	return nil
}

// exact compares everything stored with what the callers were answered.
func (o *outages) exact(ctx context.Context) error {
	rep := &Report{}
	if err := o.AwaitQuiet(ctx); err != nil {
		return err
	}
	if err := o.compare(ctx, rep); err != nil {
		return err
	}
	e := rep.Entries
	o.check(rep.Tables.Violations == 0 && e.Lost+e.Twice+e.Resurrected+e.Unexpected+e.Altered == 0, "the tables hold exactly what was acknowledged",
		"%d acknowledged, %d stored, %d of those unanswered; lost %d, twice %d, unexpected %d", e.Acknowledged, rep.Tables.Rows, e.MayStored, e.Lost, e.Twice, e.Unexpected)
	for _, v := range o.violations {
		o.check(false, "violation", "%s", v)
	}
	return nil
}
