package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/activitylog/activitylog/cmd/activityctl/internal/rows"
)

// part is the file of an incomplete export. A JSON file beside it says which export it belongs to.
type part struct {
	*os.File
	state state
}

type state struct {
	Request  string `json:"request"`  // the address and the filters
	Snapshot string `json:"snapshot"` // of the export
}

// openPart opens FILE.part. If it belongs to the same request as d, d resumes after its last complete entry; otherwise it starts again.
// FILE must not exist.
func openPart(name string, d *download) (*part, error) {
	if err := unused(name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name+".part", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	p := &part{File: f, state: state{Request: d.request()}}
	if err := p.resume(d); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

func (p *part) resume(d *download) error {
	var old state
	text, err := os.ReadFile(p.stateName())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || json.Unmarshal(text, &old) != nil || old.Request != p.state.Request || d.rows.Format == "parquet" {
		return p.cut(0)
	}
	var whole counter
	found := &rows.Writer{Out: &whole, Format: d.rows.Format}
	if _, err := io.Copy(found, p); err != nil {
		return err
	}
	found.Drop()
	after, err := found.After()
	if err != nil || after == "" {
		return p.cut(0)
	}
	d.rows.N, d.rows.Last, d.rows.Header = found.N, found.Last, found.Header
	d.parameters.Snapshot, d.parameters.After = &old.Snapshot, &after
	d.bytes = int64(whole)
	return p.cut(d.bytes)
}

// cut truncates the file to size bytes, and continues writing there.
func (p *part) cut(size int64) error {
	if err := p.Truncate(size); err != nil {
		return err
	}
	_, err := p.Seek(size, io.SeekStart)
	return err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func (p *part) stateName() string { return p.Name() + ".json" }

// begun records the snapshot of the export.
func (p *part) begun(snapshot string) error {
	p.state.Snapshot = snapshot
	text, _ := json.Marshal(p.state) // strings: they always marshal
	if err := os.WriteFile(p.stateName(), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// unused returns an error if there is a file of that name.
func unused(name string) error {
	_, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%s exists: remove it, or choose another name for --out", name)
	}
	return err
}

// finish renames the complete file.
func (p *part) finish(name string) error {
	if err := unused(name); err != nil {
		return fmt.Errorf("export: %w; the export is complete in %s", err, p.Name())
	}
	if err := os.Rename(p.Name(), name); err != nil {
		return err
	}
	return p.forget()
}

func (p *part) remove() error { return errors.Join(os.Remove(p.Name()), p.forget()) }

func (p *part) forget() error {
	if err := os.Remove(p.stateName()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
