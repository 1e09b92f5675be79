package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

// decodeAudit decodes a text of one audit entry.
func decodeAudit(text string) (*auditDecoder, error) {
	d := new(auditDecoder)
	return d, decodeWith(d, text)
}

// fullAudit is an audit entry with every field; fullEntry is what it stands for.
const fullAudit = `{"action":"TICKET_PAY","timestamp":"2026-02-12T08:03:20.123Z","userId":"abc-123","user":{"id":"abc-123","username":"ada","name":"Ada L.","kind":"business"},
"username":"ada","targets":[{"type":"TICKET","id":"t-456","name":"Lunch"},{"id":"u 7","type":"USER"}],"detail":"paid é\n","details":{"amount": 5.0},"platform":"web",
"serial":"SN-1","ipAddress":"192.168.1.100","userAgent":"Mozilla/5.0","requestId":"req-1","layer":"api","eventId":"e-1"}`

func fullEntry() schema.Entry {
	return schema.Entry{
		Timestamp: 1770883400123, Action: "TICKET_PAY", Platform: "web", Device: "SN-1", ActorID: "abc-123", ActorName: "ada", ActorKind: "business",
		Targets: []schema.Target{{Type: "TICKET", ID: "t-456", Name: "Lunch"}, {Type: "USER", ID: "u 7"}}, RequestID: "req-1",
		Detail: "paid é\n", Details: `{"amount": 5.0}`,
		Extra: schema.Extra{ActorLabel: "Ada L.", IPAddress: "192.168.1.100", UserAgent: "Mozilla/5.0", Layer: "api"},
	}
}

func TestDecodeAudit(t *testing.T) {
	for _, c := range []struct {
		text string
		want schema.Entry
	}{
		{fullAudit, fullEntry()},
		{`{"action":"a"}`, schema.Entry{Action: "a"}},
		{`{"acti\u006fn":"\u0061"}`, schema.Entry{Action: "a"}},
		{
			`{"action":"a","timestamp":null,"userId":null,"user":null,"username":null,"targetType":null,"targetId":null,"targetName":null,"targets":null,"detail":null,
			"details":null,"platform":null,"serial":null,"ipAddress":null,"userAgent":null,"requestId":null,"layer":null,"eventId":null}`,
			schema.Entry{Action: "a"},
		},
		{`{"action":"a","user":{"id":null,"username":null,"name":null,"kind":null},"targets":[]}`, schema.Entry{Action: "a"}},
		{`{"action":"a","user":{ }}`, schema.Entry{Action: "a"}},
		{`{"action":"a","user":{"id":"7","username":"u","name":"N"}}`, schema.Entry{Action: "a", ActorID: "7", ActorName: "u", Extra: schema.Extra{ActorLabel: "N"}}},
		{`{"user":{"id":"7"},"userId":"7","action":"a"}`, schema.Entry{Action: "a", ActorID: "7"}},
		{`{"action":"a","targetType":"T","targetId":"1"}`, schema.Entry{Action: "a", Targets: []schema.Target{{Type: "T", ID: "1"}}}},
		{`{"action":"a","targetName":"N","targetId":"1","targetType":"T","targets":null}`, schema.Entry{Action: "a", Targets: []schema.Target{{Type: "T", ID: "1", Name: "N"}}}},
		{`{"action":"a","targets":[ {"type":"T","id":"1"} , {"type":"T","id":"1"} ]}`, schema.Entry{Action: "a", Targets: []schema.Target{{Type: "T", ID: "1"}, {Type: "T", ID: "1"}}}},
		{
			`{"action":"\ud83d","user":{"name":"A\ud83d"},"targets":[{"type":"T\udc00","id":"\ud800\ud83d\ude00"}],"detail":"\ud800\u0041","details":{"\ud83d":"\ud83d"}}`,
			schema.Entry{
				Action: "\ufffd", Extra: schema.Extra{ActorLabel: "A\ufffd"}, Targets: []schema.Target{{Type: "T\ufffd", ID: "\ufffd😀"}}, Detail: "\ufffdA",
				Details: `{"\ud83d":"\ud83d"}`,
			},
		},
		{`{"action":"a","timestamp":1707725000000}`, schema.Entry{Action: "a", Timestamp: 1707725000000}},
		{`{"action":"a","timestamp":1707725000}`, schema.Entry{Action: "a", Timestamp: 1707725000000}},
	} {
		d, err := decodeAudit(c.text)
		c.want.ReceivedAt = received
		if diff := cmp.Diff(c.want, d.entry); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", c.text, err, diff)
		}
	}
	if d, _ := decodeAudit(fullAudit); d.eventID != "e-1" {
		t.Errorf("event id %q, want e-1", d.eventID)
	}
}

