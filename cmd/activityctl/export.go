package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema/api/client"
)

type export struct {
	Asking   asking   `embed:""`
	Matching matching `embed:""`
	Format   string   `help:"Format: ndjson, csv, json or parquet." oneof:"ndjson,csv,json,parquet"`
	Out      string   `help:"Output file, which must not exist yet; standard output without it, or for -. It is FILE.part until the export is complete; the same command resumes it." placeholder:"FILE"`
	JSON     bool     `name:"json" help:"Describe the complete file of --out as one JSON object, on standard output."`
}

func (c *export) defaults() {
	c.Asking.defaults()
	c.Format = "ndjson"
}

func (c *export) validate() error {
	if c.JSON && !c.named() {
		return errors.Join(c.Asking.validate(), errors.New("--json: describes the file of --out; for entries as JSON use --format ndjson or --format json"))
	}
	return c.Asking.validate()
}

func (c *export) run(ctx context.Context, out io.Writer) error {
	ask, err := c.Asking.client()
	if err != nil {
		return err
	}
	d := &download{ask: ask, parameters: c.parameters(), rows: &rows{out: out, format: c.Format}}
	switch {
	case c.named():
		if err := c.toFile(ctx, d); err != nil {
			return err
		}
		return c.report(out, d.rows.n)
	case c.Format == "parquet" && toTerminal(out):
		return fmt.Errorf("%w: --format parquet is binary, and the output is a terminal: set --out FILE, or redirect the output", service.ErrUsage)
	}
	return d.all(ctx)
}

// named reports whether the output is a file.
func (c *export) named() bool { return c.Out != "" && c.Out != "-" }

// report says what is in the complete file.
func (c *export) report(out io.Writer, entries int) error {
	info, err := os.Stat(c.Out)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if c.JSON {
		return json.NewEncoder(out).Encode(struct {
			File    string `json:"file"`
			Format  string `json:"format"`
			Entries int    `json:"entries"`
			Bytes   int64  `json:"bytes"`
		}{c.Out, c.Format, entries, info.Size()})
	}
	_, err = fmt.Fprintf(out, "%d entries in %s\n", entries, c.Out)
	return err
}

// toFile writes FILE.part, and renames it to FILE once it is complete. It removes a part that cannot be resumed.
func (c *export) toFile(ctx context.Context, d *download) error {
	f, err := openPart(c.Out, d)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	d.rows.out, d.begun = f, f.begun
	d.progress = watch(ctx, d, os.Stderr)
	err = errors.Join(d.all(ctx), f.Sync(), f.Close())
	d.progress.stop()
	if err != nil {
		if d.rows.n > 0 && c.Format != "parquet" {
			return fmt.Errorf("%w; %d entries are in %s; run the same command again to resume", err, d.rows.n, f.Name())
		}
		return errors.Join(err, f.remove())
	}
	return f.finish(c.Out)
}

func (c *export) parameters() *client.AuditExportParams {
	m := c.Matching
	return &client.AuditExportParams{
		Format: given(client.AuditExportParamsFormat(c.Format)), Tenant: given(m.Tenant),
		UserId: given(m.User), Username: given(m.Username), Action: given(m.Action), TargetType: given(m.TargetType), TargetId: given(m.TargetID),
		Platform: given(m.Platform), Serial: given(m.Serial), RequestId: given(m.RequestID), Search: given(m.Search),
		StartDate: given(m.Start), EndDate: given(m.End),
	}
}

// download requests an export until it is complete.
type download struct {
	ask        *client.Client
	parameters *client.AuditExportParams
	rows       *rows
	begun      func(snapshot string) error // called before the first entry is written; may be nil
	progress   *progress
}

// tries is the most responses without an entry in a row, and pause the wait after the first of them; it doubles.
const (
	tries = 5
	pause = 500 * time.Millisecond
)

// all resumes the export when a response breaks off, or the service is unavailable for some seconds.
func (d *download) all(ctx context.Context) error {
	for empty := 0; ; {
		before := d.rows.n
		err := d.some(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, errRefused) || errors.Is(err, errIncomplete) {
			return err
		}
		if empty++; d.rows.n > before {
			empty = 1
		}
		after, err2 := d.rows.after()
		if empty == tries || after == "" || d.rows.format == "parquet" || err2 != nil {
			return errors.Join(err, err2)
		}
		d.parameters.After = &after
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause << (empty - 1)):
		}
	}
}

// some reads one response, and checks the number and the checksum of its entries.
func (d *download) some(ctx context.Context) error {
	res, err := granted(d.ask.AuditExport(ctx, d.parameters))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if d.parameters.Snapshot == nil {
		snapshot := res.Header.Get("X-Export-Snapshot")
		if d.begun != nil {
			if err := d.begun(snapshot); err != nil {
				return err
			}
		}
		d.parameters.Snapshot = &snapshot
	}
	before, sum := d.rows.n, sha256.New()
	if _, err := io.Copy(d, io.TeeReader(res.Body, sum)); err != nil {
		d.rows.drop()
		return fmt.Errorf("export: interrupted after %d entries: %w", d.rows.n, err)
	}
	if err := d.rows.flush(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return verify(res, d.rows, d.rows.n-before, sum)
}

// Write implements io.Writer.
func (d *download) Write(p []byte) (int, error) {
	if d.rows.format == "parquet" {
		return d.rows.out.Write(p)
	}
	n, err := d.rows.Write(p)
	d.progress.set(int64(d.rows.n))
	return n, err
}

// errIncomplete means that a response ended without an error and differs from its trailers. It is not retried: its entries are written.
var errIncomplete = errors.New("export: incomplete")

// verify compares what was received with the trailers.
func verify(res *http.Response, r *rows, n int, sum hash.Hash) error {
	number, checksum := res.Trailer.Get("X-Export-Rows"), res.Trailer.Get("X-Export-Sha256")
	if checksum != hex.EncodeToString(sum.Sum(nil)) || r.format != "parquet" && number != strconv.Itoa(n) {
		return fmt.Errorf("%w: received %d entries, but the trailers say %s, with the checksum %s", errIncomplete, n, number, checksum)
	}
	if r.format == "parquet" {
		r.n, _ = strconv.Atoi(number) // nobody has counted
	}
	return nil
}

// request identifies an export, to know whether a part belongs to it.
func (d *download) request() string {
	p := *d.parameters
	p.Snapshot, p.After = nil, nil
	text, _ := json.Marshal(p) // strings: they always marshal
	return d.ask.Server + " " + string(text)
}
