package publish

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/activitylog/activitylog/ingest/collector/internal/decode"
)

// sampleLines are n entries as NDJSON, ~198 B each: the devices and actors of a fleet, details on 30 %.
func sampleLines(n int) []byte {
	r := rand.New(rand.NewPCG(42, 7))
	platforms := []string{"tiktok", "instagram", "x", "facebook", "youtube", "threads", "reddit", "snapchat"}
	actions := []string{"post", "follow", "unfollow", "comment", "like", "story_view", "profile_update", "app_open"}
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, `{"platform":"%s","serial":"SN-%d","action_type":"%s","action_detail":"Published live stream #%d while warming up account","username":"user_%d","timestamp":%d`,
			platforms[r.IntN(8)], 1000000+r.IntN(10000), actions[r.IntN(8)], r.IntN(1000000), 10000+r.IntN(50000), 1795219200000+int64(i))
		if r.IntN(10) < 3 {
			b = fmt.Appendf(b, `,"details":{"ip":"10.%d.%d.7","duration_ms":%d,"success":true}`, r.IntN(256), r.IntN(256), r.IntN(90000))
		}
		b = append(b, "}\n"...)
	}
	return b
}

// auditLines are n entries as NDJSON, ~270 B each: what an account did to one target through which request, details on 30 %.
func auditLines(n int) []byte {
	r := rand.New(rand.NewPCG(42, 7))
	actions := []string{"TICKET_PAY", "TICKET_CREATE", "USER_LOGIN", "USER_UPDATE", "ORDER_CANCEL", "EXPORT"}
	targets := []string{"TICKET", "USER", "ORDER", "REPORT"}
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, `{"action":"%s","timestamp":%d,"userId":"user-%d","username":"user_%d","targetType":"%s","targetId":"%08d","ipAddress":"10.%d.%d.7","userAgent":"Mozilla/5.0 (X11; Linux x86_64)","requestId":"req-%016x","layer":"api"`,
			actions[r.IntN(6)], 1795219200000+int64(i), 10000+r.IntN(50000), 10000+r.IntN(50000), targets[r.IntN(4)], r.IntN(1e8), r.IntN(256), r.IntN(256), r.Uint64())
		if r.IntN(10) < 3 {
			b = fmt.Appendf(b, `,"details":{"amount":%d,"currency":"EUR","success":true}`, r.IntN(90000))
		}
		b = append(b, "}\n"...)
	}
	return b
}

// BenchmarkDecode decodes, validates and encodes NDJSON of 1000 entries into the chunks of 4 partitions, as a client of each
// dialect sends them. For comparison, a fleet's entries in the words of the audit dialect.
func BenchmarkDecode(b *testing.B) {
	const n = 1000
	fleet := sampleLines(n)
	same := strings.NewReplacer(`"action_type"`, `"action"`, `"action_detail"`, `"detail"`).Replace(string(fleet))
	for _, c := range []struct {
		name string
		r    *decode.Reader
		text []byte
	}{
		{"fleet", decode.NewFleet(), fleet},
		{"audit", decode.NewAudit(), auditLines(n)},
		{"fleet as audit", decode.NewAudit(), []byte(same)},
	} {
		b.Run(c.name, func(b *testing.B) {
			j, window := newJob(), newKeys(1000, 1, newMetrics(prometheus.NewRegistry()))
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				j.reset("default", 1795219200000, 4, 0)
				c.r.Reset(c.text, decode.Options{Form: decode.Lines, MaxEntries: n, ReceivedAt: 1795219200000})
				err := j.collect(Request{Tenant: "default", ReceivedAt: 1795219200000, Entries: entries{c.r}}, window)
				if err != nil || len(j.items) != n || j.items[0].err != nil {
					b.Fatal(err, j.items[0].err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/entry")
		})
	}
}
