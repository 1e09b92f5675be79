package erase_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/query/internal/fixture/pipeline"
	"github.com/activitylog/activitylog/schema"
)

// TestDeletesWithoutATable: a delete that could not be applied or counted is refused with its cause, before anything is published.
func TestDeletesWithoutATable(t *testing.T) {
	p := pipeline.Start(t, 10*time.Second)
	ctx := t.Context()
	ids, at := p.Write("a", 0, 3)
	if err := p.Backend.Await(ctx, at); err != nil {
		t.Fatal(err)
	}
	before := end(t, p)
	for _, table := range []string{"erasures", "erased", "by_entity", "activity"} {
		if err := p.DB.Conn.Exec(ctx, "RENAME TABLE "+table+" TO gone_"+table); err != nil {
			t.Fatal(err)
		}
		for name, remove := range map[string]func() error{
			"by filter": func() error {
				_, err := p.Backend.EraseMatching(ctx, pipeline.Of("a"), pipeline.Filter(t, "a", schema.Match{Device: "d0"}))
				return err
			},
			"everything": func() error { return p.Backend.DeleteAll(ctx, pipeline.Of("a")) },
			"one":        func() error { return p.Backend.DeleteOne(ctx, pipeline.Of("a"), ids[0]) },
			"one, audit": func() error { return p.Backend.EraseOne(ctx, pipeline.Of("a"), ids[0]) },
		} {
			began := time.Now()
			err := remove()
			var cause *schema.Refusal
			if !errors.Is(err, schema.ErrUnavailable) || errors.Is(err, schema.ErrTimeout) || !errors.As(err, &cause) || !strings.Contains(cause.Issue, "tables are missing") {
				t.Errorf("without %s, %s: got %v, want unavailable and why", table, name, err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("without %s, %s: it took %v", table, name, took)
			}
		}
		if err := p.Backend.Ready(ctx); !errors.Is(err, schema.ErrUnavailable) || !strings.Contains(err.Error(), "table "+table) {
			t.Errorf("ready without %s: got %v, want the table's name", table, err)
		}
		if err := p.DB.Conn.Exec(ctx, "RENAME TABLE gone_"+table+" TO "+table); err != nil {
			t.Fatal(err)
		}
	}
	if now := end(t, p); now != before {
		t.Errorf("%d commands were published, want none", now-before)
	}
	if n, err := p.Backend.EraseMatching(ctx, pipeline.Of("a"), pipeline.Filter(t, "a", schema.Match{Device: "d0"})); err != nil || n != 3 {
		t.Errorf("with all tables: got %d, %v, want 3", n, err)
	}
}

// end is how many records the partitions have together.
func end(t *testing.T, p *pipeline.Pipeline) (n int64) {
	t.Helper()
	var ask []kafka.OffsetRequest
	for i := range pipeline.Partitions {
		ask = append(ask, kafka.LastOffsetOf(i))
	}
	res, err := p.Client.ListOffsets(t.Context(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{p.Broker.Topic(): ask}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range res.Topics[p.Broker.Topic()] {
		n += o.LastOffset
	}
	return n
}
