// Package show formats entries for people. Everything in an entry is hostile: whoever may write entries chose it.
package show

import (
	"encoding/json"
	"strings"

	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema/api/client"
)

// Entry is an entry as the audit API shows it.
type Entry struct {
	client.AuditItem
	Details json.RawMessage `json:"details"` // as the sender wrote it
}

// Actor is the name of who did it, or the id.
func (e *Entry) Actor() string {
	switch {
	case e.Username != nil:
		return *e.Username
	case e.UserId != nil:
		return *e.UserId
	}
	return ""
}

// Device is the platform and the serial number.
func (e *Entry) Device() string {
	var platform, serial string
	if e.Platform != nil {
		platform = *e.Platform
	}
	if e.Serial != nil {
		serial = "/" + *e.Serial
	}
	return platform + serial
}

// What is the target, unless it is the device, and the details. Details that are only a text are shown as that text.
func (e *Entry) What() string {
	what := ""
	if e.TargetType != nil && e.TargetId != nil && (*e.TargetType != "DEVICE" || e.Serial == nil || *e.Serial != *e.TargetId) {
		what = *e.TargetType + " " + *e.TargetId
	}
	details := string(e.Details)
	var members map[string]json.RawMessage
	var text string
	if json.Unmarshal(e.Details, &members) == nil && len(members) == 1 && json.Unmarshal(members["detail"], &text) == nil {
		details = text
	}
	if details != "null" {
		what = strings.TrimSpace(what + " " + details)
	}
	return what
}

// Time is when it happened, in UTC.
func (e *Entry) Time() string { return e.CreatedAt.UTC().Format("2006-01-02 15:04:05") }

// Line formats an entry in the width of a terminal: time, action, actor, device, target and details. The time is short where there is
// little room.
func Line(o term.Output, e *Entry) string {
	n := o.Width
	more := max(n-term.Usual, 0) / 4 // a wide terminal has wider cells
	time, action, actor, device := e.Time(), 14+more, 12+more, 14+more
	if n < term.Usual {
		time = time[len("2006-01-02 "):]
	}
	if n < 60 {
		action, actor, device = max((n-len(time)-6)*4/10, 4), 0, max((n-len(time)-6)*4/10, 4)
	}
	cells := []struct {
		style term.Style
		text  string
		wide  int
	}{{term.Dim, time, len(time)}, {term.Hue(e.Action), e.Action, action}, {"", e.Actor(), actor}, {term.Cyan, e.Device(), device}, {"", e.What(), n}}
	var b strings.Builder
	for _, c := range cells {
		text := term.Clean(c.text)
		if text == "" && c.wide < n {
			text = "-"
		}
		wide := min(c.wide, n)
		if wide < 1 || text == "" {
			continue
		}
		cut := term.Fit(text, wide)
		b.WriteString(o.Paint(c.style, cut) + strings.Repeat(" ", min(wide-term.Columns(cut)+2, n-term.Columns(cut))))
		n -= min(wide+2, n)
	}
	return strings.TrimRight(b.String(), " ")
}