func TestAuditRefuses(t *testing.T) {
	long := strings.Repeat("x", schema.MaxNameBytes+1)
	with := func(member string) string { return `{"action":"a",` + member + `}` }
	target := `{"type":"T","id":"1"}`
	for _, c := range []struct{ text, field, code string }{
		{`{}`, "action", "REQUIRED"},
		{`{"action":""}`, "action", "REQUIRED"},
		{`{"action":null}`, "action", "REQUIRED"},
		{`{"action":1}`, "action", "TYPE"},
		{`{"action":"a","action":"a"}`, "action", "DUPLICATE"},
		{with(`"userId":7`), "userId", "TYPE"},
		{with(`"user":"ada"`), "user", "TYPE"},
		{with(`"user":[]`), "user", "TYPE"},
		{with(`"user":{"id":7}`), "user.id", "TYPE"},
		{with(`"user":{"username":{}}`), "user.username", "TYPE"},
		{with(`"user":{"name":"` + long + `"}`), "user.name", "TOO_LARGE"},
		{with(`"user":{"kind":"\u0000"}`), "user.kind", "NUL"},
		{with(`"user":{"role":"ADMIN"}`), "user.role", "UNKNOWN"},
		{with(`"user":{"name":"x","name":"x"}`), "user.name", "DUPLICATE"},
		{with(`"user":{},"user":{}`), "user", "DUPLICATE"},
		{with(`"userId":"1","user":{"id":"2"}`), "user.id", "CONFLICT"},
		{with(`"user":{"username":"b"},"username":"a"`), "user.username", "CONFLICT"},
		{with(`"username":true`), "username", "TYPE"},
		{with(`"targetType":"T"`), "targetId", "REQUIRED"},
		{with(`"targetId":"1"`), "targetType", "REQUIRED"},
		{with(`"targetName":"N"`), "targetType", "REQUIRED"},
		{with(`"targetId":"1","targetName":"N"`), "targetType", "REQUIRED"},
		{with(`"targetType":"T","targetId":""`), "targetId", "REQUIRED"},
		{with(`"targetType":"T","targetId":"1","targets":[` + target + `]`), "targets", "CONFLICT"},
		{with(`"targets":[],"targetType":"T","targetId":"1"`), "targets", "CONFLICT"},
		{with(`"targetId":5`), "targetId", "TYPE"},
		{with(`"targets":{}`), "targets", "TYPE"},
		{with(`"targets":"T"`), "targets", "TYPE"},
		{with(`"targets":[` + target + `,7]`), "targets[1]", "TYPE"},
		{with(`"targets":[null]`), "targets[0]", "TYPE"},
		{with(`"targets":[` + target + `,` + target + `,{"type":"T","id":7}]`), "targets[2].id", "TYPE"},
		{with(`"targets":[` + target + `,` + target + `,{"type":"T"}]`), "targets[2].id", "REQUIRED"},
		{with(`"targets":[{"id":"1"}]`), "targets[0].type", "REQUIRED"},
		{with(`"targets":[{"type":"T","id":"1","name":"` + long + `"}]`), "targets[0].name", "TOO_LARGE"},
		{with(`"targets":[{"type":"T","id":"1","kind":"x"}]`), "targets[0].kind", "UNKNOWN"},
		{with(`"targets":[{"type":"T","id":"1","id":"2"}]`), "targets[0].id", "DUPLICATE"},
		{with("\"targets\":[{\"type\":\"\xff\",\"id\":\"1\"}]"), "targets[0].type", "UTF8"},
		{with(`"targets":[` + strings.Repeat(target+",", schema.MaxTargets) + target + `]`), "targets[64]", "TOO_MANY"},
		{with(`"targets":[{"x":1}],"userId":7`), "targets[0].x", "UNKNOWN"},
		{with(`"detail":[]`), "detail", "TYPE"},
		{with(`"detail":"` + strings.Repeat("x", schema.MaxDetailBytes+1) + `"`), "detail", "TOO_LARGE"},
		{with(`"details":"x"`), "details", "TYPE"},
		{with(`"details":{"b":1,"b":2}`), "details.b", "DUPLICATE"},
		{with(`"details":{"b":"\u0000"}`), "details", "NUL"},
		{with(`"details":{"x":"` + strings.Repeat("x", schema.MaxDetailsBytes) + `"}`), "details", "TOO_LARGE"},
		{with(`"platform":1`), "platform", "TYPE"},
		{with(`"serial":1`), "serial", "TYPE"},
		{with(`"ipAddress":1`), "ipAddress", "TYPE"},
		{with(`"ipAddress":"` + long + `"`), "ipAddress", "TOO_LARGE"},
		{with(`"userAgent":"\ud800\u0000"`), "userAgent", "NUL"},
		{with(`"eventId":"\udfff"`), "eventId", "UTF8"},
		{with(`"\ud800":1`), "\ufffd", "UNKNOWN"},
		{with(`"requestId":{}`), "requestId", "TYPE"},
		{with(`"layer":false`), "layer", "TYPE"},
		{with(`"eventId":1`), "eventId", "TYPE"},
		{with(`"eventId":"` + long + `"`), "eventId", "TOO_LARGE"},
		{with(`"action_type":"a"`), "action_type", "UNKNOWN"},
		{with(`"id":"x"`), "id", "UNKNOWN"},
		{with(`"Action":"x"`), "Action", "UNKNOWN"},
		{with(`"":1`), "", "UNKNOWN"},
		{with(`"x":{"a":1,"a":2}`), "x", "UNKNOWN"},
		{with("\"\xff\":1"), "key", "UTF8"},
		{with(`"` + long + `":1`), long[:64], "UNKNOWN"},
		{`[]`, "entry", "TYPE"},
		{`"x"`, "entry", "TYPE"},
		{with(`"details":` + strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33)), "", "nested too deeply"},
		{with(`"x":` + strings.Repeat("[", 10_000)), "", "nested too deeply"},
		{with(`"targets":[{"type":"T"`), "", "malformed JSON"},
		{with(`"targets":[` + target), "", "malformed JSON"},
		{with(`"targets":[` + target + `,]`), "", "malformed JSON"},
		{with(`"user":{"id":"1",}`), "", "malformed JSON"},
		{with(`"timestamp":"2026`), "", "malformed JSON"},
		{`nonsense`, "", "malformed JSON"},
	} {
		_, err := decodeAudit(c.text)
		var field *schema.FieldError
		switch {
		case err == nil || !errors.Is(err, schema.ErrInvalid) && !errors.Is(err, schema.ErrTooLarge):
			t.Errorf("%.80s: got %v, want a caller's fault", c.text, err)
		case errors.As(err, &field):
			if field.Field != c.field || field.Code != c.code {
				t.Errorf("%.80s: got %s %s, want %s %s", c.text, field.Field, field.Code, c.field, c.code)
			}
		case c.field != "" || !strings.Contains(err.Error(), c.code):
			t.Errorf("%.80s: got %v, want %s %s", c.text, err, c.field, c.code)
		}
	}
}

