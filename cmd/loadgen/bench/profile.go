package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/load"
	"github.com/activitylog/activitylog/cmd/loadgen/process"
)

// ProfileConfig says what to profile.
type ProfileConfig struct {
	Bin  string // folder of the binaries
	Dir  string // folder for the data
	Out  string // folder for the profiles
	Seed uint64
	Time time.Duration // duration of the CPU samples
	Say  func(format string, args ...any)
}

// warmUpTime is how long the load runs before the samples: topics, tables and connections exist by then.
const warmUpTime = 3 * time.Second

// profiled are the members that are entirely Go; the system tables of the engine show what it does.
var profiled = []string{chaos.Collector, chaos.Consumer1, chaos.Query}

// Profile runs batches and reads against separate processes, and writes CPU and allocation profiles of each service: NAME.cpu.pprof and
// NAME.allocs.pprof for go tool pprof, and the output of its -top as NAME.cpu.txt and NAME.allocs.txt.
func Profile(ctx context.Context, cfg ProfileConfig) error {
	if err := os.MkdirAll(cfg.Out, 0o755); err != nil {
		return fmt.Errorf("make the folder of the profiles: %w", err)
	}
	c, err := chaos.NewCluster(ctx, cfg.Dir, cfg.Bin, chaos.Plan{})
	if err != nil {
		return err
	}
	defer c.Close()
	addrs := map[string]string{}
	for _, name := range profiled {
		if addrs[name], err = process.FreeAddr(); err != nil {
			return err
		}
		p := c.Process(name)
		p.Env = append(p.Env, "PPROF_ADDR="+addrs[name])
	}
	names := []string{chaos.Broker, chaos.Engine, chaos.Collector, chaos.Consumer1, chaos.Query}
	if err := c.Start(ctx, names...); err != nil {
		return err
	}
	pr := &profiler{ProfileConfig: cfg, cluster: c, names: names, addrs: addrs, bench: bench{Config: Config{Seed: cfg.Seed}}}
	return pr.run(ctx)
}

type profiler struct {
	ProfileConfig
	bench   bench // for its workload
	cluster *chaos.Cluster
	names   []string
	addrs   map[string]string
}

// run samples under load, and stops the load after the last sample.
func (p *profiler) run(ctx context.Context) error {
	loaded, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	var sent load.Result
	var sending, reading error
	all.Go(func() {
		cfg := load.Config{URL: p.cluster.Write, Connections: connections, Batch: batch, Retries: 1000, Timeout: time.Minute}
		sent, sending = load.Run(loaded, cfg, p.bench.source(10_000_000), nil, nil)
	})
	all.Go(func() { reading = p.read(loaded) })
	sleep(ctx, warmUpTime)
	before, begun := p.usage(), time.Now()
	err := p.fetch(ctx, fmt.Sprintf("profile?seconds=%d", int(max(p.Time, time.Second).Seconds())), "cpu")
	after, took := p.usage(), time.Since(begun)
	if err == nil {
		err = p.fetch(ctx, "allocs", "allocs")
	}
	stop()
	all.Wait()
	if err = errors.Join(err, sending, reading); err != nil {
		return err
	}
	p.Say("%d entries accepted, %.0f a second", sent.Accepted, sent.Rate)
	for _, name := range p.names {
		cpu := after[name].CPU - before[name].CPU
		p.Say("  %-12s %5.1f %% of a core, %.2f µs an entry, %4d MB", name, 100*cpu.Seconds()/took.Seconds(), cpu.Seconds()*1e6/(sent.Rate*took.Seconds()), after[name].Peak>>20)
	}
	return p.explain(ctx)
}

func (p *profiler) usage() map[string]process.Usage {
	all := map[string]process.Usage{}
	for _, name := range p.names {
		all[name] = p.cluster.Process(name).Usage()
	}
	return all
}

// read lists and counts in turn until ctx ends.
func (p *profiler) read(ctx context.Context) error {
	conn, err := client.New(p.cluster.Read, time.Minute)
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := 0; ctx.Err() == nil; i++ {
		params := []url.Values{none(i), platform(i), both(i), device(0)(i % 1000), account(i % 1000)}[i%5]
		if _, _, err = conn.List(ctx, client.Query{Params: params}); err == nil {
			_, err = conn.Count(ctx, client.Query{Params: params})
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("read %s: %w", params.Encode(), err)
		}
	}
	return nil
}

// fetch takes a profile of every service at the same time.
func (p *profiler) fetch(ctx context.Context, what, kind string) error {
	errs := make([]error, len(profiled))
	var all sync.WaitGroup
	for i, name := range profiled {
		all.Go(func() {
			errs[i] = download(ctx, "http://"+p.addrs[name]+"/debug/pprof/"+what, p.file(name, kind, "pprof"))
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (p *profiler) file(name, kind, ext string) string {
	return filepath.Join(p.Out, binaryOf(name)+"."+kind+"."+ext)
}

// binaryOf returns the program of a member.
func binaryOf(name string) string {
	program, _, _ := strings.Cut(name, "-")
	return program
}

func download(ctx context.Context, from, to string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return fmt.Errorf("fetch a profile: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("fetch a profile: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch a profile: %s: HTTP %d", from, res.StatusCode)
	}
	f, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("store a profile: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(f, res.Body); err != nil {
		return fmt.Errorf("store a profile: %w", err)
	}
	return f.Close()
}

// explain writes the tables of the profiles to files beside them.
func (p *profiler) explain(ctx context.Context) error {
	for _, name := range profiled {
		for kind, index := range map[string]string{"cpu": "cpu", "allocs": "alloc_space"} {
			out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=60", "-sample_index="+index,
				filepath.Join(p.Bin, binaryOf(name)), p.file(name, kind, "pprof")).Output()
			if err != nil {
				return fmt.Errorf("read the %s profile of %s: %w", kind, name, err)
			}
			if err := os.WriteFile(p.file(name, kind, "txt"), out, 0o644); err != nil {
				return fmt.Errorf("write the %s profile of %s: %w", kind, name, err)
			}
		}
	}
	p.Say("profiles are in %s", p.Out)
	return nil
}
