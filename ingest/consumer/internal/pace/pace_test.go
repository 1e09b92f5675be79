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

// TestSavedPauses: after some time without inserts, a number of inserts need no pause, and all later ones do.
func TestSavedPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pacer{Longest: time.Second, Saved: time.Second}
		insert := func() (waited time.Duration) {
			began := time.Now()
			turn := p.Enqueue()
			<-turn.Ready
			waited = time.Since(began)
			time.Sleep(20 * time.Millisecond)
			p.Done(turn, 20*time.Millisecond)
			return waited
		}
		for _, idle := range []time.Duration{0, time.Second, time.Hour} {
			time.Sleep(idle)
			free := 0
			for insert() == 0 {
				free++
			}
			if free < 10 || free > 14 {
				t.Errorf("%d inserts came without a pause after %v, want as many as have 1 s of pauses", free, idle)
			}
			began := time.Now()
			for range 100 {
				insert()
			}
			if each := time.Since(began) / 100; each < 98*time.Millisecond || each > 102*time.Millisecond {
				t.Errorf("then there was an insert every %v, want one in 100 ms", each)
			}
		}
	})
}

// TestMayHurry: a batch that a reader waits for comes when the last pause was as long as the last insert, long before its turn.
func TestMayHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pacer{Longest: time.Second}
		if !p.MayHurry() {
			t.Error("the first insert may not hurry")
		}
		for _, insert := range []struct{ took, pause time.Duration }{{20 * time.Millisecond, 20 * time.Millisecond}, {time.Minute, time.Second}} {
			p.Done(nil, insert.took)
			time.Sleep(insert.pause - time.Nanosecond)
			if p.MayHurry() {
				t.Errorf("an insert may follow within %v after one of %v", insert.pause-1, insert.took)
			}
			if time.Sleep(time.Nanosecond); !p.MayHurry() {
				t.Errorf("no insert may follow %v after one of %v", insert.pause, insert.took)
			}
		}
	})
}
