// Package chaos runs the services as the separate processes that they are, breaks them while they are written to, read
// and deleted from, and then holds every stored entry against what the callers were told.
package chaos

import (
	"context"
	"crypto/rand"
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
	Names     []string // of the members, in the order in which they are started; those of ours are stopped in the order Stops
	Stops     []string
	Brokers   []string // the members that are Kafka; empty for standalone
	Write     string   // base URL of the collector
	Read      string   // base URL of the query service
	Kafka     string   // addresses of the brokers, separated by commas; empty for standalone
	Store     *oracle.Server
	processes map[string]*process.Process
	http      map[string]string // address of /readyz, by member
	kafka     map[string]string // address of Kafka, by node: it has no /readyz
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

// NewCluster prepares a cluster on the embedded broker, in the folder dir from the binaries in the folder bin. Nothing runs
// yet. The session is that of the consumers, and so how long a partition of a killed one waits; 0 is their default.
func NewCluster(dir, bin string, session time.Duration) (*Cluster, error) {
	return newCluster(dir, bin, session, Nodes{})
}

// member is a process of a cluster, as it is to be made.
type member struct {
	name, path string
	args, env  []string
}

func newCluster(dir, bin string, session time.Duration, nodes Nodes) (*Cluster, error) {
	c := &Cluster{Dir: dir, processes: map[string]*process.Process{}, http: map[string]string{}, kafka: map[string]string{}}
	brokers, err := c.brokers(nodes)
	if err != nil {
		return nil, err
	}
	addrs := map[string]string{}
	for _, name := range append([]string{"clickhouse"}, Members...) {
		if addrs[name], err = process.FreeAddr(); err != nil {
			return nil, err
		}
	}
	password := rand.Text()
	dsn := "http://default@" + addrs["clickhouse"] + "/default"
	secret := []string{"CLICKHOUSE_DSN=" + dsn, "CLICKHOUSE_PASSWORD=" + password}
	kafka := []string{"KAFKA_BROKERS=" + c.Kafka}
	var consumer []string
	if session > 0 {
		consumer = []string{"SESSION_TIMEOUT=" + session.String()}
	}
	for _, m := range append(brokers, []member{
		{Engine, "standalone", []string{"--only", Engine}, []string{"CLICKHOUSE_PASSWORD=" + password, "ENGINE_ADDR=" + addrs["clickhouse"], "DATA_DIR=" + filepath.Join(dir, "clickhouse")}},
		{Collector, "collector", nil, slices.Concat(kafka, []string{"CREATE_TOPICS=true"})},
		{Consumer1, "consumer", nil, slices.Concat(kafka, secret, consumer)},
		{Consumer2, "consumer", nil, slices.Concat(kafka, secret, consumer)},
		{Query, "query", nil, slices.Concat(kafka, secret)},
	}...) {
		c.add(bin, m, addrs[m.name])
	}
	c.Write, c.Read = "http://"+addrs[Collector], "http://"+addrs[Query]
	c.Stops = []string{Collector, Consumer1, Consumer2, Query, Engine}
	if nodes.Script == "" {
		c.Stops = append(c.Stops, Broker)
	}
	c.Store, err = oracle.Open(dsn, password)
	return c, err
}

// brokers chooses the addresses of Kafka, and says what runs it.
func (c *Cluster) brokers(nodes Nodes) ([]member, error) {
	if nodes.Script != "" {
		return c.nodes(nodes)
	}
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	c.Brokers, c.Kafka = []string{Broker}, addr
	return []member{{
		Broker, "standalone", []string{"--only", Broker}, []string{"BROKER_ADDR=" + addr, "DATA_DIR=" + filepath.Join(c.Dir, "kafka")},
	}}, nil
}

// add makes a member's process. Its path is one within the folder bin, unless it is absolute.
func (c *Cluster) add(bin string, m member, http string) {
	if !filepath.IsAbs(m.path) {
		m.path = filepath.Join(bin, m.path)
	}
	if _, node := c.kafka[m.name]; !node {
		c.http[m.name] = http
		m.env = append(m.env, "HTTP_ADDR="+http)
	}
	c.Names = append(c.Names, m.name)
	c.processes[m.name] = process.New(process.Spec{
		Name: m.name, Path: m.path, Args: m.args, Env: m.env, Log: filepath.Join(c.Dir, m.name+".log"),
	})
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
	var err error
	if addr, ok := c.kafka[name]; ok {
		err = c.awaitNode(ctx, name, addr)
	} else {
		err = c.processes[name].AwaitReady(ctx, c.http[name])
	}
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
