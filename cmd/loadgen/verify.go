package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/journal"
	"github.com/activitylog/activitylog/cmd/loadgen/oracle"
)

type verifyCmd struct {
	Journal string `arg:"" help:"Journal of send." type:"existingfile"`
	URL     string `help:"Read the entries over the API of this server, if no database is given." default:"http://127.0.0.1:50809"`
	EnvFile string `help:"File with CLICKHOUSE_DSN, such as DATA_DIR/services.env: read the tables, and also check the rollups." type:"existingfile"`
	DSN     string `help:"The same as a DSN: http://user:password@host:port/db." env:"CLICKHOUSE_DSN"`
}

type verdict struct {
	oracle.Verdict
	Tables *oracle.Exact `json:"tables,omitempty"`
}

func (c *verifyCmd) Run(ctx context.Context, out *output) error {
	f, err := os.Open(c.Journal)
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	defer f.Close()
	notes, err := journal.Read(f)
	if err != nil {
		return err
	}
	v, err := c.judge(ctx, notes)
	if err != nil {
		return err
	}
	if err := out.result(v, func() { printVerdict(out, v) }); err != nil {
		return err
	}
	if v.Wrong() || v.Tables != nil && v.Tables.Violations > 0 {
		return errBroken
	}
	return nil
}

func (c *verifyCmd) judge(ctx context.Context, notes *journal.Journal) (v verdict, err error) {
	server, err := c.server()
	if err != nil {
		return v, err
	}
	if server == nil {
		conn, err := client.New(c.URL, time.Minute)
		if err != nil {
			return v, err
		}
		defer conn.Close()
		v.Verdict, err = oracle.Judge(ctx, notes, oracle.Listing(conn))
		return v, err
	}
	if v.Verdict, err = oracle.Judge(ctx, notes, server.Rows); err != nil {
		return v, err
	}
	exact, err := server.Exact(ctx)
	v.Tables = &exact
	return v, err
}

// server returns the database to read; nil to read over the API.
func (c *verifyCmd) server() (*oracle.Server, error) {
	switch {
	case c.EnvFile != "":
		return oracle.OpenEnvFile(c.EnvFile)
	case c.DSN != "":
		return oracle.Open(c.DSN, os.Getenv("CLICKHOUSE_PASSWORD"))
	}
	return nil, nil
}

func printVerdict(out *output, v verdict) {
	out.say("acknowledged %d, stored %d: %d lost, %d twice, %d unexpected, %d altered", v.Acknowledged, v.Stored, v.Lost, v.Twice, v.Unexpected, v.Altered)
	if v.Unanswered > 0 {
		out.say("unanswered   %d, of which %d are stored", v.Unanswered, v.TurnedUp)
	}
	if len(v.Examples) > 0 {
		out.say("look at      %v", v.Examples)
	}
	if t := v.Tables; t != nil {
		out.say("tables       count %d, ids %d, positions %d; groups wrong in by_kind %d, by_entity %d; dead letters %d", t.Rows, t.IDs, t.Positions, t.ByKind, t.ByEntity, t.Dead)
	}
}
