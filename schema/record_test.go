package schema

import (
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/activitylog/activitylog/schema/activitypb"
)

// goldenRecord returns a record of version 1, whose encoding must never change; testdata/record_v1.hex holds its bytes.
func goldenRecord() []byte {
	var c Chunk
	c.Reset("default", 1707725000123)
	c.Add(&Entry{Timestamp: 1707725000000, Action: "post", Platform: "tiktok", Device: "device_serial_123", ActorName: "user123", Detail: "Published video successfully"}, nil)
	c.Add(&Entry{
		Timestamp: 1707725000001, Action: "TICKET_PAY", ActorID: "abc-123", RequestID: "req-1", Details: `{"amount":50000}`,
		Targets: []Target{{Type: "TICKET", ID: "ticket-456", Name: "Lunch"}}, Extra: Extra{IPAddress: "192.168.1.100", Layer: "api"},
	}, nil)
	c.Seal(123)
	b := AppendChunk(AppendRecordHeader(nil), &c)
	c.Reset("acme", 1707725000456)
	c.Add(&Entry{Timestamp: 1707725000002, Action: "like"}, &EventKey{Hash: [16]byte{1, 2, 3}, Body: 42})
	c.Seal(125)
	return AppendChunk(b, &c)
}

func TestRecordGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/record_v1.hex")
	if err != nil {
		t.Fatal(err)
	}
	value, err := hex.DecodeString(strings.TrimSpace(string(golden)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(value, goldenRecord()); diff != "" {
		t.Errorf("the encoder has changed (-golden +got):\n%s", diff)
	}
	for _, framed := range [][]byte{value, append([]byte{0, 0, 0, 0, 7, 0}, value...)} {
		var got activitypb.ActivityBatch
		if err := DecodeRecord(framed, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(goldenBatch(), &got, protocmp.Transform()); diff != "" {
			t.Errorf("a record of version 1 no longer decodes (-want +got):\n%s", diff)
		}
	}
}

func goldenBatch() *activitypb.ActivityBatch {
	extra, _ := (&activitypb.Extra{IpAddress: "192.168.1.100", Layer: "api", TargetNames: []string{"Lunch"}}).MarshalVT()
	keyed, _ := (&activitypb.Extra{EventKey: append([]byte{1, 2, 3}, make([]byte, 13)...), BodyHash: 42}).MarshalVT()
	return &activitypb.ActivityBatch{Version: 1, Chunks: []*activitypb.Chunk{
		{FirstId: 123, ReceivedAt: 1707725000123, Tenant: "default", Entries: []*activitypb.Entry{
			{Timestamp: 1707725000000, Action: "post", Platform: "tiktok", Device: "device_serial_123", ActorName: "user123", Detail: "Published video successfully"},
			{Timestamp: 1707725000001, Action: "TICKET_PAY", ActorId: "abc-123", RequestId: "req-1", Details: []byte(`{"amount":50000}`), Targets: []string{"TICKET\x00ticket-456"}, Extra: extra},
		}},
		{FirstId: 125, ReceivedAt: 1707725000456, Tenant: "acme", Keyed: true, Entries: []*activitypb.Entry{
			{Timestamp: 1707725000002, Action: "like", Extra: keyed},
		}},
	}}
}

func TestDecodeRecordJSON(t *testing.T) {
	var got activitypb.ActivityBatch
	value := `{"tenant":"acme","timestamp":1707725000000,"action":"post","device":"d1","details":{"a":1},"targets":[{"type":"T","id":"1"}]}`
	if err := DecodeRecord([]byte(value), &got); err != nil {
		t.Fatal(err)
	}
	want := &activitypb.ActivityBatch{Version: 1, Chunks: []*activitypb.Chunk{{Tenant: "acme", Entries: []*activitypb.Entry{
		{Timestamp: 1707725000000, Action: "post", Device: "d1", Details: []byte(`{"a":1}`), Targets: []string{"T\x001"}},
	}}}}
	if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The JSON form has the same rules for numbers, times and texts as the write endpoints.
func TestDecodeRecordJSONForms(t *testing.T) {
	for value, want := range map[string]*activitypb.Entry{
		`{"action":"a","timestamp":1707725000}`:                   {Action: "a", Timestamp: 1707725000000},
		`{"action":"a","timestamp":1707725000000.0}`:              {Action: "a", Timestamp: 1707725000000},
		`{"action":"a","timestamp":1.707725e9}`:                   {Action: "a", Timestamp: 1707725000000},
		`{"action":"a","timestamp":1707725000.123}`:               {Action: "a", Timestamp: 1707725000123},
		`{"action":"a","timestamp":"2024-02-12 09:03:20,5+0100"}`: {Action: "a", Timestamp: 1707725000500},
		`{"action":"a","timestamp":null,"receivedAt":null}`:       {Action: "a"},
		"\ufeff" + `{"action":"a","timestamp":1707725000000}`:     {Action: "a", Timestamp: 1707725000000},
		`{"action":"\ud83d","details":{"a":"\ud83d"}}`:            {Action: "\ufffd", Details: []byte(`{"a":"\ud83d"}`)},
	} {
		var got activitypb.ActivityBatch
		if err := DecodeRecord([]byte(value), &got); err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if diff := cmp.Diff(want, got.Chunks[0].Entries[0], protocmp.Transform()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", value, diff)
		}
	}
}

func TestDecodeRecordJSONExtra(t *testing.T) {
	var got activitypb.ActivityBatch
	value := `{"action":"a","targets":[{"type":"T","id":"1"},{"type":"T","id":"2","name":"N"}],"actorLabel":"Ada","ipAddress":"::1","userAgent":"curl","layer":"api"}`
	if err := DecodeRecord([]byte(value), &got); err != nil {
		t.Fatal(err)
	}
	var extra activitypb.Extra
	if err := extra.UnmarshalVT(got.Chunks[0].Entries[0].Extra); err != nil {
		t.Fatal(err)
	}
	want := &activitypb.Extra{ActorLabel: "Ada", IpAddress: "::1", UserAgent: "curl", Layer: "api", TargetNames: []string{"", "N"}}
	if diff := cmp.Diff(want, &extra, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	for name, value := range map[string]string{
		"empty":           "",
		"text":            "hello",
		"cut off":         string(goldenRecord()[:40]),
		"newer version":   "\x08\x02",
		"no version":      "\x12\x00",
		"bad framing":     "\x00\x00\x00\x00\x07\x02\x08\x01",
		"JSON array":      "[]",
		"unknown field":   `{"action":"a","nope":1}`,
		"trailing text":   `{"action":"a"} x`,
		"details as list": `{"action":"a","details":[]}`,
		"long layer":      `{"action":"a","layer":"` + strings.Repeat("x", MaxNameBytes+1) + `"}`,
		"microseconds":    `{"action":"a","timestamp":1707725000000000}`,
		"no time":         `{"action":"a","timestamp":"yesterday"}`,
		"a list as time":  `{"action":"a","timestamp":[1]}`,
		"only a mark":     "\ufeff",
		"mark and text":   "\ufeffhello",
		"half a mark":     "\xef\xbb{}",
		"NUL in a name":   `{"action":"a","targets":[{"type":"T","id":"1","name":"\u0000"}]}`,
	} {
		if err := DecodeRecord([]byte(value), &activitypb.ActivityBatch{}); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: got %v, want ErrRecord", name, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(goldenRecord())
	f.Add([]byte(`{"action":"a"}`))
	f.Add([]byte("\ufeff" + `{"action":"a","timestamp":1.5}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if err := DecodeRecord(value, &activitypb.ActivityBatch{}); err != nil && !errors.Is(err, ErrRecord) {
			t.Fatal(err)
		}
	})
}
