package words

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/activitylog/activitylog/schema/words/texts"
)

func TestParse(t *testing.T) {
	for search, want := range map[string]struct {
		sequences []Sequence
		words     int
	}{
		"":                                     {nil, 0},
		" –, 🎉 ":                               {nil, 0},
		"Card CARD card":                       {[]Sequence{{"card"}}, 1},
		"not found":                            {[]Sequence{{"not"}, {"found"}}, 2},
		`"User not-found"  "" " " "x"`:         {[]Sequence{{"user", "not", "found"}, {"x"}}, 4},
		`a "b c" d`:                            {[]Sequence{{"a"}, {"b", "c"}, {"d"}}, 4},
		`a"b c"d`:                              {[]Sequence{{"a"}, {"b", "c"}, {"d"}}, 4},
		`5" disk`:                              {[]Sequence{{"5"}, {"disk"}}, 2},
		`"5" disk"`:                            {[]Sequence{{"5"}, {"disk"}}, 2},
		`"not closed`:                          {[]Sequence{{"not"}, {"closed"}}, 2},
		"“User not” «found it» x":              {[]Sequence{{"user", "not"}, {"found", "it"}, {"x"}}, 5},
		"„User nicht“ „da ist”":                {[]Sequence{{"user", "nicht"}, {"da", "ist"}}, 4},
		`"a “b c” d" “e" f`:                    {[]Sequence{{"a", "b", "c", "d"}, {"e"}, {"f"}}, 6},
		`”a b" c»  d“`:                         {[]Sequence{{"a"}, {"b"}, {"c"}, {"d"}}, 4},
		"O'Brien ann@example.com":              {[]Sequence{{"o", "brien"}, {"ann", "example", "com"}}, 5},
		"Müller’s":                             {[]Sequence{{"müller", "s"}}, 2},
		"10–20":                                {[]Sequence{{"10", "20"}}, 2},
		"登录成功 A登":                              {[]Sequence{{"登录", "录成", "成功"}, {"a", "登"}}, 3},
		"人":                                    {[]Sequence{{"人"}}, 1},
		"STRASSE straße":                       {[]Sequence{{"strasse"}}, 1},
		"price\u00a0paid\u3000now":             {[]Sequence{{"price"}, {"paid"}, {"now"}}, 3},
		"3f2b8c1e-0000-4000-8000-00805f9b34fb": {[]Sequence{{"3f2b8c1e", "0000", "4000", "8000", "00805f9b34fb"}}, 5},
	} {
		got := Parse(search)
		if !slices.EqualFunc(got.Sequences, want.sequences, func(a, b Sequence) bool { return slices.Equal(a, b) }) || got.Words != want.words {
			t.Errorf("Parse(%q) = %q of %d words, want %q of %d", search, got.Sequences, got.Words, want.sequences, want.words)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		detail, details string
		finds, not      []string
	}{
		{"Großer Ärger mit Überweisung", "", []string{"ärger", "überweisung", "grosser", "GROẞER ÄRGER", `"Ärger mit"`}, []string{"arger", `"ärger überweisung"`, "groß"}},
		{"Вход выполнен", "", []string{"вход", "ВЫПОЛНЕН", "Вход"}, []string{"вхо"}},
		{"Error en CONCILIACIÓN", "", []string{"conciliación", "conciliacio\u0301n"}, []string{"conciliacion"}},
		{"", `{"msg":"first\nsecond","cols":"c1\tc2"}`, []string{"second", "c2", "msg", `"first second"`, "first\nsecond"}, []string{"nsecond", "tc2", "first\\nsecond"}},
		{"", `{"city":"K\u00f6ln","name":"Jos\u00e9 Garc\u00eda"}`, []string{"Köln", "José", "KO\u0308LN", `"josé garcía"`}, []string{"u00f6ln", "kln"}},
		{"", `{"t":"\u0412\u0445\u043e\u0434"}`, []string{"Вход", "вход"}, []string{"u0412"}},
		{"Müller’s card “4111” – revoked", "", []string{"4111", "Müller", "Müller’s", "müller's", `"Müller’s card “4111” – revoked"`, "Müller’s card “4111” – revoked"}, []string{"Müllers"}},
		{"Published “Summer mix” with success…", "", []string{"Summer", "success", "“summer mix”"}, nil},
		{"登录成功，用户张三。完成", "", []string{"登录成功", "成功", "登", "录成", "张三 登录", "三", "用户张三"}, []string{"成功用户", "功用", "登成", "登录 三张"}},
		{"total\u00a0price paid 50€, pages 10–20, ¿Qué pasó?", "", []string{"price", "50", "10–20", "Qué", "10-20", "pasó?", "50€"}, []string{"20–10", "que"}},
		{"वीडियो प्रकाशित", "", []string{"वीडियो", "प्रकाशित"}, []string{"वीडिय"}},
		{"cafe\u0301 re\u0301sume\u0301", "", []string{"café", "CAFÉ", "résumé"}, []string{"cafe"}},
		{"เข้าสู่ระบบสำเร็จ", "", []string{"เข้าสู่ระบบ", "สำเร็จ", "ระบบ"}, []string{"ระสำ"}},
		{"שָׁלוֹם עולם", "", []string{"שָׁלוֹם", "עולם"}, []string{"שלום"}},
		{"Đã xác nhận", "", []string{"đã", "XÁC", "nhận"}, nil},
		{"İSTANBUL Diyarbakır", "", []string{"istanbul", "ISTANBUL", "İstanbul", "ıstanbul", "diyarbakir", "DİYARBAKIR", "i\u0307stanbul"}, nil},
		{"ΌΣΟΣ", "", []string{"όσος", "όσοσ"}, []string{"οσος"}},
		{"paid 10元人民币 now", "", []string{"10元", "10元人", "人民币", "元", "民币 10", `"paid 10元"`, `"民币 now"`, `"币 now"`}, []string{"10人", "民now", `"人 now"`}},
		{"user ann@example.com from 10.0.0.1", `{"id":"3f2b8c1e-0000-4000-8000-00805f9b34fb"}`, []string{"ann@example.com", "10.0.0.1", "3F2B8C1E-0000-4000-8000-00805F9B34FB", "example.com"}, []string{"ann@com", "10.1.0.0"}},
		{"account_payment_reverse", "", []string{"account_payment_reverse", "payment", "PAYMENT_REVERSE"}, []string{"reverse_payment"}},
		{"a", `{"n":-1.50E+3,"ok":true,"none":null,"deep":{"k":["v1","v2"]}}`, []string{"1.50e+3", "true", "null", "deep", "v2", `"v1 v2"`}, []string{"false"}},
		{"", "", nil, []string{"", "x", "–", `""`}},
		{"–", "", nil, []string{"–", "👍"}},
		{"Daten\u00adbank\u00adfehler", "", []string{"datenbankfehler", "Daten\u00adbankfehler", "DATENBANK\u2060FEHLER"}, []string{"daten", "bank", "Daten bank"}},
		{"می\u200cخواهم", "", []string{"میخواهم", "می\u200cخواهم", "\"می\u200cخواهم\""}, []string{"خواهم", "می"}},
		{"क्\u200dष", "", []string{"क्ष", "क्\u200dष", "क्\u200cष"}, nil},
		{"", `{"phone":"\u200e+49\u2060170\u200e","n":"a\ufeffb"}`, []string{"49170", "+49170", "ab", `"49170 n ab"`}, []string{"170"}},
		{"шало\u0301м 葛\U000e0100飾", "", []string{"шало\u034f\u0301м", "葛飾", "葛\ufe00飾"}, nil},
		{"zero\u200bwidth", "", []string{"zero", "width", `"zero width"`}, []string{"zerowidth"}},
	} {
		for want, searches := range map[bool][]string{true: c.finds, false: c.not} {
			for _, search := range searches {
				if got := Parse(search).Matches(c.detail, c.details); got != want {
					t.Errorf("%q in %q %s: got %v", search, c.detail, c.details, got)
				}
				if got := asked(Parse(search), c.detail, c.details); got != want {
					t.Errorf("%q in %q %s: by patterns got %v", search, c.detail, c.details, got)
				}
			}
		}
	}
}

// asked returns the answer of tables that search for the tokens and patterns of q.
func asked(q Query, detail, details string) bool {
	text := Folded(detail, details)
	if text == "" {
		text = strings.Join(tokens(detail+" "+details), "-_") // what separates is not always a space
	}
	has := tokens(text)
	for _, s := range q.Sequences {
		for _, w := range s.Tokens() {
			if !slices.Contains(has, w) {
				return false
			}
		}
		if !s.Decided() && !regexp.MustCompile(s.Pattern()).MatchString(text) {
			return false
		}
	}
	return len(q.Sequences) > 0
}

func TestATextIsFoundByItsWords(t *testing.T) {
	rng := newRand(t)
	for range 20_000 {
		detail, details := texts.Text(rng), texts.Details(rng)
		for _, w := range texts.Words(detail) {
			w = texts.Cased(rng, w)
			switch rng.IntN(3) {
			case 0:
				w = texts.Seen(w)
			case 1:
				w = texts.Unseen(rng, w)
			}
			if q := Parse(w); len(q.Sequences) > 0 && !q.Matches(detail, details) {
				t.Fatalf("%q %+q does not find %q %+q", w, w, detail, detail)
			}
		}
		for _, whole := range []string{detail, `"` + detail + `"`, texts.Cased(rng, detail), texts.Seen(detail), `"` + texts.Seen(detail) + `"`, texts.Unseen(rng, detail)} {
			if q := Parse(whole); len(q.Sequences) > 0 && !q.Matches(detail, details) {
				t.Fatalf("%+q does not find itself, %+q", whole, detail)
			}
		}
		if Parse("absent").Matches(detail, details) || Parse(texts.Search(rng, detail)+" absent").Matches(detail, details) {
			t.Fatalf("an absent word finds %q", detail)
		}
	}
}

func TestPatternsAgree(t *testing.T) {
	rng := newRand(t)
	found := 0
	for range 20_000 {
		detail, details := texts.Text(rng), texts.Details(rng)
		search := texts.Search(rng, detail)
		q := Parse(search)
		want := q.Matches(detail, details)
		if want {
			found++
		}
		if got := asked(q, detail, details); got != want {
			t.Fatalf("%q %+q in %q %+q %s: got %v, want %v", search, search, detail, detail, details, got, want)
		}
	}
	if found < 4_000 {
		t.Errorf("only %d searches found something", found)
	}
}

func TestPlain(t *testing.T) {
	for search, want := range map[string][]string{
		"": nil, "O'Brien Ärger": {"o", "brien", "Ärger"}, "10–20 वीडियो": {"10", "20", "व", "ड", "य"}, "登录，用户": {"登录", "用户"},
	} {
		if got := Plain(search); !slices.Equal(got, want) {
			t.Errorf("Plain(%q) = %q, want %q", search, got, want)
		}
	}
}
