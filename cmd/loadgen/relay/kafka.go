package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// maxFrame bounds a request or a response; Kafka's own default is 100 MB (socket.request.max.bytes).
const maxFrame = 100 << 20

// OpenKafka relays to the nodes of a Kafka cluster. It replaces addresses of nodes in responses with its own ports, so that clients
// connect through the relay. Clients must be kafka-go: the relay knows no other versions of requests.
func OpenKafka(ctx context.Context, nodes []string, seed uint64) (*Relay, error) {
	r, err := listen(ctx, nodes, seed)
	if err != nil {
		return nil, err
	}
	r.speaks = func(l *link) { (&stream{link: l, asked: map[int32]asked{}}).run() }
	r.accept()
	return r, nil
}

// asked is a request without a response yet.
type asked struct {
	kind    protocol.ApiKey
	version int16
}

// stream is a connection with the Kafka protocol.
type stream struct {
	*link
	writing sync.Mutex // of complete responses to the client

	mu    sync.Mutex // guards asked
	asked map[int32]asked
}

func (s *stream) run() { s.both(s.requests, s.answers) }

func (s *stream) requests() {
	for {
		frame, err := readFrame(s.caller)
		if err != nil || len(frame) < 4+8 { // size; kind, version, correlation id
			return
		}
		what := asked{protocol.ApiKey(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))}
		f := s.current().Faults
		if what.kind == protocol.Produce && f.Refuse != 0 && s.below(f.Share) {
			s.refused.Add(1)
			if s.refuse(frame, f.Refuse) != nil {
				return
			}
			continue
		}
		s.mu.Lock()
		s.asked[int32(binary.BigEndian.Uint32(frame[8:]))] = what
		s.mu.Unlock()
		if f.Break > 0 && s.below(f.Break) {
			s.broken.Add(1)
			_, _ = s.target.Write(frame[:len(frame)/2])
			return
		}
		if _, err := s.target.Write(frame); err != nil {
			return
		}
	}
}

// refuse answers a produce request without passing it to the node.
func (s *stream) refuse(frame []byte, why kafka.Error) error {
	version, correlation, _, msg, err := protocol.ReadRequest(bytes.NewReader(frame))
	if err != nil {
		return fmt.Errorf("read a produce request: %w", err)
	}
	var res produce.Response
	for _, t := range msg.(*produce.Request).Topics {
		topic := produce.ResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, produce.ResponsePartition{Partition: p.Partition, ErrorCode: int16(why), BaseOffset: -1})
		}
		res.Topics = append(res.Topics, topic)
	}
	return s.write(version, correlation, &res)
}

func (s *stream) write(version int16, correlation int32, msg protocol.Message) error {
	var b bytes.Buffer
	if err := protocol.WriteResponse(&b, version, correlation, msg); err != nil {
		return err
	}
	return s.pass(b.Bytes())
}

func (s *stream) pass(frame []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.caller.Write(frame)
	return err
}

func (s *stream) answers() {
	for {
		frame, err := readFrame(s.target)
		if err != nil || len(frame) < 4+4 {
			return
		}
		what, ok := s.awaited(int32(binary.BigEndian.Uint32(frame[4:])))
		if ok && !s.answer(&what.kind) {
			return
		}
		if ok {
			frame, err = s.rewrite(frame, what)
		}
		if err != nil || s.pass(frame) != nil {
			return
		}
	}
}

func (s *stream) awaited(correlation int32) (asked, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what, ok := s.asked[correlation]
	delete(s.asked, correlation)
	return what, ok
}

// rewrite changes addresses of nodes and outcomes of records in a response.
func (s *stream) rewrite(frame []byte, what asked) ([]byte, error) {
	deny := s.current().Faults
	denied := what.kind == protocol.Produce && deny.Deny != 0 && s.below(deny.Share)
	if !denied && what.kind != protocol.Metadata && what.kind != protocol.FindCoordinator {
		return frame, nil
	}
	if what.version > what.kind.MaxVersion() { // asked for the ids of topics, see schema/kafka.TopicIDs: its addresses are not used
		return frame, nil
	}
	correlation, msg, err := protocol.ReadResponse(bytes.NewReader(frame), what.kind, what.version)
	if err != nil {
		return nil, fmt.Errorf("read a response: %w", err)
	}
	switch m := msg.(type) {
	case *metadata.Response:
		for i := range m.Brokers {
			m.Brokers[i].Host, m.Brokers[i].Port = s.instead(m.Brokers[i].Host, m.Brokers[i].Port)
		}
	case *findcoordinator.Response:
		m.Host, m.Port = s.instead(m.Host, m.Port)
	case *produce.Response:
		s.denied.Add(1)
		for _, t := range m.Topics {
			for i := range t.Partitions {
				t.Partitions[i].ErrorCode, t.Partitions[i].BaseOffset = int16(deny.Deny), -1
			}
		}
	}
	var b bytes.Buffer
	if err := protocol.WriteResponse(&b, what.version, correlation, msg); err != nil {
		return nil, fmt.Errorf("write a response: %w", err)
	}
	return b.Bytes(), nil
}

// instead returns the port of the relay for a node. It keeps the address of a node that is not a target.
func (s *stream) instead(host string, port int32) (string, int32) {
	i := slices.Index(s.targets, net.JoinHostPort(host, strconv.Itoa(int(port))))
	if i < 0 {
		return host, port
	}
	at := s.listeners[i].Addr().(*net.TCPAddr)
	return at.IP.String(), int32(at.Port)
}

// readFrame reads a request or a response, with the four bytes of its size.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", size)
	}
	frame := make([]byte, 4+size)
	copy(frame, head[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}
