package clickhouse

import (
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// The engine cannot make users. Its parser reads the statements, and sees the names and texts that were meant.
func TestReaderSQL(t *testing.T) {
	_, conn := fresh(t)
	const odd = "a'\\`b\n"
	for _, r := range []NewReader{
		{Database: "activity", Name: "acme_reader", Password: "p", Tenant: "acme"},
		{Database: odd, Name: odd, Password: odd, Tenant: odd},
		{Database: "default", Name: "all_reader", Password: "p"},
	} {
		policies := 0
		for _, text := range append(r.SQL(), r.Undo()...) {
			var got string
			if err := conn.QueryRow(t.Context(), "SELECT formatQuerySingleLine({q:String})", clickhouse.Named("q", text)).Scan(&got); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			if strings.Contains(strings.ToLower(got), " as restrictive ") {
				policies++
				if !strings.Contains(got, literal(r.Tenant)) && !strings.Contains(got, `'a\'\\`+"`"+`b\n'`) {
					t.Errorf("got %s of the policy %s", got, text)
				}
			}
			if strings.Contains(text, r.Password+"'") && r.Password == odd {
				t.Errorf("%s has the password", text)
			}
		}
		want := 0
		for _, s := range sources {
			if s.policy != "" && r.Tenant != "" {
				want++
			}
		}
		if policies != want {
			t.Errorf("%q: got %d policies that restrict, want %d", r.Tenant, policies, want)
		}
	}
	sql := NewReader{Database: "activity", Name: "acme_reader", Password: "p", Tenant: "acme"}.SQL()
	for _, want := range []string{
		"CREATE ROW POLICY IF NOT EXISTS activity_everybody ON `activity`.activity FOR SELECT USING 1 TO ALL",
		"CREATE ROW POLICY OR REPLACE `acme_reader` ON `activity`.activity FOR SELECT USING tenant = 'acme' AS RESTRICTIVE TO `acme_reader`",
		"GRANT SELECT ON `activity`.entries TO `acme_reader`",
		"GRANT SELECT(tenant, at, entries) ON `activity`.erasures TO `acme_reader`",
	} {
		if !slices.Contains(sql, want) {
			t.Errorf("got\n%s\nwithout %s", strings.Join(sql, "\n"), want)
		}
	}
	last := slices.IndexFunc(sql, func(s string) bool { return strings.HasPrefix(s, "GRANT") })
	if slices.ContainsFunc(sql[last:], func(s string) bool { return strings.Contains(s, "POLICY") }) {
		t.Error("the reader gets a right before its policies")
	}
}

// The file for ClickHouse servers grants the same rights.
func TestReaderOfTheServer(t *testing.T) {
	text, err := os.ReadFile("../../deploy/clickhouse/users.xml")
	if err != nil {
		t.Fatal(err)
	}
	var users struct {
		Grants   []string `xml:"users>reader>grants>query"`
		Readonly int      `xml:"profiles>reader>readonly"`
	}
	if err := xml.Unmarshal(text, &users); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, grant := range ReaderGrants("activity") {
		want = append(want, "GRANT "+strings.ReplaceAll(grant, "`", ""))
	}
	if !slices.Equal(users.Grants, want) || users.Readonly != 2 {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(users.Grants, "\n"), strings.Join(want, "\n"))
	}
}

// Query builders show what each view and each column means.
func TestViewsAreDescribed(t *testing.T) {
	opts, conn := fresh(t)
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	for _, name := range Views {
		var comment string
		if err := conn.QueryRow(t.Context(), "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = '"+name+"'").Scan(&comment); err != nil {
			t.Fatal(err)
		}
		if comment == "" {
			t.Errorf("%s has no comment", name)
		}
		var bare []string
		if err := conn.QueryRow(t.Context(), "SELECT groupArray(name) FROM system.columns WHERE database = currentDatabase() AND comment = '' AND table IN ('"+name+"', 'activity', 'by_kind', 'by_entity')").Scan(&bare); err != nil || len(bare) > 0 {
			t.Errorf("columns without a comment: %v, %v", bare, err)
		}
	}
}

// The policies that a reader of one tenant has on the tables leave each view the rows of that tenant, exactly. The setting filters
// tables as policies do.
func TestViewsUnderPolicies(t *testing.T) {
	opts, conn := fresh(t)
	if _, err := Migrate(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`INSERT INTO activity (tenant, timestamp, id, received_at, action, platform, device, actor_id, kpart, koff)
		 SELECT ['acme', 'other', 'acme2'][1 + number % 3], now64(3), number, now64(3), 'a', 'p', 'd' || toString(number % 5), 'u', number % 2, number FROM numbers(90)`,
		ByEntity.Add("koff < 80"), ByKind.Add("koff < 70"), // some are not counted yet
		`INSERT INTO by_kind (tenant, hour, platform, action, received, kpart, koff_to)
		 SELECT tenant, toStartOfHour(timestamp), platform, action, toDate(received_at), kpart, max(koff) FROM activity WHERE koff < 70 GROUP BY ALL`,
		"INSERT INTO by_entity SELECT '', '', toString(kpart), 0, today(), max(koff), 0 FROM activity WHERE koff < 80 GROUP BY kpart",
		"INSERT INTO retention (tenant, days) VALUES ('acme', 30), ('other', 20)",
		"INSERT INTO erasures (tenant, at, entries) VALUES ('acme', now64(3), 3), ('other', now64(3), 4)",
		"INSERT INTO cleanups (tenant, before, done, entries) VALUES ('acme', today(), true, 3), ('other', today(), true, 4)",
	} {
		if err := conn.Exec(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	var policies []string
	for _, s := range sources {
		if s.policy != "" {
			policies = append(policies, literal(s.table)+":"+literal(fmt.Sprintf(s.policy, literal("acme"))))
		}
	}
	limited := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"additional_table_filters": "{" + strings.Join(policies, ",") + "}"}))
	for _, name := range Views {
		whose := "tenant = 'acme'"
		if name == "retention_now" {
			whose = "tenant IN ('acme', '')"
		}
		const rows = "SELECT arraySort(groupArray(toString(tuple(*)))) FROM (SELECT * FROM "
		var got, want []string
		if err := conn.QueryRow(limited, rows+name+")").Scan(&got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := conn.QueryRow(t.Context(), rows+name+" WHERE "+whose+")").Scan(&want); err != nil || len(want) == 0 {
			t.Fatalf("%s: %d rows, %v", name, len(want), err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	for _, view := range []string{"hourly", "daily_by_device", "daily_by_account"} {
		var n uint64
		if err := conn.QueryRow(limited, "SELECT sum(entries) FROM "+view).Scan(&n); err != nil || n != 30 {
			t.Errorf("%s counts %d, %v, want 30", view, n, err)
		}
	}
}
