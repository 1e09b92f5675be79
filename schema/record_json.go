package schema

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/activitylog/activitylog/schema/activitypb"
)

// jsonEntry is one entry as other producers write it to the topic.
type jsonEntry struct {
	Tenant     string          `json:"tenant"`
	Timestamp  int64           `json:"timestamp"`  // Unix ms; missing: received_at
	ReceivedAt int64           `json:"receivedAt"` // Unix ms; missing: when the record was appended
	Action     string          `json:"action"`
	Platform   string          `json:"platform"`
	Device     string          `json:"device"`
	ActorID    string          `json:"actorId"`
	ActorName  string          `json:"actorName"`
	ActorKind  string          `json:"actorKind"`
	RequestID  string          `json:"requestId"`
	Detail     string          `json:"detail"`
	Details    json.RawMessage `json:"details"`
	Targets    []struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"targets"`
}

func decodeJSONRecord(value []byte, b *activitypb.ActivityBatch) error {
	var j jsonEntry
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if dec.More() {
		return fmt.Errorf("%w: text behind the entry", ErrRecord)
	}
	if j.Details != nil && j.Details[0] != '{' {
		return fmt.Errorf("%w: details must be an object", ErrRecord)
	}
	if j.Tenant == "" {
		j.Tenant = DefaultTenant
	}
	e := &activitypb.Entry{
		Timestamp: j.Timestamp, Action: j.Action, Platform: j.Platform, Device: j.Device, ActorId: j.ActorID,
		ActorName: j.ActorName, ActorKind: j.ActorKind, RequestId: j.RequestID, Detail: j.Detail, Details: j.Details,
	}
	for _, t := range j.Targets {
		e.Targets = append(e.Targets, t.Type+"\x00"+t.ID)
	}
	*b = activitypb.ActivityBatch{Version: RecordVersion, Chunks: []*activitypb.Chunk{{
		ReceivedAt: j.ReceivedAt, Tenant: j.Tenant, Entries: []*activitypb.Entry{e},
	}}}
	return nil
}
