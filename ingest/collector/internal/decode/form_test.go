package decode

import (
	"errors"
	"testing"

	"github.com/activitylog/activitylog/schema"
)

func TestFormOf(t *testing.T) {
	for contentType, want := range map[string]struct {
		form Form
		ok   bool
	}{
		"":                                  {AnyJSON, true},
		"application/json":                  {AnyJSON, true},
		"Application/JSON; charset=UTF-8":   {AnyJSON, true},
		"text/plain":                        {AnyJSON, true},
		"application/vnd.fleet.v1+json":     {AnyJSON, true},
		"application/x-www-form-urlencoded": {AnyJSON, true},
		"application/x-ndjson":              {Lines, true},
		"application/jsonl; x=y":            {Lines, true},
		"application/ndjson;":               {Lines, true},
		"text/html":                         {AnyJSON, false},
		"multipart/form-data; boundary=x":   {AnyJSON, false},
	} {
		got, err := FormOf(contentType)
		if got != want.form || (err == nil) != want.ok || (err != nil && !errors.Is(err, schema.ErrUnsupported)) {
			t.Errorf("%q: %v, %v", contentType, got, err)
		}
	}
}
