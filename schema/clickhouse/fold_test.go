package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema/words"
)

// before is a database as the version before a migration left it.
func before(t *testing.T, migration string) (*clickhouse.Options, clickhouse.Conn) {
	t.Helper()
	opts, conn := fresh(t)
	if err := conn.Exec(t.Context(), versionTable); err != nil {
		t.Fatal(err)
	}
	migrations, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		if m.Name == migration {
			return opts, conn
		}
		if err := apply(t.Context(), conn, m); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("there is no such migration")
	return nil, nil
}

func TestFoldWhatAnOlderVersionWrote(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	opts, conn := before(t, "words")
	all := randomTexts(rng, 12_000)
	storeAsBefore(t, conn, all[:6000])
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	insert(t, conn, all[6000:9000], 6000, false) // a consumer of the older version, which does not know the column
	insert(t, conn, all[9000:], 9000, true)
	n, err := Fold(t.Context(), conn, Clauses{})
	if err != nil || n == 0 || n > 9000 {
		t.Fatalf("Fold() = %d, %v", n, err)
	}
	checkFolded(t, conn, all)
	if n, err := Fold(t.Context(), conn, Clauses{}); err != nil || n != 0 {
		t.Errorf("Fold() again = %d, %v, want nothing to do", n, err)
	}
	if found := agree(t, rng, conn, all, 30); found == 0 {
		t.Error("nothing was found")
	}
	if err := conn.Exec(t.Context(), "ALTER TABLE activity APPLY PATCHES SETTINGS mutations_sync = 2"); err != nil {
		t.Fatal(err)
	}
	checkFolded(t, conn, all)
	agree(t, rng, conn, all, 20)
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// checkFolded compares the column of all rows that are there with what it should be.
func checkFolded(t *testing.T, conn clickhouse.Conn, all []text) (rows int) {
	t.Helper()
	found, err := conn.Query(t.Context(), "SELECT id, folded FROM activity")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for ; found.Next(); rows++ {
		var id uint64
		var folded string
		if err := found.Scan(&id, &folded); err != nil {
			t.Fatal(err)
		}
		if want := words.Folded(all[id].detail, all[id].details); folded != want {
			t.Fatalf("%q %s: the column is %q, want %q", all[id].detail, all[id].details, folded, want)
		}
	}
	return rows
}

// TestFoldBesideOthers writes and deletes while two calls fold rows at once, and interrupts both now and then.
func TestFoldBesideOthers(t *testing.T) {
	opts, conn := before(t, "words")
	all := randomTexts(rand.New(rand.NewPCG(1, 2)), 16_000)
	storeAsBefore(t, conn, all[:10_000])
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	var folders sync.WaitGroup
	for range 2 {
		folders.Go(func() {
			for patience := 50 * time.Millisecond; ; patience *= 2 {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				n, err := Fold(ctx, conn, Clauses{})
				cancel()
				if err == nil && n == 0 {
					return
				}
				if err != nil && !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "deadline") && !strings.Contains(err.Error(), "i/o timeout") {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 6 {
		insert(t, conn, all[10_000+i*1000:][:1000], 10_000+i*1000, true)
		c := Clauses{}
		c.Add("id % 100 = {rest:UInt8}", "rest", uint8(i))
		query := "DELETE FROM activity" + c.Where() + " SETTINGS lightweight_delete_mode = 'lightweight_update'"
		if err := conn.Exec(t.Context(), query, c.Args...); err != nil {
			t.Fatal(err)
		}
	}
	folders.Wait()
	if got, want := checkFolded(t, conn, all), wantLeft(16_000); got != want {
		t.Errorf("%d rows are left, want %d", got, want)
	}
}

// wantLeft is how many of n rows are left when the first of each hundred are deleted, the later ones before they were written.
func wantLeft(n int) (left int) {
	for id := range n {
		if rest := id % 100; rest >= 6 || id >= 10_000+(rest+1)*1000 {
			left++
		}
	}
	return left
}

// TestFoldAgainWhatHasUnseenSigns has rows whose words the older version saw otherwise: joiners were a part of them, and most other
// signs that nobody sees ended them.
func TestFoldAgainWhatHasUnseenSigns(t *testing.T) {
	opts, conn := before(t, "unseen")
	all := []text{{"plain", ""}, {"Ärger", ""}, {"K\u00f6ln", `{"a":"K\\u00f6ln"}`}, {"می\u200cخواهم", ""}, {"e\u00ad\u0301", `{"n":1}`}}
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) || strings.TrimRight(words.Folded("a"+string(r)+"b", ""), " ") != "ab" {
			continue // it is seen
		}
		all = append(all, text{"a" + string(r) + "b", ""}, text{"", `{"k":"a` + string(r) + `b"}`})
		var escaped strings.Builder
		for _, half := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&escaped, `\u%04x`, half)
		}
		all = append(all, text{"", `{"k":"a` + escaped.String() + `b"}`}, text{"", `{"k":"a` + strings.ReplaceAll(strings.ToUpper(escaped.String()), "U", "u") + `b"}`})
	}
	if len(all) < 1000 {
		t.Fatalf("only %d texts", len(all))
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO activity (tenant, timestamp, id, received_at, action, detail, details, kpart, koff, kidx, folded)")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range all {
		if err := batch.Append("t", time.Now(), uint64(i), time.Now(), "a", s.detail, s.details, uint16(0), uint64(i), uint16(0), []string{"", "of another rule"}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	var marked uint64
	if err := conn.QueryRow(t.Context(), "SELECT countIf(folded = "+unfolded+") FROM activity").Scan(&marked); err != nil || marked != uint64(len(all)-3) {
		t.Errorf("%d rows are to be folded again, %v, want all but the first three of %d", marked, err, len(all))
	}
	if n, err := Fold(t.Context(), conn, Clauses{}); err != nil || n != int(marked) {
		t.Errorf("Fold() = %d, %v, want %d", n, err, marked)
	}
	all, others := all[3:], all[:3]
	if err := conn.Exec(t.Context(), "DELETE FROM activity WHERE id < 3"); err != nil {
		t.Fatal(err)
	}
	if got := checkFolded(t, conn, append(others, all...)); got != len(all) {
		t.Errorf("%d rows, want %d", got, len(all))
	}
	if got := len(find(t, conn, "AB")); got != len(all)-2 {
		t.Errorf("the word is found %d times, want %d", got, len(all)-2)
	}
}

func TestFoldOnlyWhatIsMeant(t *testing.T) {
	conn := migrated(t)
	storeAsBefore(t, conn, []text{{"Ä", ""}, {"Ö", ""}, {"Ü", ""}, {"plain", ""}})
	var c Clauses
	c.Add("id < {most:UInt64}", "most", uint64(2))
	if n, err := Fold(t.Context(), conn, c); err != nil || n != 2 {
		t.Errorf("Fold() = %d, %v, want 2", n, err)
	}
	if n, err := Fold(t.Context(), conn, Clauses{}); err != nil || n != 1 {
		t.Errorf("Fold() of the rest = %d, %v, want 1", n, err)
	}
}

// TestFoldLargeTexts folds more text, at one offset and in all, than one step takes.
func TestFoldLargeTexts(t *testing.T) {
	conn := migrated(t)
	if err := conn.Exec(t.Context(), `INSERT INTO activity (tenant, timestamp, id, received_at, action, detail, kpart, koff, kidx)
SELECT 't', now64(3), number, now64(3), 'a', concat('É', toString(number), repeat('x', 1000)), 0, 7, number FROM numbers(12000)`); err != nil {
		t.Fatal(err)
	}
	if n, err := Fold(t.Context(), conn, Clauses{}); err != nil || n != 12_000 {
		t.Errorf("Fold() = %d, %v, want 12000", n, err)
	}
	var wrong uint64
	if err := conn.QueryRow(t.Context(), "SELECT countIf(folded != concat('é', toString(number), repeat('x', 1000))) FROM (SELECT *, id AS number FROM activity)").Scan(&wrong); err != nil || wrong != 0 {
		t.Errorf("%d rows are wrong, %v", wrong, err)
	}
}
