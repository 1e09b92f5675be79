package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// TopicIDs holds the ids that Kafka gave the topics when they were created (KIP-516), by name. A topic that does not exist is missing. The
// id of an existing topic is "" if the broker is too old to report it (before Kafka 2.8).
func TopicIDs(ctx context.Context, client *kafka.Client, names ...string) (map[string]string, error) {
	transport := client.Transport
	if transport == nil {
		transport = kafka.DefaultTransport
	}
	var res kafka.Response
	err := overDeadConnections(ctx, func() (err error) {
		res, err = transport.RoundTrip(ctx, client.Addr, &idRequest{names})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up the ids of topics: %w", err)
	}
	ids := res.(*idResponse)
	if ids.known {
		return ids.byName, nil
	}
	for _, name := range names {
		switch _, err := Partitions(ctx, client, name); {
		case errors.Is(err, kafka.UnknownTopicOrPartition):
		case err != nil:
			return nil, err
		default:
			ids.byName[name] = ""
		}
	}
	return ids.byName, nil
}

// deadConnections is how many idle connections may be broken before a new one is opened.
const deadConnections = 8

// overDeadConnections repeats a request that changes nothing while it gets broken idle connections.
func overDeadConnections(ctx context.Context, request func() error) error {
	err := request()
	for range deadConnections {
		if err == nil || ctx.Err() != nil || !broken(err) {
			break
		}
		err = request()
	}
	return err
}

// broken reports whether err means that an existing connection was broken.
func broken(err error) bool {
	for _, e := range [...]error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Versions of the two requests that are encoded here, because kafka-go supports only versions without topic ids.
const (
	versionsVersion = 0
	metadataVersion = 10
	clientID        = "activitylog"
	maxReply        = 16 << 20
)

// idRequest asks for the metadata of topics over the transport's connections. kafka-go lets a message that is a protocol.RawExchanger write
// and read its bytes itself.
type idRequest struct{ names []string }

type idResponse struct {
	known  bool // the broker reports ids
	byName map[string]string
}

func (*idRequest) ApiKey() protocol.ApiKey  { return protocol.Metadata } //nolint:revive // the interface's name
func (*idResponse) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive // the interface's name

// Required says that the message is never written by kafka-go.
func (*idRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange asks whether the broker reports topic ids, and for the ids.
func (r *idRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	highest, err := metadataOffered(rw)
	if err != nil {
		return nil, err
	}
	res := &idResponse{known: highest >= metadataVersion, byName: map[string]string{}}
	if !res.known {
		return res, nil
	}
	body := append([]byte{0}, compactLength(len(r.names))...) // no tagged fields in the header
	for _, name := range r.names {
		body = append(body, make([]byte, 16)...) // asked by name, not by id
		body = append(append(append(body, compactLength(len(name))...), name...), 0)
	}
	body = append(body, 0, 0, 0, 0) // create no topics, report no permissions of cluster and topics, no tagged fields
	reply, err := ask(rw, int16(protocol.Metadata), metadataVersion, body)
	if err != nil {
		return nil, err
	}
	return res, res.read(reply)
}

// metadataOffered returns the highest version of metadata requests that the broker supports.
func metadataOffered(rw io.ReadWriter) (highest int16, err error) {
	d, err := ask(rw, int16(protocol.ApiVersions), versionsVersion, nil)
	if err != nil {
		return 0, err
	}
	if code := d.int16(); code != 0 {
		return 0, kafka.Error(code)
	}
	for range d.int32() {
		if key, _, most := d.int16(), d.int16(), d.int16(); key == int16(protocol.Metadata) {
			highest = most
		}
		if d.err != nil {
			break
		}
	}
	return highest, d.err
}

// read takes the ids from a reply of version 10.
func (r *idResponse) read(d *decoder) error {
	d.tags()
	d.skip(4) // throttle time
	for range d.compact() {
		d.skip(4) // node
		d.skip(d.compact())
		d.skip(4) // port
		d.skip(d.compact())
		d.tags()
	}
	d.skip(d.compact()) // cluster
	d.skip(4)           // controller
	for range d.compact() {
		code, name := kafka.Error(d.int16()), string(d.take(d.compact()))
		id, _ := uuid.FromBytes(d.take(16)) // fails only where d has
		d.skip(1)                           // internal
		d.partitions()
		d.skip(4) // permissions
		d.tags()
		switch {
		case d.err != nil:
			return d.err
		case code == 0 || errors.Is(code, kafka.LeaderNotAvailable):
			r.byName[name] = id.String()
		case !errors.Is(code, kafka.UnknownTopicOrPartition):
			return fmt.Errorf("topic %s: %w", name, code)
		}
	}
	return d.err
}

func (d *decoder) partitions() {
	for range d.compact() {
		d.skip(2 + 4 + 4 + 4) // error, partition, leader, its epoch
		for range 3 {         // replicas, those in sync, those that are away
			d.skip(4 * d.compact())
		}
		d.tags()
	}
}

// ask sends a request and returns the reply without its correlation id.
func ask(rw io.ReadWriter, key, version int16, body []byte) (*decoder, error) {
	const correlation = 1
	head := binary.BigEndian.AppendUint16(make([]byte, 4, 64), uint16(key))
	head = binary.BigEndian.AppendUint16(head, uint16(version))
	head = binary.BigEndian.AppendUint32(head, correlation)
	head = append(binary.BigEndian.AppendUint16(head, uint16(len(clientID))), clientID...)
	message := append(head, body...)
	binary.BigEndian.PutUint32(message, uint32(len(message)-4))
	if _, err := rw.Write(message); err != nil {
		return nil, fmt.Errorf("write a request: %w", err)
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, fmt.Errorf("read a reply: %w", err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > maxReply {
		return nil, fmt.Errorf("read a reply: %d bytes", n)
	}
	reply := make([]byte, n)
	if _, err := io.ReadFull(rw, reply); err != nil {
		return nil, fmt.Errorf("read a reply: %w", err)
	}
	d := &decoder{b: reply}
	if got := d.int32(); got != correlation {
		return nil, fmt.Errorf("read a reply: got the one to request %d", got)
	}
	return d, nil
}

// compactLength writes a length as newer versions of the protocol do: one more, because 0 stands for null (KIP-482).
func compactLength(n int) []byte { return binary.AppendUvarint(nil, uint64(n)+1) }

var errShort = errors.New("reply ends early")

// decoder reads the fields of a reply. After its first error it returns zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.b, d.err = nil, errShort
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) skip(n int) { d.take(n) }

func (d *decoder) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errShort
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number of elements, each of which takes a byte or more.
func (d *decoder) count(n uint64) int {
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errShort
		return 0
	}
	return int(n)
}

// compact reads the length of an array or a text; 0 for null.
func (d *decoder) compact() int { return d.count(max(1, d.uvarint()) - 1) }

// tags skips fields that a newer broker may add.
func (d *decoder) tags() {
	for range d.count(d.uvarint()) {
		d.uvarint()
		d.skip(d.count(d.uvarint()))
	}
}
