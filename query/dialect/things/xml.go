package things

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"strconv"
	"time"
)

const xmlHead = `<?xml version="1.0" encoding="utf-8"?>`

func xmlPage(p *page, _ *url.URL) []byte {
	return appendXML([]byte(xmlHead), "ActionLogResponse", p.object())
}

func xmlRefusal(r *refusal, _ *url.URL) []byte {
	return appendXML([]byte(xmlHead), "ErrorResponse", r.object())
}

// appendXML writes v as an element of that name. Element names are PascalCase, times are xs:dateTime of XML Schema, and a map has an
// Item with Key and Value for each key.
func appendXML(b []byte, name string, v any) []byte {
	b = append(append(append(b, '<'), name...), '>')
	switch v := v.(type) {
	case object:
		for _, m := range v {
			if ms, ok := m.value.(int64); ok && m.name == "timestamp" {
				m.value = time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
			}
			b = appendXML(b, pascal(m.name), m.value)
		}
	case list:
		for _, item := range v.items {
			b = appendXML(b, v.of, item)
		}
	case choice:
		b = appendXML(b, "Item", object{{"key", strconv.FormatInt(v.code, 10)}, {"value", v.name}})
	case string:
		var text bytes.Buffer
		_ = xml.EscapeText(&text, []byte(v)) // writing to a buffer cannot fail
		b = append(b, text.Bytes()...)
	default:
		b = appendNumber(b, v)
	}
	return append(append(append(b, "</"...), name...), '>')
}
