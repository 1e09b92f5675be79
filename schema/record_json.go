package schema

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/activitylog/activitylog/schema/activitypb"
)

// jsonEntry is one entry in the JSON form that other producers write to the topic.
type jsonEntry struct {
	Tenant     string          `json:"tenant"`
	Timestamp  jsonTime        `json:"timestamp"`  // receivedAt if missing
	ReceivedAt jsonTime        `json:"receivedAt"` // the time of the record if missing
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
		Name string `json:"name"`
	} `json:"targets"`
	ActorLabel string `json:"actorLabel"` // the actor's display name
	IPAddress  string `json:"ipAddress"`
	UserAgent  string `json:"userAgent"`
	Layer      string `json:"layer"`
}

// jsonTime is a time in Unix ms, in any of the forms that the write endpoints accept.
type jsonTime int64

// UnmarshalJSON reads a number of Unix seconds or milliseconds, or a text of ISO 8601.
func (t *jsonTime) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	var at Instant
	var iso string
	err := json.Unmarshal(text, &iso)
	if err == nil {
		at, err = ParseISO(iso)
	} else {
		at, err = ParseUnix("timestamp", string(text))
	}
	*t = jsonTime(at.Millis)
	return err
}

func decodeJSONRecord(value []byte, b *activitypb.ActivityBatch) error {
	var j jsonEntry
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if dec.More() {
		return fmt.Errorf("%w: text after the entry", ErrRecord)
	}
	if j.Details != nil && j.Details[0] != '{' {
		return fmt.Errorf("%w: details must be an object", ErrRecord)
	}
	if j.Tenant == "" {
		j.Tenant = DefaultTenant
	}
	e := &activitypb.Entry{
		Timestamp: int64(j.Timestamp), Action: j.Action, Platform: j.Platform, Device: j.Device, ActorId: j.ActorID,
		ActorName: j.ActorName, ActorKind: j.ActorKind, RequestId: j.RequestID, Detail: j.Detail, Details: j.Details,
	}
	for _, t := range j.Targets {
		e.Targets = append(e.Targets, t.Type+"\x00"+t.ID)
	}
	var err error
	if e.Extra, err = j.extra(); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	*b = activitypb.ActivityBatch{Version: RecordVersion, Chunks: []*activitypb.Chunk{{
		ReceivedAt: int64(j.ReceivedAt), Tenant: j.Tenant, Entries: []*activitypb.Entry{e},
	}}}
	return nil
}

// extra encodes the fields without a column. It validates them, because nothing does so later. It is empty for most entries.
func (j *jsonEntry) extra() ([]byte, error) {
	for _, f := range [...]struct{ name, value string }{
		{"actorLabel", j.ActorLabel}, {"ipAddress", j.IPAddress}, {"userAgent", j.UserAgent}, {"layer", j.Layer},
	} {
		if err := CheckText(f.name, f.value, MaxNameBytes); err != nil {
			return nil, err
		}
	}
	x := activitypb.Extra{ActorLabel: j.ActorLabel, IpAddress: j.IPAddress, UserAgent: j.UserAgent, Layer: j.Layer}
	named := false
	for _, t := range j.Targets {
		if err := CheckText("targets", t.Name, MaxNameBytes); err != nil {
			return nil, err
		}
		x.TargetNames = append(x.TargetNames, t.Name)
		named = named || t.Name != ""
	}
	if !named {
		x.TargetNames = nil
	}
	b, err := x.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode extra: %w", err)
	}
	return b, nil
}
