package words

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/activitylog/activitylog/schema/words/texts"
)

func TestFolded(t *testing.T) {
	for _, c := range []struct{ detail, details, want string }{
		{"", "", ""},
		{"Card 4111 revoked", `{"Reason":"lost","n":-1.50E+3,"ok":true,"none":null}`, ""},
		{"account_payment_reverse O'Brien 10.0.0.1", "", ""},
		{`a\nb`, "", ""}, // a detail has no escapes
		{"", `{"path":"C:\\new\\tab \"q\" a\/b"}`, ""},
		{"", `{"path":"C:\\new ümlaut"}`, ""},
		{"café au lait", "", ""},
		{"вход выполнен", "", ""},
		{"वीडियो प्रकाशित", "", ""},
		{"שָׁלוֹם", "", ""},
		{"人", `{"人":"a 人"}`, ""},

		{"Großer Ärger mit Überweisung", "", "grosser ärger mit überweisung"},
		{"Вход выполнен", "", "вход выполнен"},
		{"Error en CONCILIACIÓN", `{"a":1}`, "error en conciliación a 1"},
		{"", `{"msg":"first\nsecond","cols":"c1\tc2"}`, "msg first second cols c1 c2"},
		{"", `{"city":"K\u00f6ln","name":"Jos\u00e9 Garc\u00eda"}`, "city köln name josé garcía"},
		{"", `{"t":"\u0412\u0445\u043e\u0434"}`, "t вход"},
		{"", `{"k\u00e9y\r\f\bx":[{"\u00dc":"v"}]}`, "kéy x ü v"},
		{"", `{"a":"e\u0301","b":"\ud835\udc00 \ud835x\udc00 \udc00\ud835 \ud83d\ude00"}`, "a é b 𝐀 x"},
		{"", `{"a":"\u00e9\\n\\u00e9"}`, "a é n u00e9"},
		{"", `{"a":"\u0061\u0000\u0020b"}`, "a a b"},
		{"Müller’s card “4111” – revoked", "", "müller s card 4111 revoked"},
		{"Published “Summer mix” with success…", "", "published summer mix with success"},
		{"total\u00a0price paid 50€, pages 10–20, ¿Qué pasó?", "", "total price paid 50 pages 10 20 qué pasó"},
		{"cafe\u0301 re\u0301sume\u0301", "", "café résumé"},
		{"İstanbul DIŞ ILGAZ ığdır i\u0307x", "", "istanbul diş ilgaz iğdir ix"},
		{"ΌΣΟΣ όσος ΐ", "", "όσοσ όσοσ ΐ"},
		{"ﬃ ŉ ẞ ſ K Å", "", "ffi ʼn ss s k å"},
		{"한국어 사용자", "", ""},
		{"\u1112\u1161\u11ab글", "", "한글"},

		{"登录成功，用户张三。完成", "", "登录 录成 成功 用户 户张 张三 完成"},
		{"サーバー食べる 々", "", "サー ーバ バー ー食 食べ べる 々"},
		{"か\u3099く", "", "がく"},
		{"ｶﾞｷ", "", "ｶﾞ ﾞｷ"},
		{"A登录10元B", "", "a 登录 10 元 b"},
		{"ที่ทำงาน กก", "", "ที่ท ทำ ำง งา าน กก"},
		{"\u0e35กข", "", "\u0e35ก กข"},

		{"a\u200db می\u200cخواهم c\u200d \u200dd", "", "ab میخواهم c d"},
		{"می\u200cخواهم", "", "میخواهم"},
		{"", `{"a":"data\u2060base \u200eabc\u200e x\ufeffy 1\u00ad2"}`, "a database abc xy 12"},
		{"a\u200bb \u0600123", "", "a b 123"},
		{"e\u00ad\u0301 e\u034f\u0301 登\u200d录\ufe0f成", "", "é é 登录 录成"},
		{"\u200d \u2060\ufeff", "", ""},
		{"Über\u00adweisung 葛\U000e0100飾", "", "überweisung 葛飾"},
		{"1\ufe0f\u20e3 step ❤\ufe0f 👩\u200d👩\u200d👧", "", "1 step"},
		{"👍🎉", "", ""},
		{"bad\xff\xc3utf", "", "bad utf"},
	} {
		if got := Folded(c.detail, c.details); got != c.want {
			t.Errorf("Folded(%q, %q)\n got %q\nwant %q", c.detail, c.details, got, c.want)
		}
	}
}

func TestAppendFoldedKeepsWhatIsThere(t *testing.T) {
	for detail, want := range map[string]string{"plain": "x", "日本": "x", "Ä": "xä  ", "日本語": "x日本 本語", "e\u0301": "xé  ", "ᾴ": "xάι"} {
		if got := string(AppendFolded([]byte("x"), detail, nil)); got != want {
			t.Errorf("AppendFolded(x, %q) = %q, want %q", detail, got, want)
		}
	}
}

