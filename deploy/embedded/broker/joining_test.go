package broker_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/activitylog/activitylog/deploy/embedded/broker"
)

// caller is a connection that sends requests one by one.
type caller struct {
	t    *testing.T
	conn net.Conn
}

func dial(t *testing.T, b *broker.Broker) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{t, conn}
}

func (c *caller) send(req kmsg.Request) {
	c.t.Helper()
	if _, err := c.conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 7)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) ask(req kmsg.Request) kmsg.Response {
	c.t.Helper()
	c.send(req)
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	size := make([]byte, 4)
	if _, err := io.ReadFull(c.conn, size); err != nil {
		c.t.Fatalf("kind %d: %v", req.Key(), err)
	}
	body := make([]byte, binary.BigEndian.Uint32(size))
	if _, err := io.ReadFull(c.conn, body); err != nil {
		c.t.Fatalf("kind %d: %v", req.Key(), err)
	}
	res := req.ResponseKind()
	if err := res.ReadFrom(body[4:]); err != nil {
		c.t.Fatalf("kind %d: %v", req.Key(), err)
	}
	return res
}

const session = time.Second

func join(group, member string) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.SetVersion(2) // as kafka-go's
	r.Group, r.MemberID, r.ProtocolType = group, member, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = int32(session.Milliseconds()), 5000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{0, 0, 0, 0, 0, 0}
	r.Protocols = append(r.Protocols, p)
	return r
}

// member is a live member of a group.
type member struct {
	*caller
	group, id  string
	generation int32
	others     int
}

// join joins the next generation, as its leader.
func (m *member) join() {
	m.t.Helper()
	res := m.ask(join(m.group, m.id)).(*kmsg.JoinGroupResponse)
	if err := kerr.ErrorForCode(res.ErrorCode); err != nil {
		m.t.Fatalf("join: %v", err)
	}
	m.id, m.generation, m.others = res.MemberID, res.Generation, len(res.Members)-1
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.SetVersion(1)
	sync.Group, sync.MemberID, sync.Generation = m.group, m.id, m.generation
	if err := kerr.ErrorForCode(m.ask(sync).(*kmsg.SyncGroupResponse).ErrorCode); err != nil {
		m.t.Fatalf("sync: %v", err)
	}
}

// awaitRebalance reports whether the group rebalances within d.
func (m *member) awaitRebalance(d time.Duration) bool {
	m.t.Helper()
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.SetVersion(1)
	beat.Group, beat.MemberID, beat.Generation = m.group, m.id, m.generation
	for deadline := time.Now().Add(d); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		switch code := m.ask(beat).(*kmsg.HeartbeatResponse).ErrorCode; code {
		case 0:
		case kerr.RebalanceInProgress.Code:
			return true
		default:
			m.t.Fatalf("heartbeat: %v", kerr.ErrorForCode(code))
		}
	}
	return false
}

// TestAMemberThatDiedWhileItJoinedIsGivenUp: without the guard, kfake keeps about half of such members.
func TestAMemberThatDiedWhileItJoinedIsGivenUp(t *testing.T) {
	b := open(t, broker.Config{NoPassword: true, DataDir: t.TempDir()})
	t.Cleanup(func() { closeBroker(t, b) })
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			m := &member{caller: dial(t, b), group: fmt.Sprint("group-", i)}
			m.join()
			dead := dial(t, b)
			dead.send(join(m.group, ""))
			if !m.awaitRebalance(5 * time.Second) {
				t.Fatal("the second member did not join")
			}
			_ = dead.conn.Close()
			time.Sleep(50 * time.Millisecond) // the broker notices
			if m.join(); m.others != 1 {
				t.Fatalf("got %d others, want the one that died", m.others)
			}
			if !m.awaitRebalance(session + 2*time.Second) {
				t.Fatal("the dead member holds its partitions for longer than its session timeout")
			}
			if m.join(); m.others != 0 {
				t.Errorf("got %d others, want none", m.others)
			}
		})
	}
}

// TestConnectionsThatEndWhileTheyJoin: a connection whose end is hidden until the answer ends with the answer, or with the broker.
func TestConnectionsThatEndWhileTheyJoin(t *testing.T) {
	b := open(t, broker.Config{NoPassword: true, DataDir: t.TempDir()})
	m := &member{caller: dial(t, b), group: "group"}
	m.join()
	for range 3 {
		dead := dial(t, b)
		dead.send(join(m.group, ""))
		_ = dead.conn.Close()
	}
	if !m.awaitRebalance(5 * time.Second) {
		t.Fatal("no other member joined")
	}
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the broker has not closed after 10 s")
	}
}
