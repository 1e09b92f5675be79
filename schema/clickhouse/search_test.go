package clickhouse

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/words"
	"github.com/activitylog/activitylog/schema/words/texts"
)

// text has the fields of an entry that are searched.
type text struct{ detail, details string }

// migrated returns a database with its tables.
func migrated(t *testing.T) clickhouse.Conn {
	t.Helper()
	opts, conn := fresh(t)
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	return conn
}

// store writes texts as the consumer does, with their index as id.
func store(t *testing.T, conn clickhouse.Conn, all []text) {
	t.Helper()
	insert(t, conn, all, 0, true)
}

// storeAsBefore writes texts as the version before the column folded did.
func storeAsBefore(t *testing.T, conn clickhouse.Conn, all []text) {
	t.Helper()
	insert(t, conn, all, 0, false)
}

// insert lays texts into two partitions, three at an offset.
func insert(t *testing.T, conn clickhouse.Conn, all []text, firstID int, folds bool) {
	t.Helper()
	columns := "tenant, timestamp, id, received_at, action, detail, details, kpart, koff, kidx"
	if folds {
		columns += ", folded"
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO activity ("+columns+")")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now() // what is old expires
	for i, s := range all {
		i += firstID
		at := now.Add(time.Duration(i%1000) * time.Millisecond)
		values := []any{"t", at, uint64(i), now, "a", s.detail, s.details, uint16(i % 2), uint64(i / 6), uint16(i / 2 % 3)}
		if folds {
			values = append(values, words.Folded(s.detail, s.details))
		}
		if err := batch.Append(values...); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// find returns the ids of the entries that a search finds.
func find(t *testing.T, conn clickhouse.Conn, search string) (ids []uint64) {
	t.Helper()
	var c Clauses
	c.Match(schema.Match{Search: search})
	if err := conn.QueryRow(t.Context(), "SELECT arraySort(groupArray(id)) FROM activity"+c.Where(), c.Args...).Scan(&ids); err != nil {
		t.Fatalf("search %q: %v", search, err)
	}
	return ids
}

// TestSearchFinds has the examples of the rules. Each must find the text, and no other.
func TestSearchFinds(t *testing.T) {
	all := []text{
		{"Großer Ärger mit Überweisung", ""},
		{"Вход выполнен", ""},
		{"Error en CONCILIACIÓN", ""},
		{"", `{"msg":"first\nsecond","cols":"c1\tc2"}`},
		{"", `{"city":"K\u00f6ln","name":"Jos\u00e9 Garc\u00eda"}`},
		{"", `{"t":"\u0412\u0445\u043e\u0434"}`},
		{"Müller’s card “4111” – revoked", ""},
		{"Published “Summer mix” with success…", ""},
		{"登录成功，用户张三。完成", ""},
		{"total\u00a0price paid 50€, pages 10–20, ¿Qué pasó?", ""},
		{"वीडियो प्रकाशित", ""},
		{"cafe\u0301 re\u0301sume\u0301", ""},
		{"account_payment_reverse by ann@example.com", `{"ip":"10.0.0.1","id":"3f2b8c1e-0000-4000-8000-00805f9b34fb"}`},
		{"user not found, found not user", `{"path":"C:\\new\\table"}`},
	}
	conn := migrated(t)
	store(t, conn, all)
	for search, want := range map[string][]uint64{
		"ärger": {0}, "überweisung": {0}, "GROẞER": {0}, "grosser": {0}, "arger": nil, "Überweisung Ärger": {0}, `"Überweisung Ärger"`: nil, `"mit Überweisung"`: {0},
		"вход": {1, 5}, "Вход": {1, 5}, "ВЫПОЛНЕН": {1}, "Вхо": nil,
		"conciliación": {2}, "CONCILIACIO\u0301N": {2}, "conciliacion": nil,
		"second": {3}, "c2": {3}, "nsecond": nil, `"first second"`: {3}, "tc2": nil,
		"Köln": {4}, "José": {4}, `"josé garcía"`: {4}, "u00f6ln": nil,
		"4111": {6}, "Müller": {6}, "Müller’s": {6}, "müller's": {6}, all[6].detail: {6}, `"` + all[6].detail + `"`: {6},
		"Summer": {7}, "success": {7}, "“summer mix”": {7},
		"登录成功": {8}, "成功": {8}, "三": {8}, "登": {8}, "张三": {8}, "三张": nil, "成功用户": nil, "录用": nil,
		"price": {9}, "50": {9}, "10–20": {9}, "10-20": {9}, "20-10": nil, "Qué": {9}, "que": nil,
		"वीडियो": {10}, "प्रकाशित": {10}, "वी": nil,
		"café": {11}, "RÉSUMÉ": {11}, "cafe": nil,
		"account_payment_reverse": {12}, "payment": {12}, "reverse_payment": nil, "ann@example.com": {12}, "10.0.0.1": {12}, "10.0.1.0": nil, "3F2B8C1E-0000-4000-8000-00805F9B34FB": {12},
		`"user not found"`: {13}, `"not user"`: {13}, `"found user"`: nil, "user found not": {13}, `C:\new\table`: {13}, `new\table`: {13},
		"–": nil, "👍": nil, "absent": nil, "user absent": nil,
	} {
		if got := find(t, conn, search); !slices.Equal(got, want) {
			t.Errorf("search %q: got %v, want %v", search, got, want)
		}
	}
}

// TestSearchAgreesWithWords asks for many random texts at once: the tables must answer what package words says. SEARCH_ROUNDS
// asks for longer.
func TestSearchAgreesWithWords(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("SEARCH_ROUNDS"))
	for range max(1, rounds) {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		conn := migrated(t)
		all := randomTexts(rng, 20_000)
		store(t, conn, all)
		found := agree(t, rng, conn, all, 50)
		if t.Failed() || found == 0 {
			t.Fatalf("seed %d: %d found", seed, found)
		}
	}
}

func randomTexts(rng *rand.Rand, n int) []text {
	all := make([]text, n)
	for i := range all {
		all[i] = text{texts.Text(rng), texts.Details(rng)}
	}
	return all
}

// agree searches for words that some of the texts may have, and counts the results.
func agree(t *testing.T, rng *rand.Rand, conn clickhouse.Conn, all []text, searches int) (found int) {
	t.Helper()
	has := make([][]string, len(all))
	for i, s := range all {
		has[i] = words.All(s.detail, s.details)
	}
	for range searches {
		s := all[rng.IntN(len(all))]
		search := texts.Search(rng, s.detail)
		q := words.Parse(search)
		if q.Words > words.Max || search == "" {
			continue
		}
		var want []uint64
		for i := range all {
			if q.In(has[i]) {
				want = append(want, uint64(i))
			}
		}
		got := find(t, conn, search)
		found += len(want)
		for id := range all {
			if _, a := slices.BinarySearch(got, uint64(id)); a != q.In(has[id]) {
				t.Errorf("search %q %+q finds %q %+q %s: got %v", search, search, all[id].detail, all[id].detail, all[id].details, a)
				break
			}
		}
		if len(got) != len(want) {
			t.Errorf("search %q %+q: got %d texts, want %d", search, search, len(got), len(want))
		}
	}
	return found
}

// TestWhatIsNotFoldedIsFoundAsBefore searches rows that an older version wrote.
func TestWhatIsNotFoldedIsFoundAsBefore(t *testing.T) {
	conn := migrated(t)
	storeAsBefore(t, conn, []text{
		{"Card 4111 revoked", `{"by":"ann"}`},
		{"Ärger mit Überweisung 10", `{"by":"O'Brien","path":"C:\\new"}`},
		{"登录成功", `{"msg":"first\nsecond"}`},
	})
	for search, want := range map[string][]uint64{
		"card": {0}, "ann": {0}, `"card 4111"`: {0}, "4111 card": {0}, `"4111 card"`: nil,
		"Ärger": {1}, "Überweisung": {1}, "ärger": nil, "mit": {1}, "10": {1}, "o'brien": {1}, "Ärger mit Überweisung": {1}, "Ärger absent": nil, `c:\new`: {1},
		"登录成功": {2}, "nsecond": {2}, "FIRST": {2}, "登录": nil,
	} {
		if got := find(t, conn, search); !slices.Equal(got, want) {
			t.Errorf("search %q: got %v, want %v", search, got, want)
		}
	}
}

func TestSearchUsesTheIndex(t *testing.T) {
	conn := migrated(t)
	var all []text
	for i := range 20_000 {
		all = append(all, text{fmt.Sprintf("Überweisung %d ok", i), ""})
	}
	all = append(all, text{"Ärger", ""})
	store(t, conn, all)
	for _, search := range []string{"Ärger", `"kein Ärger"`, "absent", "absent@example.com"} {
		var c Clauses
		c.Match(schema.Match{Search: search})
		if got := explain(t, conn, "SELECT count() FROM activity"+c.Where(), c.Args...); !strings.Contains(got, "by_words") {
			t.Errorf("search %q does not use the index:\n%s", search, got)
		}
	}
}

func explain(t *testing.T, conn clickhouse.Conn, query string, args ...any) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "EXPLAIN indexes = 1 "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestUnfoldedIsTheSameEverywhere(t *testing.T) {
	_, conn := fresh(t)
	var got string
	if err := conn.QueryRow(t.Context(), "SELECT "+unfolded).Scan(&got); err != nil || got != words.Unfolded {
		t.Errorf("in SQL it is %q, %v, want %q", got, err, words.Unfolded)
	}
	if q := words.Parse("a" + words.Unfolded + "b"); len(q.Sequences) != 1 || len(q.Sequences[0]) != 2 {
		t.Errorf("it is a part of a word: %q", q.Sequences)
	}
}
