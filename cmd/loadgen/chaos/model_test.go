package chaos

import (
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	const s = time.Second
	acked := fate{id: 1, outcome: acknowledged, sent: 10 * s, done: 11 * s}
	with := func(change func(*fate)) fate {
		f := acked
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		fate  fate
		wipes []wipe
		want  verdict
	}{
		"acknowledged":                         {acked, nil, mustStay},
		"refused":                              {with(func(f *fate) { f.outcome = refused }), nil, mustGo},
		"unanswered":                           {with(func(f *fate) { f.outcome = unknown }), nil, mayStay},
		"deleted":                              {with(func(f *fate) { f.erase = erased }), nil, mustGo},
		"delete unanswered":                    {with(func(f *fate) { f.erase = asked }), nil, mayStay},
		"wiped later":                          {acked, []wipe{{12 * s, 13 * s, true}}, mustGo},
		"wiped before it was sent":             {acked, []wipe{{8 * s, 9 * s, true}}, mustStay},
		"wiped meanwhile":                      {acked, []wipe{{9 * s, 12 * s, true}}, mayStay},
		"wipe sent between its post and reply": {acked, []wipe{{10500 * time.Millisecond, 12 * s, true}}, mayStay},
		"wipe unanswered":                      {acked, []wipe{{12 * s, 13 * s, false}}, mayStay},
		"wipe under way":                       {acked, []wipe{{12 * s, 1<<63 - 1, false}}, mayStay},
		"two wipes, one unanswered":            {acked, []wipe{{12 * s, 13 * s, false}, {13 * s, 14 * s, true}}, mustGo},
		"keyed, answered each time, wiped":     {with(func(f *fate) { f.keyed = true }), []wipe{{12 * s, 13 * s, true}}, mustGo},
		"keyed, once unanswered, wiped":        {with(func(f *fate) { f.keyed, f.fuzzy = true, true }), []wipe{{12 * s, 13 * s, true}}, mayStay},
		"unanswered, wiped":                    {with(func(f *fate) { f.outcome = unknown }), []wipe{{12 * s, 13 * s, true}}, mayStay},
	} {
		m := newModel()
		m.wipes = c.wipes
		if got := m.judge(&c.fate); got != c.want {
			t.Errorf("%s: judge = %d, want %d", name, got, c.want)
		}
	}
}

func TestAnsweredKeepsTheBestOutcome(t *testing.T) {
	m := newModel()
	i := m.Take(2, true)
	m.answered(i, unknown, 0)
	m.answered(i, acknowledged, 7)
	m.answered(i, refused, 0)
	if f := m.fates[i]; f.outcome != acknowledged || !f.fuzzy || f.id != 7 {
		t.Errorf("fate = %+v", f)
	}
	if m.answered(i, acknowledged, 7); m.clash != 0 {
		t.Error("the same id for the same entry is not a clash")
	}
	if m.answered(i+1, acknowledged, 7); m.clash != 1 {
		t.Error("the same id for another entry is a clash")
	}
}

func TestPickTakesOnlyWhatMustBeThere(t *testing.T) {
	m := newModel()
	m.Take(3, false)
	m.answered(0, refused, 0)
	m.answered(1, unknown, 0)
	m.answered(2, acknowledged, 5)
	first := func(n int) int { return n - 1 }
	if i, ok := m.pick(first); !ok || i != 2 || m.fates[2].erase != asked {
		t.Errorf("pick = %d, %v", i, ok)
	}
	if i, ok := m.pick(first); ok {
		t.Errorf("picked %d again", i)
	}
}
