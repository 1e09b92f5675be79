package audit

import (
	"encoding/csv"
	"io"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/schema"
)

// lines writes NDJSON: one item a line.
type lines struct{ to io.Writer }

func newLines(to *body, _ bool) encoding { return lines{to} }

func (l lines) Write(_ *schema.Entry, it *item) error {
	_, err := l.to.Write(append(reply.JSON(it), '\n'))
	return err
}

func (lines) Close() error { return nil }

// array writes a JSON array, one item a line. A continued array begins with the comma after the item before.
type array struct {
	to     io.Writer
	before string // text before the next item
}

func newArray(to *body, continued bool) encoding {
	if continued {
		return &array{to, ",\n"}
	}
	return &array{to, "[\n"}
}

func (a *array) Write(_ *schema.Entry, it *item) error {
	_, err := io.WriteString(a.to, a.before)
	if err == nil {
		_, err = a.to.Write(reply.JSON(it))
	}
	a.before = ",\n"
	return err
}

func (a *array) Close() error {
	text := "\n]\n"
	if a.before == "[\n" {
		text = "[\n]\n"
	}
	_, err := io.WriteString(a.to, text)
	return err
}

// columns are the header of a CSV file: the fields of item.
var columns = []string{
	"id", "userId", "user", "action", "targetType", "targetId", "details", "ipAddress", "userAgent", "layer", "requestId", "createdAt",
	"platform", "serial", "username", "targets", "tenant",
}

// table writes CSV (RFC 4180), with a header unless it is continued. Missing values are empty; user, details and targets are JSON.
type table struct {
	w    *csv.Writer
	head bool
}

func newCSV(to *body, continued bool) encoding {
	return &table{csv.NewWriter(to), !continued}
}

func (t *table) Write(_ *schema.Entry, it *item) error {
	if err := t.header(); err != nil {
		return err
	}
	record := []string{
		it.ID, text(it.UserID), jsonText(it.User, it.User != nil), it.Action, text(it.TargetType), text(it.TargetID), jsonText(it.Details, it.Details != nil), text(it.IPAddress),
		text(it.UserAgent), text(it.Layer), text(it.RequestID), it.CreatedAt, it.Platform, it.Serial, it.Username, jsonText(it.Targets, it.Targets != nil), it.Tenant,
	}
	for i := range record {
		record[i] = reply.PlainCell(record[i])
	}
	return t.w.Write(record)
}

func (t *table) header() error {
	if !t.head {
		return nil
	}
	t.head = false
	return t.w.Write(columns)
}

func (t *table) Close() error {
	if err := t.header(); err != nil {
		return err
	}
	t.w.Flush()
	return t.w.Error()
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func jsonText(v any, known bool) string {
	if !known {
		return ""
	}
	return string(reply.JSON(v))
}
