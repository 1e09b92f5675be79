package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/activitylog/activitylog/schema"
)

const received = 1_795_219_200_123

// decodeOne decodes a text of one fleet entry.
func decodeOne(text string) (*fleetDecoder, error) {
	d := new(fleetDecoder)
	return d, decodeWith(d, text)
}

// decodeWith has d decode a text of one entry.
func decodeWith(d decoder, text string) error {
	r := newReader(d, "")
	r.Reset([]byte(text), Options{ReceivedAt: received})
	if err := r.decode(); err != nil {
		return err
	}
	if err := r.f.End(); err != nil {
		return err
	}
	return r.f.fault
}

func TestDecodeEntry(t *testing.T) {
	for _, c := range []struct {
		text string
		want schema.Entry
	}{
		{
			`{"platform":"tiktok","serial":"d1","action_type":"post","action_detail":"done","username":"u","timestamp":1707725000}`,
			schema.Entry{Platform: "tiktok", Device: "d1", Action: "post", Detail: "done", ActorName: "u", Timestamp: 1707725000000},
		},
		{`{"action_type":"a"}`, schema.Entry{Action: "a"}},
		{`{"action_type":"a","platform":null,"timestamp":null,"details":null,"event_id":null}`, schema.Entry{Action: "a"}},
		{`{"action_type":"\u0061\n\"","platform":"h\u00e9 \ud83d\ude00"}`, schema.Entry{Action: "a\n\"", Platform: "hé 😀"}},
		{`{"action\u005ftype":"a"}`, schema.Entry{Action: "a"}},
		{`{"action_type":"a","timestamp":1707725000123}`, schema.Entry{Action: "a", Timestamp: 1707725000123}},
		{`{"action_type":"a","timestamp":100000000000}`, schema.Entry{Action: "a", Timestamp: 100000000000}},
		{`{"action_type":"a","timestamp":1}`, schema.Entry{Action: "a", Timestamp: 1000}},
		{`{"action_type":"a","timestamp":1e9}`, schema.Entry{Action: "a", Timestamp: 1e12}},
		{`{"action_type":"a","details":{ "b" : [1, 2.50] }}`, schema.Entry{Action: "a", Details: `{ "b" : [1, 2.50] }`}},
		{`{"action_type":"a","details":{}}`, schema.Entry{Action: "a", Details: `{}`}},
		{`{"x": 1.0 ,"action_type":"a","y":{"z":null}}`, schema.Entry{Action: "a", Details: `{"x": 1.0,"y":{"z":null}}`}},
		{`{"action_type":"cut \ud83d","username":"\ude00 ada"}`, schema.Entry{Action: "cut \ufffd", ActorName: "\ufffd ada"}},
		{`{"action_type":"\ud800\u0041\ud800\ud83d\ude00\udc00"}`, schema.Entry{Action: "\ufffdA\ufffd😀\ufffd"}},
		{`{"action_type":"a","details":{"b":"\ud83d","\ude00":["\ud800"]}}`, schema.Entry{Action: "a", Details: `{"b":"\ud83d","\ude00":["\ud800"]}`}},
		{`{"action_type":"a","x":"\ud83d","details":{"b":"\ud83d"}}`, schema.Entry{Action: "a", Details: `{"b":"\ud83d","x":"\ud83d"}`}},
		{`{"action_type":"a","\ud83d":1}`, schema.Entry{Action: "a", Details: `{"\ud83d":1}`}},
		{`{"x":1,"action_type":"a","details":{"b":2}}`, schema.Entry{Action: "a", Details: `{"b":2,"x":1}`}},
		{`{"x":1,"action_type":"a","details":{ }}`, schema.Entry{Action: "a", Details: `{ "x":1}`}},
	} {
		d, err := decodeOne(c.text)
		c.want.ReceivedAt = received
		if err != nil || !reflect.DeepEqual(d.entry, c.want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.text, d.entry, err, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := strings.Repeat("x", schema.MaxNameBytes+1)
	for _, c := range []struct{ text, want string }{
		{`{}`, "action_type: is required"},
		{`{"action_type":""}`, "action_type: is required"},
		{`{"action_type":null}`, "action_type: is required"},
		{`{"platform":"tiktok"}`, "action_type: is required"},
		{`{"action_type":1}`, "action_type: must be a string"},
		{`{"action_type":["a"]}`, "action_type: must be a string"},
		{`{"action_type":"a","platform":{}}`, "platform: must be a string"},
		{`{"action_type":"a","serial":12}`, "serial: must be a string"},
		{`{"action_type":"a","username":true}`, "username: must be a string"},
		{`{"action_type":"a","action_detail":[]}`, "action_detail: must be a string"},
		{`{"action_type":"a","event_id":7}`, "event_id: must be a string"},
		{`{"action_type":"a","timestamp":"1707725000"}`, "timestamp: must be a number of Unix seconds or milliseconds, or a text"},
		{`{"action_type":"a","timestamp":[1707725000]}`, "timestamp: must be a number of Unix seconds or milliseconds, or a text"},
		{`{"action_type":"a","timestamp":true}`, "timestamp: must be a number of Unix seconds or milliseconds, or a text"},
		{`{"action_type":"a","timestamp":0}`, "timestamp: must be a time"},
		{`{"action_type":"a","timestamp":-1}`, "timestamp: must be a time"},
		{`{"action_type":"a","timestamp":-62135596800000}`, "timestamp: must be a time"},
		{`{"action_type":"a","timestamp":253402300799}`, "timestamp: must be a time"},
		{`{"action_type":"a","timestamp":253402300799000}`, "timestamp: must be a time"},
		{`{"action_type":"a","timestamp":9223372036854775807}`, "timestamp: must be a time"},
		{`{"action_type":"a","timestamp":9223372036854775808}`, "timestamp: must be a time"},
		{`{"action_type":"a","timestamp":99999999999}`, "timestamp: must be a time"},
		{`{"action_type":"a","details":"x"}`, "details: must be an object"},
		{`{"action_type":"a","details":[]}`, "details: must be an object"},
		{`{"action_type":"a","details":{"b":1,"b":2}}`, "details.b: must not be given twice"},
		{`{"action_type":"a","details":{"b":"\u0000"}}`, "details: must not contain NUL"},
		{`{"action_type":"a","details":{"b":1},"b":2}`, "details.b: must not be given twice"},
		{`{"action_type":"a","x":1,"x":2}`, "details.x: must not be given twice"},
		{`{"action_type":"a","action_type":"a"}`, "action_type: must not be given twice"},
		{`{"action_type":"a\u0000"}`, "action_type: must not contain NUL"},
		{"{\"action_type\":\"a\xff\"}", "action_type: must be valid UTF-8"},
		{`{"action_type":"a","event_id":"\ud800"}`, "event_id: must not contain half of a surrogate pair"},
		{`{"action_type":"\ud800\u0000"}`, "action_type: must not contain NUL"},
		{`{"action_type":"a","details":{"x":"\ud800","y":"\u0000"}}`, "details: must not contain NUL"},
		{`{"action_type":"a","\ud800":1,"\udfff":2}`, "details.\ufffd: must not be given twice"},
		{`{"action_type":"a","x":"\u0000"}`, "x: must not contain NUL"},
		{"{\"action_type\":\"a\",\"\xff\":1}", "key: must be valid UTF-8"},
		{`{"action_type":"` + long + `"}`, "action_type: at most 1024 bytes, got 1025"},
		{`{"action_type":"a","action_detail":"` + strings.Repeat("x", schema.MaxDetailBytes+1) + `"}`, "action_detail: at most 65536"},
		{`{"action_type":"a","details":{"x":"` + strings.Repeat("x", schema.MaxDetailsBytes) + `"}}`, "details: at most 131072"},
		{`{"action_type":"a","x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, "nested too deeply"},
		{`{"action_type":"a","details":` + strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33) + `}`, "nested too deeply"},
		{"{\"action_type\":\"a\x00\"}", "malformed JSON at byte 17"},
		{`{"action_type":"a"`, "malformed JSON at byte 18: unexpected end"},
		{`{"action_type":"a"} x`, "malformed JSON at byte 20"},
		{`{"action_type":"a",}`, "malformed JSON"},
		{`[]`, "entry: must be an object"},
		{`"x"`, "entry: must be an object"},
		{`nonsense`, "malformed JSON"},
	} {
		_, err := decodeOne(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80s: %v, want %q", c.text, err, c.want)
		}
		if !errors.Is(err, schema.ErrInvalid) && !errors.Is(err, schema.ErrTooLarge) {
			t.Errorf("%.80s: %v is neither invalid nor too large", c.text, err)
		}
	}
}

func TestNestedDetailsDepth(t *testing.T) {
	deep := strings.Repeat(`{"a":`, schema.MaxDepth) + "1" + strings.Repeat("}", schema.MaxDepth)
	if _, err := decodeOne(`{"action_type":"a","details":` + deep + `}`); err != nil {
		t.Errorf("details of depth %d: %v", schema.MaxDepth, err)
	}
	inner := deep[5 : len(deep)-1]
	if d, err := decodeOne(`{"action_type":"a","a":` + inner + `}`); err != nil || d.entry.Details != deep {
		t.Errorf("details of depth %d from an unknown key: %v", schema.MaxDepth, err)
	}
}

func TestParseForms(t *testing.T) {
	one := `{"action_type":"a"}`
	for _, c := range []struct {
		text   string
		form   Form
		single bool
		items  int
		bad    []int // indexes
		err    string
	}{
		{one, AnyJSON, true, 1, nil, ""},
		{" [" + one + " , " + one + "]\n", AnyJSON, false, 2, nil, ""},
		{"[" + one + ",{},5,null," + one + "]", AnyJSON, false, 5, []int{1, 2, 3}, ""},
		{"[]", AnyJSON, false, 0, nil, "body: must hold an entry"},
		{"", AnyJSON, false, 0, nil, "body: must hold an entry"},
		{" \n", AnyJSON, false, 0, nil, "body: must hold an entry"},
		{" \n\n", Lines, false, 0, nil, "body: must hold an entry"},
		{"[" + one + ",]", AnyJSON, false, 0, nil, "malformed JSON"},
		{"[" + one, AnyJSON, false, 0, nil, "malformed JSON"},
		{"[" + one + "] x", AnyJSON, false, 0, nil, "malformed JSON"},
		{one + "\n" + one, AnyJSON, false, 0, nil, "application/x-ndjson"},
		{one + "\n" + one, Lines, false, 2, nil, ""},
		{one + "\r\n\r\n  \n" + one + "\n", Lines, false, 2, nil, ""},
		{one + "\nnonsense\n" + one + " " + one + "\n\"x\n" + one, Lines, false, 5, []int{1, 2, 3}, ""},
		{"[" + one + "]", Lines, false, 1, []int{0}, ""},
		{strings.Repeat(one+"\n", 11), Lines, false, 0, nil, "at most 10 entries"},
	} {
		r := NewFleet()
		r.Reset([]byte(c.text), Options{Form: c.form, MaxEntries: 10, ReceivedAt: received})
		items := 0
		var bad []int
		for ; r.Next(); items++ {
			if _, _, _, fault := r.Entry(); fault != nil {
				bad = append(bad, items)
			}
		}
		err := r.Err()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %q", c.text, err, c.err)
			}
			continue
		}
		if err != nil || r.Single() != c.single || items != c.items || !reflect.DeepEqual(bad, c.bad) {
			t.Errorf("%q: single %v, %d items, bad %v, %v", c.text, r.Single(), items, bad, err)
		}
	}
}

// textTime is the result of refMillis for a text that is not an RFC 3339 time. TestTimestamps tests the other formats.
const textTime = -1

// refMillis returns a timestamp of any dialect in Unix ms, by exact fractions.
func refMillis(raw json.RawMessage) (ms int64, ok bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return textTime, true
		}
		return at.UnixMilli(), true
	}
	v, ok := new(big.Rat).SetString(string(raw))
	if !ok || v.Sign() <= 0 || v.Cmp(big.NewRat(1e14, 1)) >= 0 {
		return 0, false
	}
	year9999 := v.Cmp(big.NewRat(253_370_764_800, 1)) >= 0 && v.Cmp(big.NewRat(253_402_300_800, 1)) < 0
	if v.Cmp(big.NewRat(1e11, 1)) < 0 {
		v.Mul(v, big.NewRat(1000, 1))
	}
	return new(big.Int).Quo(v.Num(), v.Denom()).Int64(), !year9999
}

// refEntry returns the entry as encoding/json reads it; nil for one that must be refused.
func refEntry(text string) *schema.Entry {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil || members == nil || !utf8.ValidString(text) {
		return nil
	}
	e := &schema.Entry{ReceivedAt: received}
	for _, f := range []struct {
		key string
		to  *string
	}{{"platform", &e.Platform}, {"serial", &e.Device}, {"action_type", &e.Action}, {"action_detail", &e.Detail}, {"username", &e.ActorName}, {"event_id", new(string)}} {
		if raw := members[f.key]; raw != nil && json.Unmarshal(raw, f.to) != nil {
			return nil
		}
	}
	if raw := members["timestamp"]; raw != nil && string(raw) != "null" {
		var ok bool
		if e.Timestamp, ok = refMillis(raw); !ok || e.Timestamp != textTime && schema.CheckTimestamp("", e.Timestamp) != nil {
			return nil
		}
	}
	if raw := members["details"]; raw != nil && string(raw) != "null" {
		if raw[0] != '{' {
			return nil
		}
		e.Details = string(raw)
	}
	if e.Action == "" {
		return nil
	}
	return e
}

var hugeExponent = regexp.MustCompile(`[eE][+-]?[0-9]{4}`)

func FuzzEntry(f *testing.F) {
	for _, s := range []string{
		`{"platform":"tiktok","serial":"d1","action_type":"post","action_detail":"done","username":"u","timestamp":1707725000}`,
		`{"action_type":"a","details":{"a":{"b":[1,"x"]}},"event_id":"e"}`,
		`{"action_type":"a","x":1,"details":{"b":2}}`, `{"action_type":"a","timestamp":-0}`,
		`{"action_type":"\u00e9\ud83d\ude00","platform":null}`, `{"action_type":"a","timestamp":1e3}`,
		`{"action_type":"a","action_type":"b"}`, `{ "x" : [ ] , "action_type" : "a" }`,
		`{"action_type":"a","timestamp":253402300799}`, `{"action_type":"a","\u0078":{"y":"\u0000"}}`,
		`{"action_type":"a","timestamp":1707725000.5}`, `{"action_type":"a","timestamp":1.707725e9}`, `{"action_type":"a","timestamp":17077250001234E-1}`,
		`{"action_type":"a","timestamp":"2026-02-12T08:03:20.5Z"}`, `{"action_type":"a","timestamp":99999999999.9999}`, `{"action_type":"a","timestamp":0.001}`,
		`{"action_type":"\ud800\u0041","x":"\udc00","details":{"\ud83d":"\ud83d"}}`,
	} {
		f.Add(s)
	}
	known := map[string]bool{"platform": true, "serial": true, "action_type": true, "action_detail": true, "username": true, "timestamp": true, "details": true, "event_id": true}
	f.Fuzz(func(t *testing.T, text string) {
		if hugeExponent.MatchString(text) {
			return // the reference would compute all of its digits
		}
		d, err := decodeOne(text)
		want := refEntry(text)
		if err != nil {
			return // stricter than the reference; FuzzSkip checks which JSON is refused in general
		}
		if want == nil {
			t.Fatalf("%q was accepted as %+v", text, d.entry)
		}
		if want.Timestamp == textTime {
			want.Timestamp = d.entry.Timestamp
		}
		var unknown map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &unknown); err != nil {
			t.Fatal(err)
		}
		for k := range known {
			delete(unknown, k)
		}
		if len(unknown) > 0 {
			sameMembers(t, d.entry.Details, want.Details, unknown)
			d.entry.Details = want.Details
		}
		if !reflect.DeepEqual(d.entry, *want) {
			t.Fatalf("%q:\n got %+v\nwant %+v", text, d.entry, *want)
		}
		if d.entry.Timestamp == 0 {
			d.entry.Timestamp = received
		}
		if err := d.entry.Validate(); err != nil {
			t.Fatalf("%q: accepted, but %v", text, err)
		}
	})
}

// sameMembers fails unless details holds the members of old and of unknown, and nothing else.
func sameMembers(t *testing.T, details, old string, unknown map[string]json.RawMessage) {
	t.Helper()
	got, want := map[string]any{}, map[string]any{}
	if err := json.Unmarshal([]byte(details), &got); err != nil {
		t.Fatalf("details %q: %v", details, err)
	}
	if old != "" {
		if err := json.Unmarshal([]byte(old), &want); err != nil {
			t.Fatal(err)
		}
	}
	for k, raw := range unknown {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		want[k] = v
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("details %v, want %v", got, want)
	}
}

// FuzzAccepts checks that a sound entry is never refused: it builds one from parts.
func FuzzAccepts(f *testing.F) {
	f.Add("post", "tiktok", "d1", "done", "u", int64(1707725000), `k`)
	f.Add("a\n\"\\", "é", "\u2028", "<&>", "/", int64(1), "😀")
	f.Fuzz(func(t *testing.T, action, platform, serial, detail, user string, ts int64, key string) {
		for _, s := range []string{action, platform, serial, detail, user, key} {
			if schema.CheckText("", s, schema.MaxNameBytes) != nil || strings.Contains(s, "\ufffd") {
				return
			}
		}
		if action == "" || ts < 1 || ts > schema.MaxTimestamp/1000 {
			return
		}
		details, err := json.Marshal(map[string]any{key: action})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(map[string]any{
			"action_type": action, "platform": platform, "serial": serial, "action_detail": detail, "username": user,
			"timestamp": ts, "details": json.RawMessage(details),
		})
		if err != nil {
			t.Fatal(err)
		}
		d, err := decodeOne(string(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := schema.Entry{ReceivedAt: received, Action: action, Platform: platform, Device: serial, Detail: detail, ActorName: user, Timestamp: ts * 1000}
		got := d.entry
		if !bytes.Contains(text, []byte(got.Details)) {
			t.Fatalf("%s: details %s were changed", text, got.Details)
		}
		got.Details = ""
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: %+v, want %+v", text, got, want)
		}
	})
}

func TestBodyHash(t *testing.T) {
	hash := func(text string) uint64 {
		d, err := decodeOne(text)
		if err != nil {
			t.Fatal(err)
		}
		return d.bodyHash()
	}
	base := hash(`{"action_type":"a","serial":"s"}`)
	if got := hash(` { "serial":"\u0073", "action_type" : "a" } `); got != base {
		t.Error("the same entry in other words has another hash")
	}
	for i, other := range []string{
		`{"action_type":"a","serial":"t"}`, `{"action_type":"a","platform":"s"}`, `{"action_type":"as"}`,
		`{"action_type":"a","serial":"s","timestamp":1}`, `{"action_type":"a","serial":"s","details":{}}`,
	} {
		if hash(other) == base {
			t.Error(fmt.Sprint(i), "another entry has the same hash")
		}
	}
}
