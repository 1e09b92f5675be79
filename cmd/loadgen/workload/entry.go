package workload

import (
	"encoding/json"
	"fmt"
)

// Entry is what entry i says, in the words of the fleet dialect.
type Entry struct {
	Platform  string          `json:"platform"`
	Serial    string          `json:"serial"`
	Action    string          `json:"action_type"`
	Detail    string          `json:"action_detail"`
	Username  string          `json:"username"`
	Timestamp int64           `json:"timestamp"` // Unix ms
	Details   json.RawMessage `json:"details"`
}

// Entry is entry i as it is sent.
func (s *Source) Entry(i int) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(s.Append(nil, i, ""), &e); err != nil {
		return Entry{}, fmt.Errorf("decode entry %d: %w", i, err)
	}
	return e, nil
}
