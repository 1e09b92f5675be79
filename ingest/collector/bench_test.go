package collector

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
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

// BenchmarkDecode decodes, validates and encodes NDJSON of 1000 entries into the chunks of 4 partitions.
func BenchmarkDecode(b *testing.B) {
	const entries = 1000
	text := sampleLines(entries)
	w, d := newWrite(), new(fleetDecoder)
	window := newKeys(1000, 1, newMetrics(prometheus.NewRegistry()))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		w.reset("default", 1795219200000, 4, 0)
		p := parser{d: d, w: w, keys: window, max: entries}
		if _, err := p.parse(text, lines); err != nil || len(w.items) != entries {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/entries, "ns/entry")
}
