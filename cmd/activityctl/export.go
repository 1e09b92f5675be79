package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/activitylog/activitylog/schema/client"
)

type export struct {
	Asking   asking   `embed:""`
	Matching matching `embed:""`
	Format   string   `help:"ndjson, csv, json or parquet." enum:"ndjson,csv,json,parquet" default:"ndjson"`
	Out      string   `help:"File, which is there once all of the export is; without it, standard output." placeholder:"FILE"`
}

func (c *export) check() error { return c.Asking.check() }

func (c *export) run(ctx context.Context, out io.Writer) error {
	ask, err := c.Asking.client()
	if err != nil {
		return err
	}
	if c.Out == "" {
		return c.write(ctx, ask, out)
	}
	f, err := os.CreateTemp(filepath.Dir(c.Out), "."+filepath.Base(c.Out)+"-*")
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer os.Remove(f.Name()) // of what was not renamed
	if err := errors.Join(c.write(ctx, ask, f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), c.Out)
}

// write writes all of the export. Where lines of JSON are cut off it asks for the rest, as long as each answer brings some.
func (c *export) write(ctx context.Context, ask *client.Client, out io.Writer) error {
	p := c.parameters()
	for {
		res, err := granted(ask.AuditExport(ctx, p))
		if err != nil {
			return err
		}
		part := &part{res: res, whole: c.Format != "ndjson"}
		err = errors.Join(part.copy(out), res.Body.Close())
		if err == nil || part.last == "" || ctx.Err() != nil {
			return err
		}
		snapshot := res.Header.Get("X-Export-Snapshot")
		p.Snapshot, p.After = &snapshot, &part.last
	}
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

// part is an answer, which may be all of an export.
type part struct {
	res   *http.Response
	whole bool   // it cannot be continued
	last  string // the entry after which it can be continued
}

// copy writes the part to out, entry by entry where it can be continued, and holds its checksum against what was announced.
func (p *part) copy(out io.Writer) error {
	sum := sha256.New()
	body := io.TeeReader(p.res.Body, sum)
	rows, err := 0, error(nil)
	if p.whole {
		_, err = io.Copy(out, body)
	} else {
		rows, err = p.lines(out, body)
	}
	announced := p.res.Trailer.Get("X-Export-Rows")
	switch {
	case err != nil:
		return fmt.Errorf("export: %w", err)
	case p.res.Trailer.Get("X-Export-Sha256") != hex.EncodeToString(sum.Sum(nil)), !p.whole && announced != strconv.Itoa(rows):
		p.last = "" // what came is not to be trusted
		return fmt.Errorf("export: it is not whole: %d entries came, and %s were announced", rows, announced)
	}
	return nil
}

// lines writes whole lines, and remembers the entry of the last one.
func (p *part) lines(out io.Writer, body io.Reader) (rows int, err error) {
	in := bufio.NewReader(body)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return rows, nil
		}
		if err != nil {
			return rows, fmt.Errorf("cut off after %d entries: %w", rows, err)
		}
		var entry struct{ CreatedAt, ID string }
		if err := json.Unmarshal(line, &entry); err != nil {
			return rows, fmt.Errorf("read an entry: %w", err)
		}
		if _, err := out.Write(line); err != nil {
			p.last = ""
			return rows, err
		}
		rows++
		p.last = entry.CreatedAt + "," + entry.ID
	}
}
