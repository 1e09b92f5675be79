package contract_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api/contract"
)

var update = flag.Bool("update", false, "rewrite openapi.json")

// openapi.json, which services serve, and openapi.yaml, which people edit, are the same document.
func TestJSON(t *testing.T) {
	want, err := contract.JSON(schema.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	var asYAML, asJSON any
	if err := yaml.Unmarshal(schema.OpenAPI, &asYAML); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &asJSON); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(asYAML)
	if err != nil {
		t.Fatal(err)
	}
	var through any
	if err := json.Unmarshal(text, &through); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(through, asJSON); diff != "" {
		t.Fatalf("the two documents differ (-YAML +JSON):\n%s", diff)
	}
	if bytes.Equal(want, schema.OpenAPIJSON) {
		return
	}
	if !*update {
		t.Fatal("openapi.json is out of date; regenerate it: go generate ./schema")
	}
	if err := os.WriteFile("../../openapi.json", want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Check finds each kind of deviation from the document.
func TestCheck(t *testing.T) {
	d, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	of := func(pairs ...string) http.Header {
		h := http.Header{"Content-Type": {"application/json"}}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	const count, answer = "/api/v1/activity_log/count", `{"code":0,"message":"success","data":{"count":1}}`
	const entry, created = `{"action_type":"x"}`, `{"code":0,"message":"success","data":{"id":1}}`
	const refused = `{"code":40001,"message":"limit: must be an integer","data":null}`
	const none = `{"code":0,"message":"success","data":[]}`
	for _, tt := range []struct {
		name string
		is   contract.Exchange
		ok   bool
	}{
		{"as documented", contract.Exchange{Method: "GET", Target: count + "?platform=x", Status: 200, AnswerHeader: of(), Answer: []byte(answer)}, true},
		{"a HEAD", contract.Exchange{Method: "HEAD", Target: count, Status: 200, AnswerHeader: of()}, true},
		{"another member", contract.Exchange{Method: "GET", Target: count, Status: 200, AnswerHeader: of(), Answer: []byte(`{"code":0,"message":"success","data":{"count":1,"n":1}}`)}, false},
		{"a member under another name", contract.Exchange{Method: "GET", Target: count, Status: 200, AnswerHeader: of(), Answer: []byte(`{"code":0,"message":"success","data":{"total":1}}`)}, false},
		{"another parameter", contract.Exchange{Method: "GET", Target: count + "?device=x", Status: 200, AnswerHeader: of(), Answer: []byte(answer)}, false},
		{"another status", contract.Exchange{Method: "GET", Target: count, Status: 409, AnswerHeader: of(), Answer: []byte(refused)}, false},
		{"another content type", contract.Exchange{Method: "GET", Target: count, Status: 200, AnswerHeader: of("Content-Type", "text/plain"), Answer: []byte(answer)}, false},
		{"another header", contract.Exchange{Method: "GET", Target: count, Status: 200, AnswerHeader: of("X-Next-Cursor", "x"), Answer: []byte(answer)}, false},
		{"a refusal of what is wrong", contract.Exchange{Method: "GET", Target: count + "?start=x", Status: 400, AnswerHeader: of(), Answer: []byte(refused)}, true},
		{"what is right, granted", contract.Exchange{Method: "GET", Target: "/api/v1/activity_log?limit=1", Status: 200, AnswerHeader: of(), Answer: []byte(none)}, true},
		{"what is wrong, granted", contract.Exchange{Method: "GET", Target: "/api/v1/activity_log?limit=x", Status: 200, AnswerHeader: of(), Answer: []byte(none)}, false},
		{"a header that is missing", contract.Exchange{Method: "POST", Target: "/api/v1/activity_log", Header: of(), Body: []byte(entry), Status: 200, AnswerHeader: of(), Answer: []byte(created)}, false},
		{"a write", contract.Exchange{Method: "POST", Target: "/api/v1/activity_log", Header: of(), Body: []byte(entry), Status: 200, AnswerHeader: of("X-Activity-Position", "p0:1"), Answer: []byte(created)}, true},
		{"a body of another type", contract.Exchange{Method: "POST", Target: "/api/v1/activity_log", Header: of("Content-Type", "text/csv"), Body: []byte("a"), Status: 200, AnswerHeader: of("X-Activity-Position", "p0:1"), Answer: []byte(created)}, false},
		{"no such path", contract.Exchange{Method: "GET", Target: "/api/v1/nothing", Status: 404, AnswerHeader: of(), Answer: []byte(`{"code":40401,"message":"no","data":null}`)}, true},
		{"no such path, in other words", contract.Exchange{Method: "GET", Target: "/api/v1/nothing", Status: 404, AnswerHeader: of(), Answer: []byte(`{"message":"no"}`)}, false},
		{"no such path, granted", contract.Exchange{Method: "GET", Target: "/api/v1/nothing", Status: 200, AnswerHeader: of(), Answer: []byte(`{"message":"no"}`)}, false},
	} {
		if err := d.Check(tt.is); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want it to pass: %t", tt.name, err, tt.ok)
		}
	}
}
