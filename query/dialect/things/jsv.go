package things

import (
	"strconv"
	"strings"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
)

// appendJSV writes v in JSV, ServiceStack's text format: {name:value,…} for objects and maps, [a,b] for lists, no white space.
func appendJSV(b []byte, v any) []byte {
	switch v := v.(type) {
	case object:
		for i, m := range v {
			b = append(b, between(i, '{'))
			b = append(append(b, m.name...), ':')
			b = appendJSV(b, m.value)
		}
		return append(b, '}')
	case list:
		return appendList(b, v, appendJSV)
	case choice:
		b = strconv.AppendInt(append(b, '{'), v.code, 10)
		return append(appendJSV(append(b, ':'), v.name), '}')
	case string:
		return appendJSVText(b, v)
	default:
		return appendNumber(b, v)
	}
}

// appendJSVText quotes a text if it is empty or has a character with a meaning in JSV. Quotes inside are doubled.
func appendJSVText(b []byte, s string) []byte {
	if s != "" && !strings.ContainsAny(s, "\":,{}[]\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}

// appendJSON writes v as JSON.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case object:
		for i, m := range v {
			b = append(b, between(i, '{'))
			b = append(strconv.AppendQuote(b, m.name), ':') // names are constants of letters
			b = appendJSON(b, m.value)
		}
		return append(b, '}')
	case list:
		return appendList(b, v, appendJSON)
	case choice:
		b = strconv.AppendInt(append(b, `{"`...), v.code, 10)
		return append(appendJSON(append(b, `":`...), v.name), '}')
	case string:
		return append(b, reply.JSON(v)...)
	default:
		return appendNumber(b, v)
	}
}

func appendList(b []byte, l list, write func([]byte, any) []byte) []byte {
	if len(l.items) == 0 {
		return append(b, "[]"...)
	}
	for i, item := range l.items {
		b = write(append(b, between(i, '[')), item)
	}
	return append(b, ']')
}

// between returns the byte before the item i: the opening bracket, or a comma.
func between(i int, opens byte) byte {
	if i == 0 {
		return opens
	}
	return ','
}

func appendNumber(b []byte, v any) []byte {
	if n, ok := v.(uint64); ok {
		return strconv.AppendUint(b, n, 10)
	}
	n, _ := v.(int64)
	return strconv.AppendInt(b, n, 10)
}
