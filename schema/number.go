package schema

import (
	"math"
	"strings"
)

// decimal is a decimal number as JSON writes it, cut after the third digit of its fraction.
type decimal struct {
	whole       int64 // towards zero; a number beyond int64 is ±math.MaxInt64
	thousandths int64 // of the same sign
	cut         bool  // there was more
}

// ParseInteger reads a JSON number that is an integer, however it is written: 45, 45.0, 4.5e1. A number beyond int64 becomes
// ±math.MaxInt64. ok is false for everything else.
func ParseInteger(text string) (n int64, ok bool) {
	d, ok := parseDecimal(text)
	return d.whole, ok && d.integral()
}

func (d decimal) integral() bool { return d.thousandths == 0 && !d.cut }

// parseDecimal reads digits with an optional sign, point and exponent.
func parseDecimal(text string) (d decimal, ok bool) {
	text, negative := strings.CutPrefix(text, "-")
	text = strings.Replace(text, "E", "e", 1)
	digits, exponent, scaled := strings.Cut(text, "e")
	before, after, pointed := strings.Cut(digits, ".")
	if !isDigits(before) || pointed && !isDigits(after) {
		return decimal{}, false
	}
	point := len(before) // of before and after: where the fraction begins
	if scaled {
		shift, ok := parseExponent(exponent)
		if !ok {
			return decimal{}, false
		}
		point += shift
	}
	for i, c := range []byte(before + after) {
		d.add(i-point, int64(c-'0'))
	}
	for i := len(before) + len(after); i < point && d.whole != 0 && d.whole != math.MaxInt64; i++ {
		d.add(i-point, 0)
	}
	if negative {
		d.whole, d.thousandths = -d.whole, -d.thousandths
	}
	return d, true
}

// add adds a digit; its place is -1 before the point and 0 after it.
func (d *decimal) add(place int, digit int64) {
	switch {
	case place < 0 && d.whole > (math.MaxInt64-digit)/10:
		d.whole = math.MaxInt64
	case place < 0:
		d.whole = d.whole*10 + digit
	case place < 3:
		d.thousandths += digit * [...]int64{100, 10, 1}[place]
	case digit != 0:
		d.cut = true
	}
}

// maxExponent is larger than the exponent of any useful number.
const maxExponent = 1 << 20

func parseExponent(text string) (n int, ok bool) {
	sign := 1
	if strings.HasPrefix(text, "-") {
		sign = -1
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	if !isDigits(text) {
		return 0, false
	}
	for _, c := range []byte(text) {
		n = min(n*10+int(c-'0'), maxExponent)
	}
	return sign * n, true
}

func isDigits(text string) bool {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return text != ""
}