// auditWire is what encoding/json makes of an audit entry.
type auditWire struct {
	Action    string
	Timestamp json.RawMessage
	UserID    string `json:"userId"`
	Username  string
	User      struct{ ID, Username, Name, Kind string }

	TargetType, TargetID, TargetName string
	Targets                          []*schema.Target

	Detail                                                            string
	Details                                                           json.RawMessage
	Platform, Serial, IPAddress, UserAgent, RequestID, Layer, EventID string
}

func (x *auditWire) entry() (schema.Entry, error) {
	e := schema.Entry{
		ReceivedAt: received, Action: x.Action, Platform: x.Platform, Device: x.Serial, ActorID: x.UserID, ActorName: x.Username, ActorKind: x.User.Kind,
		RequestID: x.RequestID, Detail: x.Detail, Extra: schema.Extra{ActorLabel: x.User.Name, IPAddress: x.IPAddress, UserAgent: x.UserAgent, Layer: x.Layer},
	}
	if e.ActorID == "" {
		e.ActorID = x.User.ID
	}
	if e.ActorName == "" {
		e.ActorName = x.User.Username
	}
	if string(x.Details) != "null" {
		e.Details = string(x.Details)
	}
	for _, t := range x.Targets {
		e.Targets = append(e.Targets, *t)
	}
	if x.TargetType != "" {
		e.Targets = append(e.Targets, schema.Target{Type: x.TargetType, ID: x.TargetID, Name: x.TargetName})
	}
	if t := string(x.Timestamp); t != "" && t != "null" {
		var ok bool
		if e.Timestamp, ok = refMillis(x.Timestamp); !ok {
			return e, errors.New("a time outside of the bounds")
		}
	}
	return e, nil
}

