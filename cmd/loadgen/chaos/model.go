package chaos

import (
	"iter"
	"sync"
	"time"
)

// moment is a time since the start of the run. One process sees all events, so its clock orders them.
type moment = time.Duration

// outcome says how the write of an entry was answered.
type outcome uint8

const (
	refused      outcome = iota // nothing was accepted
	unknown                     // no response, or one that says so: it may be stored
	acknowledged                // it must be stored
)

// fate is everything known about an entry.
type fate struct {
	id      uint64
	sent    moment // first attempt
	done    moment // last response
	outcome outcome
	rich    bool // of the rich workload
	keyed   bool // sent with a key, perhaps several times: at most one row may exist, with any of its ids
	fuzzy   bool // keyed, and an attempt got no response
	erase   erasure
}

// erasure has what is known about the deletes of a single entry.
type erasure uint8

const (
	kept   erasure = iota
	asked          // a delete got no response: the entry may be gone
	erased         // a delete succeeded: the entry must be gone
)

// wipe is a delete of everything.
type wipe struct {
	sent, done moment
	answered   bool
}

// model tracks which entries must be stored. It is safe for concurrent use.
type model struct {
	mu    sync.Mutex
	fates []fate // by entry of the workload
	wipes []wipe
	ids   map[uint64]int // entry, by acknowledged id
	clash int            // ids that were acknowledged for two entries
	begun time.Time
}

func newModel() *model { return &model{ids: map[uint64]int{}, begun: time.Now()} }

func (m *model) Now() moment { return time.Since(m.begun) }

// Take assigns the next n entries of the workload to a writer.
func (m *model) Take(n int, keyed bool) (first int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first = len(m.fates)
	at := m.Now()
	for range n {
		m.fates = append(m.fates, fate{sent: at, keyed: keyed})
	}
	return first
}

// takeRich gives the next n entries of the rich workload to a writer.
func (m *model) takeRich(n int, keyed bool) (first int) {
	first = m.Take(n, keyed)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := first; i < first+n; i++ {
		m.fates[i].rich = true
	}
	return first
}

// isRich reports whether entry i belongs to the rich workload.
func (m *model) isRich(i int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fates[i].rich
}

// Acknowledged yields the entries acknowledged by the given time, with their ids. It leaves out entries with a key: the stored row may
// have the id of another attempt. The model stays locked meanwhile.
func (m *model) Acknowledged(by moment) iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := range m.fates {
			f := &m.fates[i]
			if f.outcome == acknowledged && !f.keyed && f.done <= by && !yield(i, f.id) {
				return
			}
		}
	}
}

// answered records the response to an attempt at entry i.
func (m *model) answered(i int, o outcome, id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &m.fates[i]
	f.done = m.Now()
	f.fuzzy = f.fuzzy || o == unknown
	f.outcome = max(f.outcome, o)
	if o != acknowledged {
		return
	}
	if other, ok := m.ids[id]; ok && other != i {
		m.clash++
	}
	m.ids[id] = i
	f.id = id
}

// verdict says whether an entry must, may or must not be stored at the end of a run.
type verdict uint8

const (
	mustStay verdict = iota
	mayStay
	mustGo
)

// judge returns what must be true for an entry. It must be called with mu held.
func (m *model) judge(f *fate) verdict {
	switch {
	case f.outcome == refused, f.erase == erased:
		return mustGo
	}
	certain := f.outcome == acknowledged && (!f.keyed || !f.fuzzy)
	v := mustStay
	if f.outcome == unknown || f.erase == asked {
		v = mayStay
	}
	for _, w := range m.wipes {
		if w.answered && certain && f.done <= w.sent {
			return mustGo
		}
		if f.sent < w.done {
			v = mayStay
		}
	}
	return v
}
