package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/activitylog/activitylog/schema/api/client"
)

type tail struct {
	Asking   asking   `embed:""`
	Matching matching `embed:""`
	After    string   `help:"Id of an event; start after it instead of now." placeholder:"ID"`
	JSON     bool     `name:"json" help:"Print one JSON object per line, also on a terminal."`
}

func (c *tail) defaults() { c.Asking.defaults() }

func (c *tail) validate() error { return c.Asking.validate() }

// again is the wait before a stream that has ended is requested again.
const again = 2 * time.Second

// run prints entries as they are stored, one per line, until ctx ends: as a table on a terminal, as JSON elsewhere. It resumes a stream
// that breaks after its last event.
func (c *tail) run(ctx context.Context, out io.Writer) error {
	ask, err := c.Asking.client()
	if err != nil {
		return err
	}
	to := printer{out: out}
	if !c.JSON && toTerminal(out) {
		to.columns = columnsOf(out)
	}
	p := c.parameters()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for following := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		res, err := granted(ask.AuditStream(ctx, p))
		if err == nil {
			following = true
			s := events{last: c.After, print: to.print}
			err = errors.Join(s.follow(res.Body), res.Body.Close())
			c.After = s.last
			p.LastEventID = given(c.After)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case !following, errors.Is(err, errOutput), errors.Is(err, errRefused):
			return err
		}
		fmt.Fprintf(os.Stderr, "stream ended, reconnecting: %v\n", err)
		timer.Reset(again)
	}
}

func (c *tail) parameters() *client.AuditStreamParams {
	m := c.Matching
	return &client.AuditStreamParams{
		LastEventID: given(c.After), Tenant: given(m.Tenant),
		UserId: given(m.User), Username: given(m.Username), Action: given(m.Action), TargetType: given(m.TargetType), TargetId: given(m.TargetID),
		Platform: given(m.Platform), Serial: given(m.Serial), RequestId: given(m.RequestID), Search: given(m.Search),
		StartDate: given(m.Start), EndDate: given(m.End),
	}
}

// errOutput means that the output failed.
var errOutput = errors.New("write entries")

// maxEvent is the largest event that is read, in bytes. An entry arrives in a request of at most 16 MiB; JSON may escape it to more.
const maxEvent = 64 << 20

// events prints the entries of a stream of server-sent events.
type events struct {
	print func(entry string) error
	last  string // id of the last event that was handled
}

// follow reads events until the stream ends or breaks.
func (e *events) follow(body io.Reader) error {
	for event, err := range sse.Read(body, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		if err == nil {
			err = e.handle(event)
		}
		if err != nil {
			return err
		}
	}
	return io.EOF
}

func (e *events) handle(event sse.Event) error {
	switch event.Type {
	case "entry":
		if err := e.print(event.Data); err != nil {
			return fmt.Errorf("%w: %w", errOutput, err)
		}
	case "end":
		return fmt.Errorf("the service ended the stream: %s", event.Data)
	}
	if event.LastEventID != "" {
		e.last = event.LastEventID
	}
	return nil
}

// printer prints entries as they arrive.
type printer struct {
	out     io.Writer
	columns int // of the table; 0: JSON
}

func (p *printer) print(data string) error {
	if p.columns == 0 {
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
	_, err := fmt.Fprintln(p.out, line(&it.AuditItem, string(it.Details), p.columns))
	return err
}

// line formats an entry in n columns: time, action, actor, device, target and details.
func line(it *client.AuditItem, details string, n int) string {
	who, where, rest := "-", "-", ""
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
		rest = *it.TargetType + " " + *it.TargetId
	}
	if details != "null" {
		rest = strings.TrimSpace(rest + " " + details)
	}
	more := max(n-usual, 0) / 4 // a wide terminal has wider cells
	cells := []string{it.CreatedAt.UTC().Format("2006-01-02 15:04:05")}
	for _, c := range []struct {
		text string
		wide int
	}{{it.Action, 14 + more}, {who, 12 + more}, {where, 14 + more}} {
		cells = append(cells, cell(printable(c.text), c.wide))
	}
	return printable(fit(strings.Join(append(cells, printable(rest)), "  "), n))
}
