//go:build kafka

package cmd_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	free "github.com/activitylog/activitylog/cmd/loadgen/process"
)

// Development begins with the embedded broker and continues with a node of Apache Kafka at its address, with the same engine folder. A
// client writes all the time, except when the broker is stopped: records that only the first Kafka has are not moved.
func TestFromTheEmbeddedBrokerToApacheKafka(t *testing.T) {
	var addrs [4]string
	for i := range addrs {
		addr, err := free.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		addrs[i] = addr
	}
	kafka, engine := addrs[0], addrs[1]
	deps := []string{"DATA_DIR=" + filepath.Join(t.TempDir(), "data"), "BROKER_ADDR=" + kafka, "ENGINE_ADDR=" + engine, "CLICKHOUSE_PASSWORD=pw"}
	services := []string{"KAFKA_BROKERS=" + kafka, "CLICKHOUSE_DSN=http://default@" + engine + "/default", "CLICKHOUSE_PASSWORD=pw"}
	embedded := start(t, deps, "standalone", "--only=broker,engine")
	embedded.until(t, "/readyz", 200, "")
	migrated(t, services)
	in, through, out := start(t, services, "collector"), start(t, services, "consumer"), start(t, services, "query")
	for _, p := range []*process{in, through, out} {
		p.until(t, "/readyz", 200, `"status":"ready"`)
	}
	w := writeTo(in)
	defer w.end()
	w.await(t, 100)
	func() {
		w.writing.Lock()
		defer w.writing.Unlock()
		out.until(t, entries+"/count", 200, fmt.Sprintf(`"count":%d`, w.await(t, 0)))
		stopped(t, embedded)
	}()
	embedded = start(t, deps, "standalone", "--only=engine")
	embedded.until(t, "/readyz", 200, "")
	node := exec.Command(filepath.Join("..", "deploy", "kafka", "node.sh"))
	node.Env = append(os.Environ(), "KAFKA_DATA="+filepath.Join(t.TempDir(), "kafka"), "KAFKA_LOCAL="+kafka, "KAFKA_LOGIN="+addrs[2], "KAFKA_CONTROLLER="+addrs[3])
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Process.Kill(); _ = node.Wait() })
	migrated(t, services)
	for _, p := range []*process{in, through} {
		p.until(t, "/readyz", 503, `the tables hold entries of log `)
	}
	before := w.await(t, 0)
	time.Sleep(time.Second)
	if n := w.await(t, 0); n != before {
		t.Errorf("%d entries were acknowledged by a Kafka that the tables do not belong to", n-before)
	}
	if out, code := run(t, services, "activityctl", "adopt", "--yes"); code != 0 || !strings.Contains(out, "Done.") {
		t.Fatalf("activityctl adopt: exit %d: %s", code, out)
	}
	for _, p := range []*process{in, through, out} {
		p.until(t, "/readyz", 200, `"status":"ready"`)
	}
	w.await(t, before+100)
	total := w.end()
	out.until(t, entries+"/count", 200, fmt.Sprintf(`"count":%d`, total))
}

// migrated creates tables and topics as soon as their servers answer.
func migrated(t *testing.T, env []string) {
	t.Helper()
	for _, command := range []string{"topics", "migrate"} {
		var said string
		code := 1
		for deadline := time.Now().Add(time.Minute); code != 0 && time.Now().Before(deadline); {
			said, code = run(t, env, "activityctl", command)
		}
		if code != 0 {
			t.Fatalf("activityctl %s: exit %d: %s", command, code, said)
		}
	}
}

func stopped(t *testing.T, p *process) {
	t.Helper()
	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("got exit %d, want 0", code)
	}
}

// client posts one entry after the other, each with a key, so that a repeat after an unknown outcome is stored once.
type client struct {
	to      *process
	done    chan struct{}
	ended   chan struct{}
	writing sync.RWMutex // held for reading by each post
	acked   atomic.Int64
}

func writeTo(p *process) *client {
	c := &client{to: p, done: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		for n := 0; ; {
			select {
			case <-c.done:
				return
			default:
			}
			if c.post(n) {
				n++
				continue
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return c
}

func (c *client) post(n int) (ok bool) {
	c.writing.RLock()
	defer c.writing.RUnlock()
	req, err := http.NewRequest(http.MethodPost, "http://"+c.to.addr+entries, strings.NewReader(`{"action_type":"login","platform":"web","serial":"d"}`))
	if err != nil {
		return false
	}
	req.Header.Set("Idempotency-Key", fmt.Sprint("entry-", n))
	if status, _, _ := c.to.do(req); status != http.StatusOK {
		return false
	}
	c.acked.Add(1)
	return true
}

// end stops the client, and returns how many entries were acknowledged.
func (c *client) end() int64 {
	select {
	case <-c.done:
	default:
		close(c.done)
	}
	<-c.ended
	return c.acked.Load()
}

// await returns how many entries have been acknowledged, as soon as there are n.
func (c *client) await(t *testing.T, n int64) int64 {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if acked := c.acked.Load(); acked >= n {
			return acked
		}
	}
	t.Fatalf("fewer than %d entries were acknowledged within a minute", n)
	return 0
}
