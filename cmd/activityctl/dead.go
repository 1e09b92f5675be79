package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/activitylog/cmd/internal/service/clickhouse"
)

type dead struct {
	ClickHouse clickhouse.Config `embed:""`
	Limit      int               `help:"Most dead letters to list."`
	JSON       bool              `name:"json" help:"Print one JSON object per line, with the record in base64."`
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

func (c *dead) run(ctx context.Context, out io.Writer) error {
	conn, err := c.ClickHouse.Conn()
	if err != nil {
		return err
	}
	letters, err := readDeadLetters(ctx, conn, c.Limit)
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("list dead letters: %w", err)
	}
	if f, ok := out.(*os.File); c.JSON || !ok || !terminal(f) {
		return printJSON(out, letters)
	}
	return printTable(out, letters)
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

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func printJSON(out io.Writer, letters []deadLetter) error {
	enc := json.NewEncoder(out)
	for _, l := range letters {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func printTable(out io.Writer, letters []deadLetter) error {
	if len(letters) == 0 {
		fmt.Fprintln(out, "no dead letters")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tPARTITION\tOFFSET\tINDEX\tBYTES\tREASON")
	for _, l := range letters {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%q\n", l.At.UTC().Format(time.RFC3339), l.Partition, l.Offset, l.Index, l.bytes, l.Reason)
	}
	return w.Flush()
}
