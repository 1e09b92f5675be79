package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/activitylog/activitylog/schema/api/client"
)

// printer prints entries as they arrive.
type printer struct {
	out   io.Writer
	table bool
}

func (p *printer) print(data string) error {
	if !p.table {
		_, err := fmt.Fprintln(p.out, data)
		return err
	}
	var it struct {
		client.AuditItem
		Details json.RawMessage `json:"details"` // as the sender wrote it
	}
	if err := json.Unmarshal([]byte(data), &it); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.out, line(&it.AuditItem, string(it.Details)))
	return err
}

// line formats an entry on one line: time, action, actor, device, target, details.
func line(it *client.AuditItem, details string) string {
	who, where, target := "-", "-", "-"
	for _, name := range []*string{it.UserId, it.Username} {
		if name != nil {
			who = *name
		}
	}
	if it.Platform != nil {
		where = *it.Platform
	}
	if it.Serial != nil {
		where = strings.TrimPrefix(where, "-") + "/" + *it.Serial
	}
	if it.TargetType != nil && it.TargetId != nil {
		target = *it.TargetType + " " + *it.TargetId
	}
	if details == "null" {
		details = ""
	}
	return printable(fmt.Sprintf("%s  %-20s %-20s %-24s %-24s %s", it.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z"), it.Action, who, where, target, details))
}

// printable replaces control characters, so that an entry cannot control the terminal.
func printable(s string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s), " ")
}
