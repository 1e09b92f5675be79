package pace

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pacer{Longest: time.Second}
		began := time.Now()
		first, second, third := p.Enqueue(), p.Enqueue(), p.Enqueue()
		<-first.Ready
		if got := time.Since(began); got != 0 {
			t.Errorf("the first turn came after %v, want at once", got)
		}
		p.Done(first, 20*time.Millisecond)
		p.Cancel(second) // it has been granted, and waits
		<-third.Ready
		if got := time.Since(began); got != 80*time.Millisecond {
			t.Errorf("the third turn came after %v, want 80 ms", got)
		}
		p.Done(third, time.Minute)
		fourth, fifth := p.Enqueue(), p.Enqueue()
		p.Cancel(fifth)
		<-fourth.Ready
		if got := time.Since(began); got != 1080*time.Millisecond {
			t.Errorf("the fourth turn came after %v, want no more than Longest later", got)
		}
		p.Done(fourth, time.Millisecond)
		p.Done(nil, 10*time.Millisecond) // a full batch's
		sixth := p.Enqueue()
		<-sixth.Ready
		if got := time.Since(began); got != 1120*time.Millisecond {
			t.Errorf("the sixth turn came after %v, want 40 ms after the full batch", got)
		}
	})
}
