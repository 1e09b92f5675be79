// Package validate finds entries that cannot be stored. Entries of our collectors were checked before; entries of other producers may not
// have been.
package validate

import (
	"strings"
	"unicode/utf8"

	"github.com/go-faster/jx"

	"github.com/activitylog/activitylog/ingest/consumer/internal/block"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/words"
)

// Entry returns what is wrong with an entry, for the dead letter that it becomes; empty if it can be stored. identified says
// that its record gave it an id: without one only the first entry of a record can have an id made for it. It notes in r whether its texts
// need folding.
func Entry(r *block.Row, identified bool) string {
	switch {
	case r.Action == "":
		return "no action"
	case r.Tenant == "" || len(r.Tenant) > schema.MaxNameBytes:
		return "no tenant, or too long a one"
	case r.ID > schema.MaxID:
		return "an id above 2^53-1"
	case !identified && r.Location.Index > 0:
		return "no id"
	case r.Timestamp < schema.MinTimestamp || r.Timestamp > schema.MaxTimestamp:
		return "a timestamp outside of 1970 to 2105"
	case r.ReceivedAt < schema.MinTimestamp || r.ReceivedAt > schema.MaxTimestamp:
		return "a receive time outside of 1970 to 2105"
	case len(r.Targets) > schema.MaxTargets:
		return "too many targets"
	case len(r.Details) > schema.MaxDetailsBytes || len(r.Extra) > schema.MaxDetailsBytes:
		return "details too long"
	}
	plain := words.IsPlainJSON(r.Details)
	if len(r.Details) > 0 && (r.Details[0] != '{' || !jx.Valid(r.Details) || !plain && !utf8.Valid(r.Details)) {
		return "details that are not a JSON object"
	}
	valid, ascii := inspect(r.Detail)
	if len(r.Detail) > schema.MaxDetailBytes || !valid {
		return "a detail that is too long, holds NUL or is not UTF-8"
	}
	r.Plain = plain && ascii
	return names(r)
}

func names(r *block.Row) string {
	for _, s := range [...]string{r.Tenant, r.Action, r.Platform, r.Device, r.ActorId, r.ActorName, r.ActorKind, r.RequestId} {
		if len(s) > schema.MaxNameBytes || !isText(s) {
			return "a text that is too long, holds NUL or is not UTF-8"
		}
	}
	for _, t := range r.Targets {
		kind, id, ok := strings.Cut(t, "\x00")
		if !ok || kind == "" || id == "" || len(t) > 2*schema.MaxNameBytes+1 || !isText(kind) || !isText(id) {
			return "a target that is not a type, NUL and an id"
		}
	}
	return ""
}
