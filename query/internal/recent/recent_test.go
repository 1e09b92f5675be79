package recent

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[int](time.Second, 2)
		check := func(when, name string, want bool) {
			t.Helper()
			if _, ok := c.Get(name); ok != want {
				t.Errorf("%s: got an answer %v, want %v", when, ok, want)
			}
		}
		asked := time.Now()
		time.Sleep(400 * time.Millisecond)
		c.Put("a", 1, asked)
		check("within the lifetime", "a", true)
		time.Sleep(601 * time.Millisecond)
		check("a lifetime after the question", "a", false)
		asked = time.Now()
		time.Sleep(time.Millisecond)
		c.Put("a", 1, asked)
		c.Forget()
		check("forgotten", "a", false)
		c.Put("b", 2, asked)
		check("the answer to an earlier question", "b", false)
		for i := range 3 {
			c.Put(fmt.Sprint(i), i, time.Now())
		}
		check("the last one", "2", true)
		check("the oldest of too many", "0", false)
	})
}
