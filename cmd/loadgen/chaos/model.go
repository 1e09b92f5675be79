package chaos

import (
	"iter"
	"sync"
	"time"
)

// Times are since the start of the run. Everything is seen by one process, so that its clock orders it.
type moment = time.Duration

// outcome is what the callers of an entry were told.
type outcome uint8

const (
	refused      outcome = iota // nothing was accepted
	unknown                     // no answer, or one that says so: it may be stored
	acknowledged                // it must be stored
)

// fate is all that is known of one entry.
type fate struct {
	id      uint64
	sent    moment // the first attempt
	done    moment // the last answer
	outcome outcome
	keyed   bool // sent with a key, perhaps several times: at most one of its rows may be there, under any of its ids
	fuzzy   bool // keyed, and an attempt was not answered
	erase   erasure
}

// erasure is what is known of deletes of this one entry.
type erasure uint8

const (
	kept   erasure = iota
	asked          // a delete was not answered: either
	erased         // a delete was answered: it must be gone
)

// wipe is a delete of everything.
type wipe struct {
	sent, done moment
	answered   bool
}

// model is what the store should hold. It is safe for concurrent use.
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

// Take gives the next n entries to a writer.
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

// Acknowledged yields the entries that were acknowledged by then, with their ids; not those with a key, of which another attempt's
// row may be the one that is stored. The model is locked meanwhile.
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

// told notes the answer to an attempt at entry i.
func (m *model) told(i int, o outcome, id uint64) {
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

// verdict is what must be true of an entry at the end of a run.
type verdict uint8

const (
	mustStay verdict = iota
	mayStay
	mustGo
)

// judge says what must be true of an entry. It wants mu held.
func (m *model) judge(f *fate) verdict {
	switch {
	case f.outcome == refused, f.erase == erased:
		return mustGo
	}
	settled := f.outcome == acknowledged && (!f.keyed || !f.fuzzy)
	v := mustStay
	if f.outcome == unknown || f.erase == asked {
		v = mayStay
	}
	for _, w := range m.wipes {
		if w.answered && settled && f.done <= w.sent {
			return mustGo
		}
		if f.sent < w.done {
			v = mayStay
		}
	}
	return v
}
