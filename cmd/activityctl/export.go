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
	"sync"
	"time"

	"github.com/activitylog/activitylog/cmd/activityctl/internal/rows"
	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/cmd/internal/term"
	"github.com/activitylog/activitylog/schema/api/client"
)

type export struct {
	Asking   asking   `embed:""`
	Matching matching `embed:""`
	Format   string   `help:"Format: ndjson, csv, json or parquet." oneof:"ndjson,csv,json,parquet"`
	Out      *string  `help:"Output file, which must not exist yet; standard output without it, or for -. It is FILE.part until the export is complete; the same command resumes it." placeholder:"FILE"`
	JSON     bool     `name:"json" help:"Describe the complete file of --out as one JSON object, on standard output."`
}

func (c *export) defaults() {
	c.Asking.defaults()
	c.Format = "ndjson"
}

func (c *export) validate() error {
	faults := []error{c.Asking.validate(), c.Matching.validate()}
	if c.Out != nil && *c.Out == "" {
		faults = append(faults, errors.New("--out: must not be empty; leave it out for standard output"))
	}
	if c.JSON && !c.named() {
		faults = append(faults, errors.New("--json: describes the file of --out; for entries as JSON use --format ndjson or --format json"))
	}
	return errors.Join(faults...)
}

func (c *export) run(ctx context.Context, out term.Output) error {
	ask, err := c.Asking.client()
	if err != nil {
		return err
	}
	d := &download{ask: ask, parameters: c.parameters(), rows: &rows.Writer{Out: out, Format: c.Format}}
	switch {
	case c.named():
		if err := c.toFile(ctx, d); err != nil {
			return err
		}
		return c.report(out, d.rows.N)
	case c.Format == "parquet" && out.Width > 0:
		return fmt.Errorf("%w: --format parquet is binary, and the output is a terminal: set --out FILE, or redirect the output", service.ErrUsage)
	}
	if out.Width > 0 { // the entries themselves are the progress
		d.rows.Out = term.Masked{Writer: out}
		return d.all(ctx)
	}
	return d.watched(ctx)
}

// named reports whether the output is a file.
func (c *export) named() bool { return c.Out != nil && *c.Out != "-" }

// report says what is in the complete file.
func (c *export) report(out term.Output, entries int) error {
	info, err := os.Stat(*c.Out)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if c.JSON {
		return json.NewEncoder(out).Encode(struct {
			File    string `json:"file"`
			Format  string `json:"format"`
			Entries int    `json:"entries"`
			Bytes   int64  `json:"bytes"`
		}{*c.Out, c.Format, entries, info.Size()})
	}
	_, err = fmt.Fprintf(out, "%d entries in %s\n", entries, *c.Out)
	return err
}

// toFile writes FILE.part, and renames it to FILE once it is complete. It removes a part that cannot be resumed.
func (c *export) toFile(ctx context.Context, d *download) error {
	f, err := openPart(*c.Out, d)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	d.rows.Out, d.begun = f, f.begun
	err = errors.Join(d.watched(ctx), f.Sync(), f.Close())
	if err != nil {
		if d.rows.N > 0 && c.Format != "parquet" && !errors.Is(err, errIncomplete) { // which rows of an incomplete part are right is not known
			return fmt.Errorf("%w; %d entries are in %s; run the same command again to resume", err, d.rows.N, f.Name())
		}
		return errors.Join(fmt.Errorf("%w; %s is removed; run the same command again", err, f.Name()), f.remove())
	}
	return f.finish(*c.Out)
}

func (c *export) parameters() *client.AuditExportParams {
	m, format := c.Matching, client.AuditExportParamsFormat(c.Format)
	return &client.AuditExportParams{
		Format: &format, Tenant: m.Tenant,
		UserId: m.User, Username: m.Username, Action: m.Action, TargetType: m.TargetType, TargetId: m.TargetID,
		Platform: m.Platform, Serial: m.Serial, RequestId: m.RequestID, Search: m.Search, StartDate: m.Start, EndDate: m.End,
	}
}

