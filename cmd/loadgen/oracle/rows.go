package oracle

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
)

// Row is one stored entry. One that was read over the API has its time in whole seconds, and no details.
type Row struct {
	ID    uint64
	Index int // of the entry in the workload; -1 for an entry that is not of the workload
	workload.Entry
}

// Rows calls each with every stored entry.
type Rows func(ctx context.Context, each func(Row) error) error

// Targets come as type=id,type=id: the workload has neither sign in them.
const rowsSQL = `SELECT id, toUnixTimestamp64Milli(timestamp), platform, device, action, detail, actor_name, details, actor_id, request_id,
  arrayStringConcat(arrayMap(t -> replaceAll(t, '\0', '='), targets), ',') FROM activity`

// Rows calls each with every entry of the table.
func (s *Server) Rows(ctx context.Context, each func(Row) error) error {
	return s.Query(ctx, rowsSQL, func(f []string) error {
		if len(f) != 11 {
			return fmt.Errorf("row %q: want 11 fields", strings.Join(f, " "))
		}
		id, err := strconv.ParseUint(f[0], 10, 64)
		if err != nil {
			return fmt.Errorf("id %q: %w", f[0], err)
		}
		ms, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return fmt.Errorf("time %q: %w", f[1], err)
		}
		return each(Row{ID: id, Index: workload.IndexOf(f[5]), Entry: workload.Entry{
			Timestamp: ms, Platform: f[2], Serial: f[3], Action: f[4], Detail: f[5], Username: f[6], Details: []byte(f[7]),
			UserID: f[8], RequestID: f[9], Targets: targetsOf(f[10]),
		}})
	})
}

func targetsOf(text string) (targets []workload.Target) {
	if text == "" {
		return nil
	}
	for t := range strings.SplitSeq(text, ",") {
		kind, id, _ := strings.Cut(t, "=")
		targets = append(targets, workload.Target{Type: kind, ID: id})
	}
	return targets
}

// Listing reads the entries over the API, newest first and page by page.
func Listing(c *client.Conn) Rows {
	return func(ctx context.Context, each func(Row) error) error {
		params := url.Values{"limit": {"1000"}}
		for {
			items, next, err := c.List(ctx, client.Query{Params: params})
			if err != nil {
				return err
			}
			for _, it := range items {
				row := Row{ID: it.ID, Index: workload.IndexOf(it.Detail), Entry: workload.Entry{
					Timestamp: it.Timestamp, Platform: it.Platform, Serial: it.Serial, Action: it.Action, Detail: it.Detail, Username: it.Username,
				}}
				if err := each(row); err != nil {
					return err
				}
			}
			if next == "" {
				return nil
			}
			params.Set("cursor", next)
		}
	}
}

// Same says whether a stored entry is the one that was sent.
func (r *Row) Same(s *workload.Source) bool {
	want, err := s.Entry(r.Index)
	if err != nil {
		return false
	}
	if r.Details == nil { // as the API returns it
		want.Details, want.Timestamp = nil, want.Timestamp/1000
	}
	return r.Entry.Same(&want)
}
