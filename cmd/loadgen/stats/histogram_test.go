package stats

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreWithinTwoPercent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var h Histogram
	all := make([]time.Duration, 20_000)
	for i := range all {
		all[i] = time.Duration(r.ExpFloat64() * float64(3*time.Millisecond))
		h.Observe(all[i])
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[int(q*float64(len(all)))-1]
		if got := h.Quantile(q); got < want || float64(got) > 1.02*float64(want)+1 {
			t.Errorf("Quantile(%g) = %v, want %v", q, got, want)
		}
	}
	if h.Max() != all[len(all)-1] || h.Count() != int64(len(all)) {
		t.Errorf("max %v of %d, want %v of %d", h.Max(), h.Count(), all[len(all)-1], len(all))
	}
}

func TestBucketsMeet(t *testing.T) {
	for i := range buckets - 1 {
		if bucket(upper(i)) != i || bucket(upper(i)+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which falls into %d, the next into %d", i, upper(i), bucket(upper(i)), bucket(upper(i)+1))
		}
	}
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	if got := h.Summary(); got != (Summary{}) {
		t.Errorf("Summary() = %+v, want zeros", got)
	}
}
