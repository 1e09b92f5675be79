// Package apikey holds API keys: their format, what is stored of them, and the Kafka topic that distributes them to every service. It
// promises: the secret of a key is shown once and never stored, only its SHA-256; a change takes effect within a second in a service
// that reaches Kafka; a service that has read the topic once keeps using what it has read while Kafka is unavailable.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// Prefix begins every key, so that secret scanners find keys in files.
const Prefix = "alog."

const (
	secretBytes = 32
	idLength    = 12
)

// Key is the stored form of an API key.
type Key struct {
	ID      string         `json:"id"`
	Name    string         `json:"name,omitempty"` // for people
	Tenant  string         `json:"tenant"`
	Roles   []string       `json:"roles,omitempty"`
	Scopes  []schema.Scope `json:"scopes"`
	Rate    float64        `json:"rate,omitempty"` // requests a second, in each process; 0: any number
	Hash    string         `json:"hash"`           // hex of the secret's SHA-256
	Created time.Time      `json:"created"`
	Expires time.Time      `json:"expires,omitzero"` // zero: never
	Revoked time.Time      `json:"revoked,omitzero"`
}

// New gives k an id and a secret, and returns it with its text, which only the caller has.
func New(k Key) (Key, string) {
	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:]) // never fails (Go 1.24)
	sum := sha256.Sum256(secret[:])
	k.ID, k.Hash = strings.ToLower(rand.Text()[:idLength]), hex.EncodeToString(sum[:])
	return k, Prefix + k.ID + "." + secretText.EncodeToString(secret[:])
}

var secretText = base64.RawURLEncoding.Strict()

// ErrSyntax means that a text is not an API key.
var ErrSyntax = errors.New("this is not an API key")

// Parse reads the text of a key: prefix, id and secret, separated by dots.
func Parse(text string) (id string, secret []byte, err error) {
	rest, ok := strings.CutPrefix(text, Prefix)
	id, encoded, two := strings.Cut(rest, ".")
	if !ok || !two || !isID(id) || len(encoded) != secretText.EncodedLen(secretBytes) {
		return "", nil, ErrSyntax
	}
	secret, err = secretText.DecodeString(encoded)
	if err != nil || len(secret) != secretBytes { // the decoder skips line breaks, which leaves fewer bytes
		return "", nil, ErrSyntax
	}
	return id, secret, nil
}

func isID(s string) bool {
	if len(s) != idLength {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// Opens reports whether secret is the secret of k, in constant time.
func (k *Key) Opens(secret []byte) bool {
	sum := sha256.Sum256(secret)
	kept, err := hex.DecodeString(k.Hash)
	return subtle.ConstantTimeCompare(sum[:], kept) == 1 && err == nil
}

// Expired reports whether k has expired at the given time.
func (k *Key) Expired(at time.Time) bool { return !k.Expires.IsZero() && !at.Before(k.Expires) }

// Status returns active, expired or revoked.
func (k *Key) Status(at time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case k.Expired(at):
		return "expired"
	}
	return "active"
}

// Validate returns what is wrong with k.
func (k *Key) Validate() error {
	if !isID(k.ID) {
		return errors.New("a key needs an id")
	}
	if sum, err := hex.DecodeString(k.Hash); err != nil || len(sum) != sha256.Size {
		return errors.New("a key needs the hash of its secret")
	}
	if k.Tenant == "" {
		return errors.New("a key needs a tenant")
	}
	if k.Rate < 0 {
		return errors.New("a key's rate must not be negative")
	}
	return schema.CheckText("tenant", k.Tenant, schema.MaxNameBytes)
}

// decode reads a record of the topic. It ignores fields that this version does not know.
func decode(id string, value []byte) (Key, error) {
	var k Key
	if err := json.Unmarshal(value, &k); err != nil {
		return k, fmt.Errorf("read a key: %w", err)
	}
	if k.ID != id {
		return k, errors.New("read a key: it is not the one that the record names")
	}
	return k, k.Validate()
}
