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

// FormOf reads a Content-Type. Types that many clients send with JSON count as JSON: curl -d calls everything a form, and
// many libraries say text or nothing at all. ErrUnsupported for any other type.
func FormOf(contentType string) (Form, error) {
	if contentType == "" || contentType == "application/json" {
		return AnyJSON, nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(contentType), ";")
	}
	switch kind {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines":
		return Lines, nil
	case "application/json", "text/json", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream":
		return AnyJSON, nil
	}
	if strings.HasSuffix(kind, "+json") {
		return AnyJSON, nil
	}
	return 0, &schema.FieldError{Field: "Content-Type", Code: "UNSUPPORTED", Issue: "must be application/json or application/x-ndjson", Kind: schema.ErrUnsupported}
}
