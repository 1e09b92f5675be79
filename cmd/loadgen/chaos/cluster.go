// Package chaos runs the services as the separate processes that they are, breaks them while they are written to, read
// and deleted from, and then holds every stored entry against what the callers were told.
package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/oracle"
	"github.com/activitylog/activitylog/cmd/loadgen/process"
)

// The members of a cluster, in the order in which they are started.
const (
	Broker    = "broker"
	Engine    = "engine"
	Collector = "collector"
	Consumer1 = "consumer-1"
	Consumer2 = "consumer-2"
	Query     = "query"
)

// Members are all members.
var Members = []string{Broker, Engine, Collector, Consumer1, Consumer2, Query}

// startPatience is how long a member may take until it is ready.
const startPatience = time.Minute

// Cluster is six processes on loopback ports of their own, which they keep when they are started again.
type Cluster struct {
	Dir       string
	Names     []string // of the members, in the order in which they are started; they are stopped in the order Stops
	Stops     []string
	Write     string // base URL of the collector
	Read      string // base URL of the query service
	Kafka     string // address of the broker; empty for standalone
	Store     *oracle.Server
	processes map[string]*process.Process
	http      map[string]string // address of /readyz, by member
	envFile   string            // where standalone says what its database is; else empty
}

// Alone is the one member of a cluster that is a single process.
const Alone = "standalone"

// NewStandalone prepares a single process that is everything.
func NewStandalone(dir, bin string) (*Cluster, error) {
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	return &Cluster{
		Dir: dir, Names: []string{Alone}, Stops: []string{Alone}, Write: "http://" + addr, Read: "http://" + addr,
		http: map[string]string{Alone: addr}, envFile: filepath.Join(data, "services.env"),
		processes: map[string]*process.Process{Alone: process.New(process.Spec{
			Name: Alone, Path: filepath.Join(bin, Alone), Env: []string{"HTTP_ADDR=" + addr, "DATA_DIR=" + data}, Log: filepath.Join(dir, Alone+".log"),
		})},
	}, nil
}

// NewCluster prepares a cluster in the folder dir from the binaries in the folder bin. Nothing runs yet. The session is
// that of the consumers, and so how long a partition of a killed one waits; 0 is their default.
func NewCluster(dir, bin string, session time.Duration) (*Cluster, error) {
	c := &Cluster{
		Dir: dir, Names: Members, Stops: []string{Collector, Consumer1, Consumer2, Query, Engine, Broker},
		processes: map[string]*process.Process{}, http: map[string]string{},
	}
	addrs := map[string]string{}
	var errs []error
	for _, name := range append([]string{"kafka", "clickhouse"}, Members...) {
		addr, err := process.FreeAddr()
		addrs[name] = addr
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	password := rand.Text()
	dsn := "http://default@" + addrs["clickhouse"] + "/default"
	secret := []string{"CLICKHOUSE_DSN=" + dsn, "CLICKHOUSE_PASSWORD=" + password}
	kafka := []string{"KAFKA_BROKERS=" + addrs["kafka"]}
	var consumer []string
	if session > 0 {
		consumer = []string{"SESSION_TIMEOUT=" + session.String()}
	}
	standalone := func(only string) []string { return []string{"--only", only} }
	for _, m := range []struct {
		name, path string
		args, env  []string
	}{
		{Broker, "standalone", standalone(Broker), []string{"BROKER_ADDR=" + addrs["kafka"], "DATA_DIR=" + filepath.Join(dir, "kafka")}},
		{Engine, "standalone", standalone(Engine), []string{"CLICKHOUSE_PASSWORD=" + password, "ENGINE_ADDR=" + addrs["clickhouse"], "DATA_DIR=" + filepath.Join(dir, "clickhouse")}},
		{Collector, "collector", nil, slices.Concat(kafka, []string{"CREATE_TOPICS=true"})},
		{Consumer1, "consumer", nil, slices.Concat(kafka, secret, consumer)},
		{Consumer2, "consumer", nil, slices.Concat(kafka, secret, consumer)},
		{Query, "query", nil, slices.Concat(kafka, secret)},
	} {
		c.http[m.name] = addrs[m.name]
		c.processes[m.name] = process.New(process.Spec{
			Name: m.name, Path: filepath.Join(bin, m.path), Args: m.args,
			Env: append([]string{"HTTP_ADDR=" + addrs[m.name]}, m.env...), Log: filepath.Join(dir, m.name+".log"),
		})
	}
	c.Write, c.Read, c.Kafka = "http://"+addrs[Collector], "http://"+addrs[Query], addrs["kafka"]
	var err error
	c.Store, err = oracle.Open(dsn, password)
	return c, err
}

// Start starts the members and waits until each is ready.
func (c *Cluster) Start(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := c.processes[name].Start(); err != nil {
			return err
		}
	}
	for _, name := range names {
		if _, err := c.AwaitReady(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// AwaitReady waits until a member is ready, and says how long that took.
func (c *Cluster) AwaitReady(ctx context.Context, name string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	begun := time.Now()
	err := c.processes[name].AwaitReady(ctx, c.http[name])
	took := time.Since(begun)
	if err == nil && c.envFile != "" {
		c.Store, err = oracle.OpenEnvFile(c.envFile)
	}
	return took, err
}

// URL is where a member answers, health and metrics included.
func (c *Cluster) URL(name string) string { return "http://" + c.http[name] }

// Process is the member of that name.
func (c *Cluster) Process(name string) *process.Process { return c.processes[name] }

// Close kills what still runs.
func (c *Cluster) Close() {
	for _, p := range c.processes {
		p.Kill()
	}
}

// TempDir makes the folder of a run.
func TempDir() (string, error) {
	dir, err := os.MkdirTemp("", "activitylog-chaos-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the run: %w", err)
	}
	return dir, nil
}