// FuzzAuditEntry checks that an accepted entry is the one that encoding/json reads, and that it can be stored.
func FuzzAuditEntry(f *testing.F) {
	for _, s := range []string{
		fullAudit, `{"action":"a"}`, `{"action":"a","targetType":"T","targetId":"1","targetName":"N"}`, `{"action":"a","timestamp":-0}`,
		`{"action":"a","user":{"id":"\u00e9","name":null}}`, `{"action":"a","targets":[{"type":"T","id":"1"},{"type":"T","id":"2","name":"x"}]}`,
		`{"action":"a","timestamp":"2026-02-12T10:03:20.5+02:00"}`, `{"action":"a","Action":"b"}`, `{"action":"a","user":{"x":1}}`,
		`{"action":"a","details":{"a":{"b":[1,"x"]}},"eventId":"e"}`, `{"action":"a","targets":[{"type":"T","id":"1"}],"targetId":"x"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if hugeExponent.MatchString(text) {
			return // the reference would compute all of its digits
		}
		d, err := decodeAudit(text)
		if err != nil {
			if api.Status(err) >= 500 {
				t.Fatalf("%q: %v is the server's fault", text, err)
			}
			return
		}
		var x auditWire
		dec := json.NewDecoder(strings.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&x); err != nil || !utf8.ValidString(text) {
			t.Fatalf("%q was taken, but %v", text, err)
		}
		want, err := x.entry()
		if err != nil {
			t.Fatalf("%q was taken, but %v", text, err)
		}
		if want.Timestamp == textTime {
			want.Timestamp = d.entry.Timestamp
		}
		if diff := cmp.Diff(want, d.entry); diff != "" || x.EventID != d.eventID {
			t.Fatalf("%q (-want +got)\n%s", text, diff)
		}
		if d.entry.Timestamp == 0 {
			d.entry.Timestamp = received
		}
		if err := d.entry.Validate(); err != nil {
			t.Fatalf("%q: taken, but %v", text, err)
		}
	})
}

// FuzzAuditAccepts checks that a sound entry is never refused: it builds one from parts.
func FuzzAuditAccepts(f *testing.F) {
	f.Add("a\n\"\\", "é", "\u2028", "<&>", "/", int64(1e11), "😀", uint8(3))
	f.Fuzz(func(t *testing.T, action, user, name, kind, detail string, ts int64, id string, targets uint8) {
		for _, s := range []string{action, user, name, kind, detail, id} {
			if schema.CheckText("", s, schema.MaxNameBytes) != nil || strings.Contains(s, "\ufffd") {
				return
			}
		}
		if action == "" || id == "" || ts < 1e11 || schema.CheckTimestamp("", ts) != nil {
			return // below, a number is seconds
		}
		if ts >= 253_370_764_800 && ts <= 253_402_300_799 {
			return // refused: it would also be a time of the year 9999 in seconds
		}
		want := schema.Entry{
			ReceivedAt: received, Timestamp: ts, Action: action, ActorID: id, ActorName: user, ActorKind: kind, Detail: detail, Platform: user, Device: id,
			RequestID: kind, Extra: schema.Extra{ActorLabel: name, IPAddress: user, UserAgent: name, Layer: kind},
		}
		type object = map[string]any
		body := object{
			"action": action, "timestamp": ts, "user": object{"id": id, "username": user, "name": name, "kind": kind}, "detail": detail, "platform": user,
			"serial": id, "requestId": kind, "ipAddress": user, "userAgent": name, "layer": kind, "eventId": id,
		}
		var list []object
		for i := range targets % (schema.MaxTargets + 1) {
			want.Targets = append(want.Targets, schema.Target{Type: action, ID: fmt.Sprint(i), Name: name})
			list = append(list, object{"type": action, "id": fmt.Sprint(i), "name": name})
		}
		body["targets"] = list
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		d, err := decodeAudit(string(text))
		if err != nil || !reflect.DeepEqual(d.entry, want) || d.eventID != id {
			t.Fatalf("%s: %v\n got %+v\nwant %+v", text, err, d.entry, want)
		}
	})
}

func TestBodyHashOfAllDialects(t *testing.T) {
	// Golden values: entries that were stored have them.
	for text, want := range map[string]uint64{
		`{"platform":"tiktok","serial":"d1","action_type":"post","action_detail":"done","username":"u","timestamp":1707725000,"details":{"a":1}}`: 0x44c092abd4afd9ce,
		`{"action_type":"a"}`: 0xdd234931b61d7993,
	} {
		d, err := decodeOne(text)
		if got := d.bodyHash(); err != nil || got != want {
			t.Errorf("%s: got %#x, %v, want %#x", text, got, err, want)
		}
	}
	one, _ := decodeOne(`{"action_type":"a","serial":"s","username":"u","timestamp":1707725000}`)
	same, _ := decodeAudit(`{"action":"a","serial":"s","username":"u","timestamp":1707725000000}`)
	if one.bodyHash() != same.bodyHash() {
		t.Error("the same entry has another hash in another dialect")
	}
	seen := map[uint64]string{}
	for _, text := range []string{
		fullAudit, `{"action":"a"}`, `{"action":"a","userId":"x"}`, `{"action":"a","user":{"kind":"x"}}`, `{"action":"a","user":{"name":"x"}}`, `{"action":"a","requestId":"x"}`,
		`{"action":"a","ipAddress":"x"}`, `{"action":"a","userAgent":"x"}`, `{"action":"a","layer":"x"}`, `{"action":"a","targetType":"x","targetId":"y"}`,
		`{"action":"a","targetType":"x","targetId":"y","targetName":"z"}`, `{"action":"a","targets":[{"type":"x","id":"y"},{"type":"x","id":"y"}]}`, `{"action":"a","username":"x"}`,
	} {
		d, err := decodeAudit(text)
		hash := d.bodyHash()
		if other, ok := seen[hash]; err != nil || ok {
			t.Errorf("%s: %v, the hash of %s", text, err, other)
		}
		seen[hash] = text
	}
}
