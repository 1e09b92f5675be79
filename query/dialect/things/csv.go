package things

import (
	"net/url"
	"strings"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
)

// csvPage has a line for each action log and no totals, as ServiceStack's CSV does. Lines end with CRLF (RFC 4180).
func csvPage(p *page, _ *url.URL) []byte {
	var b []byte
	if p.asked.bom {
		b = append(b, reply.BOM...)
	}
	b = csvHeader(b, (&view{}).members())
	for i := range p.logs {
		b = csvRow(b, p.logs[i].members())
	}
	return b
}

func csvRefusal(r *refusal, _ *url.URL) []byte {
	rows := r.errors
	if rows == nil {
		rows = faults{{r.code, "", r.message}}
	}
	var b []byte
	for i, f := range rows {
		o := object{{"errorCode", f.code}, {"fieldName", f.field}, {"message", f.message}}
		if i == 0 {
			b = csvHeader(b, o)
		}
		b = csvRow(b, o)
	}
	return b
}

func csvHeader(b []byte, o object) []byte {
	names := make(object, len(o))
	for i, m := range o {
		names[i].value = pascal(m.name)
	}
	return csvRow(b, names)
}

func csvRow(b []byte, o object) []byte {
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := m.value.(type) {
		case string:
			b = csvCell(b, v, false)
		case choice:
			b = csvCell(b, string(appendJSV(nil, v)), true)
		default:
			b = appendNumber(b, v)
		}
	}
	return append(b, '\r', '\n')
}

// csvCell writes one cell; quoted asks for quotes also where RFC 4180 needs none.
func csvCell(b []byte, s string, quoted bool) []byte {
	s = reply.PlainCell(s)
	if !quoted && !strings.ContainsAny(s, "\",\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}

// pascal converts a camelCase name to PascalCase, which XML and CSV use.
func pascal(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
