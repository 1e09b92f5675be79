package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
	"github.com/activitylog/activitylog/cmd/internal/term"
)

type dead struct {
	ClickHouse clickhouse.Config `embed:""`
	Limit      int               `help:"Most dead letters to list."`
	JSON       bool              `name:"json" help:"Print one JSON object per line, with the record in base64; this is the default unless the output is a terminal."`
}

func (c *dead) defaults() {
	c.ClickHouse.Defaults()
	c.Limit = 100
}

func (c *dead) validate() error {
	if c.Limit < 1 {
		return errors.Join(c.ClickHouse.Validate(), errors.New("--limit: must be above 0"))
	}
	return c.ClickHouse.Validate()
}

// deadLetter is a record, or an entry of one, that could not be stored.
type deadLetter struct {
	At        time.Time `json:"at"`
	Partition uint16    `json:"partition"`
	Offset    uint64    `json:"offset"`
	Index     uint16    `json:"index"` // of the entry within its record
	Reason    string    `json:"reason"`
	Value     string    `json:"value"` // base64
	bytes     int
}

func (c *dead) run(ctx context.Context, out term.Output) error {
	conn, err := c.ClickHouse.Conn()
	if err != nil {
		return err
	}
	letters, err := readDeadLetters(ctx, conn, c.Limit)
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("list dead letters: %w", err)
	}
	if c.JSON || out.Width == 0 {
		return printLines(out, letters)
	}
	return c.print(out, letters)
}

func readDeadLetters(ctx context.Context, conn driver.Conn, limit int) ([]deadLetter, error) {
	// A replay writes a dead letter again with the same key. LIMIT 1 BY shows it once although the parts are not merged yet.
	rows, err := conn.Query(ctx, `SELECT at, kpart, koff, kidx, reason, value FROM dead_letters
ORDER BY at DESC, kpart, koff, kidx LIMIT 1 BY kpart, koff, kidx LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []deadLetter
	for rows.Next() {
		var l deadLetter
		var value string
		if err := rows.Scan(&l.At, &l.Partition, &l.Offset, &l.Index, &l.Reason, &value); err != nil {
			return nil, err
		}
		l.Value, l.bytes = base64.StdEncoding.EncodeToString([]byte(value)), len(value)
		all = append(all, l)
	}
	return all, rows.Err()
}

// print prints a table. The last cell, the reason, continues on further lines.
func (c *dead) print(out term.Output, letters []deadLetter) error {
	if len(letters) == 0 {
		_, err := fmt.Fprintln(out, "no dead letters")
		return err
	}
	places := make([]string, len(letters))
	wide := len("RECORD")
	for i, l := range letters {
		places[i] = fmt.Sprintf("p%d:%d/%d", l.Partition, l.Offset, l.Index)
		wide = max(wide, len(places[i]))
	}
	var b strings.Builder
	head := fmt.Sprintf("%-20s  %-*s  %8s  ", "AT", wide, "RECORD", "BYTES")
	indent := len(head)
	if out.Width-indent < 24 { // the reason begins on a line of its own
		indent = 2
	}
	fmt.Fprintln(&b, out.Paint(term.Bold, term.Fit(head+"REASON", out.Width)))
	for i, l := range letters {
		begin := fmt.Sprintf("%s  %-*s  %8d  ", out.Paint(term.Dim, l.At.UTC().Format(time.RFC3339)), wide, places[i], l.bytes)
		if indent == 2 {
			fmt.Fprintln(&b, term.Fit(fmt.Sprintf("%s  %s", l.At.UTC().Format(time.RFC3339), places[i]), out.Width))
			begin = "  "
		}
		for _, line := range term.Wrap(term.Clean(l.Reason), out.Width-indent) {
			fmt.Fprintln(&b, strings.TrimRight(begin+line, " "))
			begin = strings.Repeat(" ", indent)
		}
	}
	if len(letters) == c.Limit {
		fmt.Fprintf(&b, "\nThese are the newest %d; --limit shows more.\n", c.Limit)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printLines prints values as JSON, one per line.
func printLines[T any](out io.Writer, all []T) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false) // as the service sends entries
	for _, v := range all {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}
