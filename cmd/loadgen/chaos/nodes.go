package chaos

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/loadgen/process"
)

// Nodes are of Apache Kafka, in the place of the embedded broker.
type Nodes struct {
	Script string // deploy/kafka/node.sh, which becomes one; empty for the embedded broker
	Count  int    // 1, or 3 that keep a copy of every record each
}

// nodes chooses the addresses of some nodes, and says what runs them.
func (c *Cluster) nodes(n Nodes) ([]member, error) {
	script, err := filepath.Abs(n.Script)
	if err != nil {
		return nil, fmt.Errorf("find the script of a node: %w", err)
	}
	var members []member
	var local, voters []string
	for i := 1; i <= n.Count; i++ {
		name, addrs := fmt.Sprintf("%s-%d", Broker, i), [3]string{}
		if n.Count == 1 {
			name = Broker
		}
		for k := range addrs {
			if addrs[k], err = process.FreeAddr(); err != nil {
				return nil, err
			}
		}
		local, voters = append(local, addrs[0]), append(voters, fmt.Sprintf("%d@%s", i, addrs[2]))
		c.Brokers, c.kafka[name] = append(c.Brokers, name), addrs[0]
		members = append(members, member{name: name, path: script, env: []string{
			"KAFKA_DATA=" + filepath.Join(c.Dir, name), "KAFKA_NODE=" + strconv.Itoa(i),
			"KAFKA_LOCAL=" + addrs[0], "KAFKA_LOGIN=" + addrs[1], "KAFKA_CONTROLLER=" + addrs[2],
		}})
	}
	for i := range members {
		members[i].env = append(members[i].env, "KAFKA_VOTERS="+strings.Join(voters, ","))
	}
	c.Kafka = strings.Join(local, ",")
	return members, nil
}

// awaitNode waits until the node at addr is part of its cluster. It gives up when ctx ends or, at once, when the node does.
func (c *Cluster) awaitNode(ctx context.Context, name, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address of %s: %w", name, err)
	}
	transport := &kafka.Transport{DialTimeout: time.Second, MetadataTTL: 100 * time.Millisecond}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Timeout: time.Second, Transport: transport}
	for p := c.processes[name]; ; Sleep(ctx, 50*time.Millisecond) {
		meta, err := client.Metadata(ctx, &kafka.MetadataRequest{})
		if err == nil {
			for _, b := range meta.Brokers {
				if strconv.Itoa(b.Port) == port {
					return nil
				}
			}
		}
		if !p.Running() {
			return fmt.Errorf("%s ended before it was ready; see %s", name, p.Log)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s: %w", name, err)
		}
	}
}
