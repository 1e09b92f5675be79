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
		"text/x-ndjson":                     {Lines, true},
		"Text/X-NDJSON; charset=utf-8":      {Lines, true},
		"text/ndjson":                       {Lines, true},
		"application/json-lines":            {Lines, true},
		"application/x-json-lines":          {Lines, true},
		"application/jsonlines":             {Lines, true},
		"application/x-jsonlines":           {Lines, true},
		"application/ndjson+json":           {Lines, true},
		"application/x-ndjson+json":         {Lines, true},
		"application/x-jsonl":               {Lines, true},
		"text/jsonl":                        {Lines, true},
		"application/x-ldjson":              {Lines, true},
		"application/stream+json":           {Lines, true},
		"application/x-json-stream":         {Lines, true},
		"image/ndjson":                      {AnyJSON, false},
		"application/ndjsonx":               {AnyJSON, false},
		"application/json-patch":            {AnyJSON, false},
		"ndjson":                            {AnyJSON, false},
		"text/html":                         {AnyJSON, false},
		"multipart/form-data; boundary=x":   {AnyJSON, false},
	} {
		got, err := FormOf(contentType)
		if got != want.form || (err == nil) != want.ok || (err != nil && !errors.Is(err, schema.ErrUnsupported)) {
			t.Errorf("%q: %v, %v", contentType, got, err)
		}
	}
}
