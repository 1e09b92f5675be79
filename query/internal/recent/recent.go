// Package recent remembers answers for a short time. It promises: an answer is never older than the lifetime, counted from
// when the question was asked, and after Forget no answer to an earlier question is given.
package recent

import (
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Cache holds a number of answers; when it is full, the least recently used one is removed. The library's expirable cache cannot be used:
// it counts the lifetime from the arrival of the answer, and its goroutine wakes every hundredth of the lifetime (10 ms here) and never
// ends.
type Cache[V any] struct {
	lifetime time.Duration
	answers  *lru.Cache[string, answer[V]]
	after    atomic.Pointer[time.Time] // answers to questions asked before this time are not returned; nil: all are
}

type answer[V any] struct {
	value V
	asked time.Time
}

// New makes a Cache of size answers.
func New[V any](lifetime time.Duration, size int) *Cache[V] {
	answers, err := lru.New[string, answer[V]](size)
	if err != nil {
		panic(err) // cannot fail: the size is above 0
	}
	return &Cache[V]{lifetime: lifetime, answers: answers}
}

// Get returns the answer to the question name, if it is recent.
func (c *Cache[V]) Get(name string) (v V, ok bool) {
	a, ok := c.answers.Get(name)
	if !ok || time.Since(a.asked) > c.lifetime {
		return v, false
	}
	if after := c.after.Load(); after != nil && a.asked.Before(*after) {
		return v, false
	}
	return a.value, true
}

// Put keeps the answer to a question that was asked at the time asked.
func (c *Cache[V]) Put(name string, v V, asked time.Time) {
	c.answers.Add(name, answer[V]{v, asked})
}

// Forget makes the answers to all questions asked before now invalid.
func (c *Cache[V]) Forget() {
	now := time.Now()
	c.after.Store(&now)
}
