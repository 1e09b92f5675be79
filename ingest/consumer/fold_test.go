package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	"github.com/activitylog/activitylog/schema/words"
	"github.com/activitylog/activitylog/schema/words/texts"
)

// searched lists texts that a search with other letters finds.
var searched = []struct{ detail, details, search string }{
	{"Großer Ärger", "", "GROSSER ärger"},
	{"Вход выполнен", "", "вход"},
	{"", `{"msg":"first\nsecond"}`, "second"},
	{"", `{"city":"K\u00f6ln"}`, "Köln"},
	{"Müller’s card “4111”", "", `"müller's card"`},
	{"登录成功，用户张三", "", "成功"},
	{"cafe\u0301", "", "café"},
}

func TestEraseBySearchInEveryScript(t *testing.T) {
	b := newBed(t, 1)
	for _, s := range searched {
		b.sendEntry(0, "default", schema.Entry{Timestamp: 1_760_000_000_000, Action: "a", Detail: s.detail, Details: s.details})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		b.sendEntry(0, "default", schema.Entry{Timestamp: 1_760_000_000_000, Action: "a", Detail: texts.Text(rng), Details: texts.Details(rng)})
	}
	b.consumer()
	b.drain()
	b.checkFolded()
	for _, s := range searched {
		if taken := b.eraseMatch(0, "default", schema.Match{Search: s.search}); taken == 0 {
			t.Errorf("%q takes nothing", s.search)
		}
	}
	b.drain()
	b.check()
	b.checkFolded()
}

// checkFolded compares the column with the texts of the rows that are there.
func (b *bed) checkFolded() {
	b.t.Helper()
	rows, err := b.conn.Query(b.t.Context(), "SELECT detail, details, folded FROM activity")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var detail, details, folded string
		if err := rows.Scan(&detail, &details, &folded); err != nil {
			b.t.Fatal(err)
		}
		if want := words.Folded(detail, details); folded != want {
			b.t.Errorf("%q %s: the column is %q, want %q", detail, details, folded, want)
		}
	}
}

// TestEraseFoldsWhatAnOlderVersionWrote folds rows between the two halves of an erasure: it must remove the same entries from the rollups
// and from the table.
func TestEraseFoldsWhatAnOlderVersionWrote(t *testing.T) {
	for _, point := range []string{"", beforeDelete, afterSubtract, afterDelete} {
		t.Run(fmt.Sprint("cut off ", point), func(t *testing.T) {
			b := newBed(t, 1)
			for range 3 {
				for _, s := range searched {
					b.sendEntry(0, "default", schema.Entry{Timestamp: 1_760_000_000_000, Action: "a", Detail: s.detail, Details: s.details})
				}
			}
			_, stop := b.consumer()
			b.drain()
			stop()
			older := "UPDATE activity SET folded = {unfolded:String} WHERE folded != ''"
			if err := b.conn.Exec(t.Context(), older, clickhouse.Named("unfolded", words.Unfolded)); err != nil {
				t.Fatal(err)
			}
			for _, s := range searched {
				if taken := b.eraseMatch(0, "default", schema.Match{Search: s.search}); taken == 0 {
					t.Errorf("%q takes nothing", s.search)
				}
			}
			b.consumer(failing(point, 2), func(c *Consumer) {
				fail := c.fail
				c.fail = func(partition int, at string) error {
					if at == afterSubtract {
						if _, err := tables.Fold(context.WithoutCancel(t.Context()), b.conn, tables.Clauses{}); err != nil {
							t.Error(err)
						}
					}
					return fail(partition, at)
				}
			})
			b.drain()
			b.check()
		})
	}
}
