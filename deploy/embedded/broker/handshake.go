package broker

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// handshake completes kfake's responses while a client connects, so that clients other than kafka-go and franz-go can log in. librdkafka
// sends no SaslHandshake request unless the broker offers its version 0, as every Kafka does; it then sends version 1. librdkafka, kafkajs,
// aiokafka and kafka-python look for their mechanism in the response, which lists those that are enabled (KIP-43); kfake leaves the list
// empty.
type handshake struct {
	pending atomic.Uint64 // kind, version and correlation id of the request whose response is to be completed; 0 for none
}

// expect notes a request by its header: size, kind, version, correlation id.
func (h *handshake) expect(head [12]byte) {
	switch kmsg.Key(binary.BigEndian.Uint16(head[4:])) {
	case kmsg.ApiVersions, kmsg.SASLHandshake:
		h.pending.Store(binary.BigEndian.Uint64(head[4:]))
	}
}

const responseHead = 4 + 4 // size, correlation id

// complete returns the response to the pending request as Kafka would send it, and every other response as it is.
func (h *handshake) complete(response []byte) []byte {
	pending := h.pending.Load()
	if pending == 0 || len(response) < responseHead || uint32(pending) != binary.BigEndian.Uint32(response[4:]) {
		return response
	}
	h.pending.Store(0)
	kind, version := kmsg.Key(pending>>48), int16(pending>>32)
	if kind == kmsg.ApiVersions {
		return offerHandshake(response, version)
	}
	return listMechanisms(response, version)
}

// offerHandshake lets an ApiVersions response offer SaslHandshake from version 0 on.
func offerHandshake(response []byte, version int16) []byte {
	r := kmsg.ApiVersionsResponse{Version: version}
	if r.ReadFrom(response[responseHead:]) != nil || r.ErrorCode != 0 {
		return response
	}
	for i := range r.ApiKeys {
		if r.ApiKeys[i].ApiKey == int16(kmsg.SASLHandshake) {
			r.ApiKeys[i].MinVersion = 0
		}
	}
	return withBody(response, &r)
}

// listMechanisms puts the mechanism that is enabled into a SaslHandshake response.
func listMechanisms(response []byte, version int16) []byte {
	r := kmsg.SASLHandshakeResponse{Version: version}
	if r.ReadFrom(response[responseHead:]) != nil {
		return response
	}
	r.SupportedMechanisms = []string{"PLAIN"}
	return withBody(response, &r)
}

func withBody(response []byte, body interface{ AppendTo([]byte) []byte }) []byte {
	out := body.AppendTo(append(make([]byte, 0, len(response)+16), response[:responseHead]...))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// Write sends a response; kfake writes each one at once.
func (c *guarded) Write(response []byte) (int, error) {
	completed := c.handshake.complete(response)
	c.joining.answered(response)
	if n, err := c.Conn.Write(completed); err != nil {
		return min(n, len(response)), err
	}
	return len(response), nil
}
