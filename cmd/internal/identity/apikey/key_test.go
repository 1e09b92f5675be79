package apikey

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/schema"
)

func TestNew(t *testing.T) {
	k, text := New(Key{Tenant: "acme"})
	id, secret, err := Parse(text)
	if err != nil || id != k.ID || len(secret) != 32 || !k.Opens(secret) {
		t.Fatalf("%s: got %s, %d bytes, %v", k.ID, id, len(secret), err)
	}
	if err := k.Validate(); err != nil {
		t.Error(err)
	}
	kept, err := json.Marshal(k)
	if err != nil || strings.Contains(string(kept), text[len(Prefix)+len(id)+1:]) || strings.Contains(string(kept), hex.EncodeToString(secret)) {
		t.Errorf("%s, %v: holds the secret", kept, err)
	}
	if other, _ := New(Key{Tenant: "acme"}); other.ID == k.ID || other.Hash == k.Hash || other.Opens(secret) {
		t.Error("two keys are alike")
	}
}

func TestParse(t *testing.T) {
	_, good := New(Key{})
	for _, text := range []string{
		"", "alog.", "alog..", "alog.abc", good[:len(good)-1], good + "A", good + ".x", "x" + good, strings.ToUpper(good), strings.Replace(good, "alog.", "alog.A", 1),
		good[:len(good)-1] + "=", good[:len(good)-1] + "_", // the last letter of 32 bytes has two bits to spare: strict
		strings.Replace(good, ".", "", 1), good[:len(good)-1] + "\n", good[:len(good)-2] + "\r\n",
	} {
		if id, _, err := Parse(text); err == nil {
			t.Errorf("%q: taken, as %s", text, id)
		}
	}
}

// FuzzParse checks that a text that is read as a key is the only one of that key.
func FuzzParse(f *testing.F) {
	_, good := New(Key{})
	f.Add(good)
	f.Add("alog.a.b")
	f.Add(good[:len(good)-3] + "\r" + good[len(good)-2:])
	f.Add(good[:len(good)-1] + "Z")
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, err := Parse(text)
		if err == nil && text != Prefix+id+"."+secretText.EncodeToString(secret) {
			t.Fatalf("%q is read as %s and %x", text, id, secret)
		}
	})
}

func TestDecode(t *testing.T) {
	k, _ := New(Key{Name: "n", Tenant: "acme", Scopes: []schema.Scope{schema.ScopeRead}, Created: time.Now().UTC(), Rate: 2})
	good, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) string { return strings.Replace(string(good), from, to, 1) }
	if got, err := decode(k.ID, []byte(change("{", `{"of_a_later_version":[1],`))); err != nil || got.Hash != k.Hash || !got.Expires.IsZero() {
		t.Errorf("got %+v, %v, want %+v", got, err, k)
	}
	for name, value := range map[string]string{
		"no JSON": "x", "null": "null", "no tenant": change(`"acme"`, `""`), "NUL": change(`"acme"`, `"a\u0000"`), "short hash": change(k.Hash, k.Hash[2:]), "no hash": change(k.Hash, ""),
		"another id": change(k.ID, "aaaaaaaaaaaa"), "negative rate": change(`"rate":2`, `"rate":-2`), "a time that is none": change(`"expires"`, `"x"`) + "x",
	} {
		if got, err := decode(k.ID, []byte(value)); err == nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}

func TestStatus(t *testing.T) {
	now := time.Now()
	for want, k := range map[string]Key{
		"active": {Expires: now.Add(1)}, "expired": {Expires: now}, "revoked": {Expires: now, Revoked: now},
	} {
		if got := k.Status(now); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if (&Key{Hash: "zz"}).Opens(nil) || (&Key{}).Opens(nil) {
		t.Error("a key without a hash opens")
	}
}
