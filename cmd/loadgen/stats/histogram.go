// Package stats counts latencies in constant memory, and shows progress on a terminal.
package stats

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Within a power of two there are 1<<subBits buckets: a quantile is at most 1.6 % too high.
const (
	subBits = 6
	buckets = (64 - subBits) << subBits
)

// Histogram counts durations. Its zero value is ready; it is safe for concurrent use.
type Histogram struct {
	counts [buckets]atomic.Int64
	n      atomic.Int64
	max    atomic.Int64
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	v := max(int64(d), 0)
	h.counts[bucket(uint64(v))].Add(1)
	h.n.Add(1)
	for {
		if at := h.max.Load(); v <= at || h.max.CompareAndSwap(at, v) {
			return
		}
	}
}

// Count returns the number of durations.
func (h *Histogram) Count() int64 { return h.n.Load() }

// Max returns the longest duration.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max.Load()) }

// Quantile returns the duration that a share q, such as 0.99, did not exceed; 0 without durations.
func (h *Histogram) Quantile(q float64) time.Duration {
	want := int64(q*float64(h.n.Load()) + 0.5)
	var seen int64
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= max(want, 1) {
			return min(time.Duration(upper(i)), h.Max())
		}
	}
	return h.Max()
}

func bucket(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	return (shift+1)<<subBits + int(v>>shift) - 1<<subBits
}

// upper returns the largest duration of a bucket.
func upper(i int) uint64 {
	if i < 1<<subBits {
		return uint64(i)
	}
	shift := i>>subBits - 1
	return uint64(i&(1<<subBits-1)+1<<subBits+1)<<shift - 1
}

// Summary has the figures of a histogram that reports show.
type Summary struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Summary summarizes h.
func (h *Histogram) Summary() Summary {
	return Summary{h.Count(), h.Quantile(0.5), h.Quantile(0.9), h.Quantile(0.99), h.Quantile(0.999), h.Max()}
}
