package decode

import (
	"mime"
	"strings"

	"github.com/activitylog/activitylog/schema"
)

// Form says how a body holds its entries.
type Form uint8

// The forms of a body.
const (
	AnyJSON Form = iota // one object, or an array of them
	Lines               // one object on each line
)

// FormOf reads a Content-Type. Types that many clients send with JSON count as JSON: curl -d always sends the type of a form, and many
// libraries send text or no type. ErrUnsupported for any other type.
func FormOf(contentType string) (Form, error) {
	if contentType == "" || contentType == "application/json" {
		return AnyJSON, nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	}
	if isLines(kind) {
		return Lines, nil
	}
	switch kind {
	case "application/json", "text/json", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream":
		return AnyJSON, nil
	}
	if strings.HasSuffix(kind, "+json") {
		return AnyJSON, nil
	}
	return 0, &schema.FieldError{Field: "Content-Type", Code: "UNSUPPORTED", Issue: "must be application/json or application/x-ndjson", Kind: schema.ErrUnsupported}
}

// isLines reports whether a media type means one object on each line. There is no standard name, so clients use many names: with or without
// x-, as text or as application, and with +json behind it.
func isLines(kind string) bool {
	family, name, _ := strings.Cut(kind, "/")
	if family != "application" && family != "text" {
		return false
	}
	switch strings.TrimSuffix(strings.TrimPrefix(name, "x-"), "+json") {
	case "ndjson", "jsonl", "jsonlines", "json-lines", "ldjson", "json-stream":
		return true
	}
	return kind == "application/stream+json"
}
