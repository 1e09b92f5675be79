package query

import (
	"sync"
	"time"
)

// recent keeps values for a while: what is older than its lifetime is as good as gone, and when there are too many all go.
type recent[V any] struct {
	lifetime time.Duration
	most     int

	mu        sync.Mutex // guards what follows
	kept      map[string]kept[V]
	notBefore time.Time
}

type kept[V any] struct {
	value V
	at    time.Time
}

func (r *recent[V]) recall(name string) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.kept[name]
	if !ok || k.at.Before(r.notBefore) || time.Since(k.at) > r.lifetime {
		return v, false
	}
	return k.value, true
}

// keep takes a value that was true at the time at.
func (r *recent[V]) keep(name string, v V, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil || len(r.kept) >= r.most {
		r.kept = map[string]kept[V]{}
	}
	r.kept[name] = kept[V]{v, at}
}

// forget leaves out what was true before now.
func (r *recent[V]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notBefore = time.Now()
}