func TestPlainTextsCostNothing(t *testing.T) {
	detail := strings.Repeat("Payment of 12.50 reversed; ", 10)
	details := []byte(`{"path":"C:\\dir\\file","note":"\"quoted\" ` + strings.Repeat("x", 300) + `"}`)
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { dst = AppendFolded(dst, detail, details) }); n != 0 || len(dst) > 0 {
		t.Errorf("got %v allocations and %q, want none", n, dst)
	}
	if n := testing.AllocsPerRun(100, func() { Folded(detail, `{"a":"b"}`) }); n != 0 {
		t.Errorf("Folded: got %v allocations, want none", n)
	}
}

// TestPlainAtEveryPlace puts what is not plain at every place of a text that is read eight bytes at a time.
func TestPlainAtEveryPlace(t *testing.T) {
	for n := range 40 {
		text := strings.Repeat("a", n)
		for i := range n + 1 {
			for sign, want := range map[string]bool{`\"`: true, `\\`: true, `\/`: true, `\\\"\\`: true, `\n`: false, `\u0041`: false, `\\\n`: false, `\`: false, "é": false} {
				s := text[:i] + sign + text[i:]
				if sign == `\` && i < n {
					s = text[:i] + `\a` + text[i:]
				}
				if got := isPlainJSON(s); got != want {
					t.Errorf("isPlainJSON(%q) = %v", s, got)
				}
				if got := isPlain(s); got != (sign != "é") {
					t.Errorf("isPlain(%q) = %v", s, got)
				}
			}
		}
	}
}

// TestEveryCharacter checks what the splitter relies on in the Unicode tables, and that a character folded alone, among others and by its
// neighbours' path is the same.
func TestEveryCharacter(t *testing.T) {
	fold := cases.Fold()
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		g, s := glyphOf(r), string(r)
		if to := norm.NFC.String(fold.String(norm.NFD.String(s))); string(g.to[:g.size]) != to && r != 'İ' && r != 'ı' && !unicode.Is(unicode.Cherokee, r) {
			t.Fatalf("%q %U folds to %q, want %q", s, r, g.to[:g.size], to)
		}
		if g.kind < letter {
			continue
		}
		composed := norm.NFC.QuickSpanString(s) == len(s)
		if again := string(normal(g.to[:g.size])); again != string(g.to[:g.size]) && composed {
			t.Errorf("%U folds to %q and that to %q", r, g.to[:g.size], again)
		}
		if !composed || g.odd {
			continue
		}
		for _, to := range string(g.to[:g.size]) {
			if k := glyphOf(to).kind; to >= utf8.RuneSelf && k != g.kind && k != mark {
				t.Errorf("%U is %d, of its folded form %q %U is %d", r, g.kind, g.to[:g.size], to, k)
			}
		}
	}
}

// TestBothPathsAgree folds composed texts character by character and as a whole.
func TestBothPathsAgree(t *testing.T) {
	rng := newRand(t)
	for range 20_000 {
		text := []byte(texts.Text(rng))
		quick := splitter{}
		if !quick.split(text) {
			continue
		}
		whole := splitter{whole: true}
		whole.split(normal(text))
		if string(quick.dst) != string(whole.dst) || quick.runs != whole.runs {
			t.Fatalf("%q %+q:\n got %q\nwant %q", text, text, quick.dst, whole.dst)
		}
	}
}

// TestTheEmptyColumn checks that it is empty where, and only where, ClickHouse sees the words in the text as it is.
func TestTheEmptyColumn(t *testing.T) {
	rng := newRand(t)
	for range 20_000 {
		detail, details := texts.Text(rng), texts.Details(rng)
		want := string(appendWords(nil, detail, []byte(details)))
		if want == strings.Join(tokens(detail+" "+details), " ") {
			want = ""
		}
		if got := Folded(detail, details); strings.TrimRight(got, " ") != want || got != "" && len(got) <= len(Unfolded) {
			t.Fatalf("%+q %s: got %q, want %q", detail, details, got, want)
		}
	}
}

// tokens are what ClickHouse's hasToken(lower(text), …) sees.
func tokens(text string) []string {
	small := func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	return strings.FieldsFunc(strings.Map(small, text), func(r rune) bool {
		return r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

func TestDetailsAreReadAsJSON(t *testing.T) {
	rng := newRand(t)
	for range 5_000 {
		details := texts.Details(rng)
		if details == "" {
			continue
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(details), &v); err != nil {
			t.Fatalf("%s: %v", details, err)
		}
		got := " " + string(appendWords(nil, "", []byte(details))) + " "
		for key, value := range v {
			if s, ok := value.(string); ok {
				key += " " + s
			}
			if seq, _ := split(key); len(seq) > 0 && !strings.Contains(got, " "+strings.Join(seq, " ")+" ") {
				t.Fatalf("%s: %q of %q is not in %q", details, seq, key, got)
			}
		}
	}
}

// newRand is random, and says how to repeat what it gave.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}
