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

// TestHurry: a batch that a reader waits for gets a turn after a pause as long as the last insert, long before the others.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pacer{Longest: time.Second}
		insert := func(took time.Duration) {
			t.Helper()
			turn := p.Hurry()
			if turn == nil {
				t.Fatal("no turn to hurry")
			}
			p.Done(turn, took)
		}
		insert(20 * time.Millisecond)
		for _, pause := range []time.Duration{20 * time.Millisecond, time.Second} { // no longer than Longest
			time.Sleep(pause - time.Nanosecond)
			if p.Hurry() != nil {
				t.Errorf("a batch was hurried before a pause of %v was over", pause)
			}
			time.Sleep(time.Nanosecond)
			insert(time.Minute)
		}
	})
}

// TestHurryTogether: batches of several partitions that a reader waits for are stored side by side; those that come later wait for them.
func TestHurryTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Pacer{Longest: time.Second}
		first, second := p.Hurry(), p.Hurry()
		if first == nil || second == nil {
			t.Fatal("of two batches at the same time, not both were hurried")
		}
		time.Sleep(together + time.Nanosecond)
		if p.Hurry() != nil {
			t.Error("a third one was hurried while they were stored")
		}
		p.Done(first, together)
		time.Sleep(together)
		if p.Hurry() != nil {
			t.Error("a third one was hurried while one of them was stored")
		}
		p.Done(second, 2*together)
		if p.Hurry() != nil {
			t.Error("a third one was hurried without a pause")
		}
		time.Sleep(2 * together)
		third := p.Hurry()
		if third == nil {
			t.Fatal("a third one was not hurried after the pause")
		}
		p.Cancel(third)
		if time.Sleep(2 * together); p.Hurry() == nil {
			t.Error("no batch was hurried after one that was given back unused")
		}
	})
}
