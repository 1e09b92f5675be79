package decode

import (
	"bytes"

	"github.com/activitylog/activitylog/schema"
)

// foreign lists formats that clients send by mistake: how such a body begins, and the message for the client. PowerShell writes files in
// UTF-16.
var foreign = []struct {
	head []byte
	err  error
}{
	{[]byte("\xff\xfe"), errUTF16},
	{[]byte("\xfe\xff"), errUTF16},
	{[]byte("{\x00"), errUTF16},
	{[]byte("[\x00"), errUTF16},
	{[]byte("\x00{"), errUTF16},
	{[]byte("\x00["), errUTF16},
	{[]byte("\x1f\x8b"), errNotSaid("gzip")},
	{[]byte("\x28\xb5\x2f\xfd"), errNotSaid("zstd")},
}

var errUTF16 = &schema.FieldError{Field: "body", Code: "UTF8", Issue: "is UTF-16, must be UTF-8"}

func errNotSaid(encoding string) error {
	return &schema.FieldError{Field: "body", Code: "SYNTAX", Issue: "is " + encoding + ", and must be sent with Content-Encoding: " + encoding}
}

// foreigner names the format of a text whose beginning shows that it is not JSON in UTF-8.
func foreigner(text []byte) error {
	for _, f := range foreign {
		if bytes.HasPrefix(text, f.head) {
			return f.err
		}
	}
	return nil
}
