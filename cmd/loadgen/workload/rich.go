package workload

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Rich returns the same workload in the words of the audit dialect, with more in its entries: account ids, request ids and targets,
// and without a device or an account name in some. Its entries count in every way that a rollup counts: chaos sends them.
// Performance is measured without: the figures would not compare with earlier ones.
func (s *Source) Rich() *Source {
	rich := *s
	rich.rich = true
	return &rich
}

// IsRich says whether s is the workload in the audit dialect.
func (s *Source) IsRich() bool { return s.rich }

// Target is what an entry is about.
type Target struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// patterns of targets: none, one, several of one type, the same one twice, several types, and targets of the type that stands
// for devices in filters, with or without a device in the entry.
var patterns = [...][]Target{
	{},
	{{"DOOR", "1"}},
	{{"DOOR", "1"}, {"DOOR", "2"}},
	{{"DOOR", "1"}, {"DOOR", "1"}},
	{{"ROOM", "7"}, {"DOOR", "1"}},
	{{"DEVICE", "0"}, {"TASK", "3"}},
	{{"DEVICE", "0"}, {"DEVICE", "0"}, {"DEVICE", "1"}},
	{{"TASK", "3"}, {"ROOM", "7"}, {"TASK", "4"}, {"ROOM", "7"}, {"DOOR", "1"}, {"TASK", "3"}},
}

// enrich adds the fields of a rich entry to the plain entry i.
func enrich(e Entry, i int) Entry {
	h := uint64(i)*0x9e3779b97f4a7c15 + 1
	h = (h ^ h>>29) * 0xbf58476d1ce4e5b9 >> 8
	draw := func(n uint64) uint64 { v := h % n; h /= n; return v }
	e.Targets = patterns[draw(uint64(len(patterns)))]
	if draw(4) > 0 {
		e.UserID = "u-" + strconv.FormatUint(draw(300), 10)
	}
	if draw(4) == 0 {
		e.Username = "" // an actor with an account id is then named by the id
	}
	if draw(5) == 0 {
		e.Serial = ""
	}
	if draw(2) == 0 {
		e.RequestID = "req-" + strconv.Itoa(i)
	}
	return e
}

// Same says whether two entries say the same.
func (e *Entry) Same(o *Entry) bool {
	return e.Platform == o.Platform && e.Serial == o.Serial && e.Action == o.Action && e.Detail == o.Detail && e.Username == o.Username &&
		e.Timestamp == o.Timestamp && string(e.Details) == string(o.Details) &&
		e.UserID == o.UserID && e.RequestID == o.RequestID && slices.Equal(e.Targets, o.Targets)
}

// auditEntry is an entry in the words of the audit dialect.
type auditEntry struct {
	Platform  string          `json:"platform"`
	Serial    string          `json:"serial,omitempty"`
	Action    string          `json:"action"`
	Detail    string          `json:"detail"`
	Username  string          `json:"username,omitempty"`
	UserID    string          `json:"userId,omitempty"`
	RequestID string          `json:"requestId,omitempty"`
	Targets   []Target        `json:"targets,omitempty"`
	Timestamp int64           `json:"timestamp"` // Unix ms
	Details   json.RawMessage `json:"details,omitempty"`
	EventID   string          `json:"eventId,omitempty"`
}

func (s *Source) appendRich(b []byte, i int, key string) []byte {
	e, err := s.Entry(i)
	if err != nil {
		panic(err) // the templates are our own
	}
	text, err := json.Marshal(auditEntry{
		Platform: e.Platform, Serial: e.Serial, Action: e.Action, Detail: e.Detail, Username: e.Username, UserID: e.UserID,
		RequestID: e.RequestID, Targets: e.Targets, Timestamp: e.Timestamp, Details: e.Details, EventID: key,
	})
	if err != nil {
		panic(err)
	}
	return append(b, text...)
}
