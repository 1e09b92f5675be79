package words

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzFolded checks, for any bytes, what every user of the column relies on.
func FuzzFolded(f *testing.F) {
	f.Add("Müller’s card “4111”", `{"a":"K\u00f6ln \ud83d\ude00"}`)
	f.Add("\u1ec7\u0316\u0302\u0323 \u1fb3\u0301 \u0130\u0307"+strings.Repeat("\u0316\u0301", 20), "")
	f.Add("登录成功e\u0301", `\`)
	f.Add("\xff\u0e35\u200d", `{"\u`)
	f.Fuzz(func(t *testing.T, detail, details string) {
		if quick := (splitter{}); utf8.ValidString(detail) && quick.split([]byte(detail)) {
			whole := splitter{whole: true}
			whole.split(normal([]byte(detail)))
			if string(quick.dst) != string(whole.dst) {
				t.Fatalf("%+q: %q by characters, %q as a whole", detail, quick.dst, whole.dst)
			}
		}
		column := Folded(detail, details)
		if column != "" && len(column) <= len(Unfolded) {
			t.Fatalf("%q %q: the column %q is short", detail, details, column)
		}
		for w := range strings.SplitSeq(strings.TrimRight(column, " "), " ") {
			if column != "" && (w == "" || strings.ContainsFunc(w, func(r rune) bool { return r < 0x80 && tokenByte[r] != byte(r) })) {
				t.Fatalf("%q %q: a word %q of %q", detail, details, w, column)
			}
		}
		for _, search := range []string{detail, `"` + detail + `"`} {
			if q := Parse(search); len(q.Sequences) > 0 && (!q.Matches(detail, details) || !asked(q, detail, details)) {
				t.Fatalf("%q does not find itself", search)
			}
		}
	})
}

func BenchmarkAppendFolded(b *testing.B) {
	for _, c := range []struct{ name, detail, details string }{
		{"ascii", "Payment of 12.50 reversed by the cashier of shop 17", `{"reason":"duplicate","terminal":"T-1009","amount":1250}`},
		{"quotes", "Payment of 12.50 reversed by the cashier of shop 17", `{"path":"C:\\shop\\17","note":"\"twice\"","amount":1250}`},
		{"newlines", "Payment of 12.50 reversed by the cashier of shop 17", `{"reason":"duplicate\nsecond line","terminal":"T-1009"}`},
		{"german", "Zahlung über 12,50 € durch Kassierer der Filiale Köln rückgängig", `{"reason":"doppelt","terminal":"T-1009"}`},
		{"russian", "Платёж на сумму 12,50 отменён кассиром магазина", `{"reason":"дубликат","terminal":"T-1009"}`},
		{"escaped", "", `{"reason":"\u041f\u043b\u0430\u0442\u0451\u0436 \u043e\u0442\u043c\u0435\u043d\u0451\u043d","terminal":"T-1009"}`},
		{"hindi", "दुकान के कैशियर ने भुगतान वापस कर दिया है", `{"reason":"प्रतिलिपि","terminal":"T-1009"}`},
		{"chinese", "收银员已撤销十二元五角的付款，请核对门店记录", `{"reason":"重复","terminal":"T-1009"}`},
		{"decomposed", "Paiement annule\u0301 par le caissier a\u0300 Orle\u0301ans", `{"reason":"double","terminal":"T-1009"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			details, dst := []byte(c.details), make([]byte, 0, 1<<10)
			b.SetBytes(int64(len(c.detail) + len(details)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendFolded(dst[:0], c.detail, details)
			}
			b.ReportMetric(float64(len(dst)), "folded-B")
		})
	}
}