// download requests an export until it is complete.
type download struct {
	ask        *client.Client
	parameters *client.AuditExportParams
	rows       *rows.Writer
	bytes      int64                       // that were there already
	begun      func(snapshot string) error // called before the first entry is written; may be nil
	progress   *term.Progress
}

// watched shows the progress of all on a terminal, beside which the number of entries is asked for.
func (d *download) watched(ctx context.Context) error {
	d.progress = term.Watch(os.Stderr, int64(d.rows.N), d.bytes)
	if d.progress == nil {
		return d.all(ctx)
	}
	counting, cancel := context.WithCancel(ctx)
	var counted sync.WaitGroup
	counted.Go(func() { d.progress.Expect(d.total(counting)) })
	err := d.all(ctx)
	cancel()
	counted.Wait()
	d.progress.Stop()
	return err
}

// total returns roughly how many entries to expect; 0 if unknown.
func (d *download) total(ctx context.Context) int64 {
	p := d.parameters
	res, err := granted(d.ask.AuditCount(ctx, &client.AuditCountParams{
		Tenant: p.Tenant, UserId: p.UserId, Username: p.Username, Action: p.Action, TargetType: p.TargetType, TargetId: p.TargetId,
		Platform: p.Platform, Serial: p.Serial, RequestId: p.RequestId, Search: p.Search, StartDate: p.StartDate, EndDate: p.EndDate,
	}))
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	var answer struct{ Data struct{ Count int64 } }
	_ = json.NewDecoder(res.Body).Decode(&answer)
	return answer.Data.Count
}

// tries is the most responses without an entry in a row, and pause the wait after the first of them; it doubles.
const (
	tries = 5
	pause = 500 * time.Millisecond
)

// all resumes the export when a response breaks off, or the service is unavailable for some seconds.
func (d *download) all(ctx context.Context) error {
	for empty := 0; ; {
		before := d.rows.N
		err := d.some(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, errRefused) || errors.Is(err, errIncomplete) {
			return err
		}
		if empty++; d.rows.N > before {
			empty = 1
		}
		after, err2 := d.rows.After()
		if empty == tries || after == "" || d.rows.Format == "parquet" || err2 != nil {
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
	before, sum := d.rows.N, sha256.New()
	if _, err := io.Copy(d, io.TeeReader(res.Body, sum)); err != nil {
		d.rows.Drop()
		return fmt.Errorf("export: interrupted after %d entries: %w", d.rows.N, err)
	}
	if err := d.rows.Flush(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := verify(res, d.rows, d.rows.N-before, sum); err != nil {
		return err
	}
	d.progress.Set(int64(d.rows.N), 0)
	return nil
}

// Write implements io.Writer.
func (d *download) Write(p []byte) (int, error) {
	if d.rows.Format == "parquet" {
		n, err := d.rows.Out.Write(p)
		d.progress.Set(0, int64(n)) // its entries are not counted before the end
		return n, err
	}
	n, err := d.rows.Write(p)
	d.progress.Set(int64(d.rows.N), int64(n))
	return n, err
}

// errIncomplete means that a response ended without an error and differs from its trailers. It is not retried: its entries are written.
var errIncomplete = errors.New("export: incomplete")

// verify compares what was received with the trailers.
func verify(res *http.Response, r *rows.Writer, n int, sum hash.Hash) error {
	number, checksum := res.Trailer.Get("X-Export-Rows"), res.Trailer.Get("X-Export-Sha256")
	if checksum != hex.EncodeToString(sum.Sum(nil)) || r.Format != "parquet" && number != strconv.Itoa(n) {
		return fmt.Errorf("%w: received %d entries, but the trailers say %s, with the checksum %s", errIncomplete, n, number, checksum)
	}
	if r.Format == "parquet" {
		r.N, _ = strconv.Atoi(number) // nobody has counted
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
