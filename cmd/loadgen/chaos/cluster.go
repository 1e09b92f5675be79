// Package chaos runs the services as separate processes, breaks them under a load of writes, reads and deletes, and then compares every
// stored entry with what the callers were answered.
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
	"github.com/activitylog/activitylog/cmd/loadgen/relay"
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

// startTimeout is how long a member may take to become ready.
const startTimeout = time.Minute

// Plan has the settings of a cluster.
type Plan struct {
	Session time.Duration       // of the consumers: how long the partitions of a killed one wait; 0 is the default
	Nodes   Nodes               // of Apache Kafka; without any: the embedded broker
	Relays  bool                // services reach their dependencies over relays, see Cluster.Relays
	Seed    uint64              // of the relays
	Guests  int                 // more consumers, which faults start and stop
	Env     map[string][]string // more settings, "NAME=value", by member; "consumer" is every consumer
	Folders map[string]string   // for the data of broker or engine, instead of one of the run
}

// Cluster is six processes on loopback ports, which they keep over restarts.
type Cluster struct {
	Dir       string
	Plan      Plan
	Relays    map[string]*relay.Relay // by the names below; empty without relays
	Names     []string                // of the members in start order
	Stops     []string                // members in stop order; not nodes of Apache Kafka
	Guests    []string                // members that are not in Names
	Brokers   []string                // the members that are Kafka; empty for standalone
	Write     string                  // base URL of the collector
	Read      string                  // base URL of the query service
	Kafka     string                  // addresses of the brokers, separated by commas; empty for standalone
	Store     *oracle.Server
	Operator  []string // settings of activityctl, "NAME=value"; empty for standalone
	Bin       string   // folder of the binaries
	processes map[string]*process.Process
	http      map[string]string // address of /readyz, by member
	kafka     map[string]string // address of Kafka, by node: it has no /readyz
	envFile   string            // services.env of standalone, with its database; else empty
}

// Alone is the only member of a cluster of one standalone process.
const Alone = "standalone"

// NewStandalone prepares a cluster of one standalone process.
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

// NewCluster prepares a cluster in the folder dir with the binaries in the folder bin. It starts nothing.
func NewCluster(ctx context.Context, dir, bin string, plan Plan) (*Cluster, error) {
	c := &Cluster{
		Dir: dir, Bin: bin, Plan: plan, processes: map[string]*process.Process{}, http: map[string]string{}, kafka: map[string]string{},
		Relays: map[string]*relay.Relay{},
	}
	brokers, err := c.brokers(plan.Nodes)
	if err != nil {
		return nil, err
	}
	clickhouse, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	if err := c.openRelays(ctx, clickhouse); err != nil {
		return nil, err
	}
	password := rand.Text()
	for _, m := range append(brokers, c.services(clickhouse, password)...) {
		if err := c.add(bin, m); err != nil {
			return nil, err
		}
	}
	c.Write, c.Read = c.URL(Collector), c.URL(Query)
	c.Operator = []string{"KAFKA_BROKERS=" + c.Kafka, "CLICKHOUSE_DSN=" + dsn(clickhouse), "CLICKHOUSE_PASSWORD=" + password}
	c.Stops = []string{Collector, Consumer1, Consumer2, Query, Engine}
	if plan.Nodes.Script == "" {
		c.Stops = append(c.Stops, Broker)
	}
	c.Store, err = oracle.Open(dsn(clickhouse), password)
	return c, err
}

func dsn(clickhouse string) string { return "http://default@" + clickhouse + "/default" }

// member is the specification of a process of a cluster.
type member struct {
	name, path string
	args, env  []string
	guest      bool
}

// services returns the members except those of Kafka.
func (c *Cluster) services(clickhouse, password string) []member {
	secret := "CLICKHOUSE_PASSWORD=" + password
	env := func(service string) []string {
		env := []string{"KAFKA_BROKERS=" + c.via(service+ToBroker, c.Kafka)}
		if service == Collector {
			return append(env, "CREATE_TOPICS=true")
		}
		return append(env, secret, "CLICKHOUSE_DSN="+dsn(c.via(service+ToEngine, clickhouse)))
	}
	consumer := env("consumer")
	if c.Plan.Session > 0 {
		consumer = append(consumer, "SESSION_TIMEOUT="+c.Plan.Session.String())
	}
	members := []member{
		{name: Engine, path: "standalone", args: []string{"--only", Engine}, env: []string{secret, "ENGINE_ADDR=" + clickhouse, "DATA_DIR=" + c.Folder(Engine, "clickhouse")}},
		{name: Collector, path: "collector", env: env(Collector)},
		{name: Consumer1, path: "consumer", env: consumer},
		{name: Consumer2, path: "consumer", env: consumer},
		{name: Query, path: "query", env: env(Query)},
	}
	for i := range c.Plan.Guests {
		members = append(members, member{name: fmt.Sprintf("consumer-%d", 3+i), path: "consumer", env: consumer, guest: true})
	}
	return members
}

// Folder returns the data folder of a member.
func (c *Cluster) Folder(member, otherwise string) string {
	if dir, ok := c.Plan.Folders[member]; ok {
		return dir
	}
	return filepath.Join(c.Dir, otherwise)
}

// brokers chooses the addresses of Kafka, and returns its members.
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
		Broker, "standalone", []string{"--only", Broker}, []string{"BROKER_ADDR=" + addr, "DATA_DIR=" + c.Folder(Broker, "kafka")}, false,
	}}, nil
}

// add creates the process of a member. A relative path is in the folder bin.
func (c *Cluster) add(bin string, m member) error {
	if !filepath.IsAbs(m.path) {
		m.path = filepath.Join(bin, m.path)
	}
	env := slices.Clone(m.env)
	if !c.IsNode(m.name) {
		addr, err := process.FreeAddr()
		if err != nil {
			return err
		}
		c.http[m.name] = addr
		env = append(env, "HTTP_ADDR="+addr)
	}
	if m.path == filepath.Join(bin, "consumer") {
		env = append(env, c.Plan.Env["consumer"]...)
	}
	if m.guest {
		c.Guests = append(c.Guests, m.name)
	} else {
		c.Names = append(c.Names, m.name)
	}
	c.processes[m.name] = process.New(process.Spec{
		Name: m.name, Path: m.path, Args: m.args, Env: append(env, c.Plan.Env[m.name]...), Log: filepath.Join(c.Dir, m.name+".log"),
	})
	return nil
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

// AwaitReady waits until a member is ready, and returns how long that took.
func (c *Cluster) AwaitReady(ctx context.Context, name string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
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

// IsNode reports whether the member is a node of Apache Kafka, which serves no HTTP.
func (c *Cluster) IsNode(name string) bool {
	_, node := c.kafka[name]
	return node
}

// URL returns the base URL of a member.
func (c *Cluster) URL(name string) string { return "http://" + c.http[name] }

// Process returns the process of a member.
func (c *Cluster) Process(name string) *process.Process { return c.processes[name] }

// Close kills the members that still run.
func (c *Cluster) Close() {
	for _, p := range c.processes {
		p.Kill()
	}
	for _, r := range c.Relays {
		_ = r.Close() // every process is dead
	}
}

// TempDir creates the folder of a run.
func TempDir() (string, error) {
	dir, err := os.MkdirTemp("", "activitylog-chaos-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the run: %w", err)
	}
	return dir, nil
}
