package broker

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// longestJoin is how long a JoinGroup request may wait for the other members: as long as Kafka waits for a new member.
const longestJoin = 5 * time.Minute

// joining is a connection's JoinGroup request while kfake has not answered it. kfake starts the session timeout of a new member when it
// hands the response to the connection. If the connection has ended by then, kfake starts none, and the member keeps partitions that
// nobody reads until the next rebalance: a consumer that was killed while it joined held half of the log for two minutes. So kfake learns
// of the end of a connection only after it has answered.
type joining struct {
	mu          sync.Mutex // guards what follows
	correlation uint32
	done        chan struct{} // closed when the request is answered; nil: there is none
}

// expect notes a request by its head: size, kind, version, correlation id.
func (j *joining) expect(head [12]byte) {
	if kmsg.Key(binary.BigEndian.Uint16(head[4:])) != kmsg.JoinGroup {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.correlation, j.done = binary.BigEndian.Uint32(head[8:]), make(chan struct{})
}

// answered notes a response.
func (j *joining) answered(response []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.done != nil && len(response) >= responseHead && binary.BigEndian.Uint32(response[4:]) == j.correlation {
		close(j.done)
		j.done = nil
	}
}

// wait returns when no request is waiting for its answer any more, or closed is closed.
func (j *joining) wait(closed <-chan struct{}) {
	j.mu.Lock()
	done := j.done
	j.mu.Unlock()
	if done == nil {
		return
	}
	limit := time.NewTimer(longestJoin)
	defer limit.Stop()
	select {
	case <-done:
	case <-closed:
	case <-limit.C:
	}
}
