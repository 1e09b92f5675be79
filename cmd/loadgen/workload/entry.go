package workload

import (
	"encoding/json"
	"fmt"
)

// Entry has the fields of entry i by their names in the fleet dialect, and the fields that only the audit dialect has.
type Entry struct {
	Platform  string          `json:"platform"`
	Serial    string          `json:"serial"`
	Action    string          `json:"action_type"`
	Detail    string          `json:"action_detail"`
	Username  string          `json:"username"`
	Timestamp int64           `json:"timestamp"` // Unix ms
	Details   json.RawMessage `json:"details"`
	UserID    string          `json:"-"`
	RequestID string          `json:"-"`
	Targets   []Target        `json:"-"`
}

// Entry is entry i as it is sent.
func (s *Source) Entry(i int) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(s.appendPlain(nil, i, ""), &e); err != nil {
		return Entry{}, fmt.Errorf("decode entry %d: %w", i, err)
	}
	if s.rich {
		e = enrich(e, i)
	}
	return e, nil
}
