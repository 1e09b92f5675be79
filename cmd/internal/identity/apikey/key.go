// Package apikey is API keys: how one is written, what is kept of it, and the Kafka topic that carries what is kept to every
// service. It promises: the secret of a key is shown once and kept nowhere, only its SHA-256; what was appended to the topic
// acts in a service that reaches Kafka within a second; a service that has read the topic once goes on with what it read
// while Kafka is away.
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

// Prefix begins every key: programs that look for secrets in files find it by that.
const Prefix = "alog."

const (
	secretBytes = 32
	idLength    = 12
)

// Key is what is kept of an API key.
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

// New makes a key with an id and a secret of its own, and returns its text, which nothing but the caller keeps.
func New(k Key) (Key, string) {
	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:]) // never fails (Go 1.24)
	sum := sha256.Sum256(secret[:])
	k.ID, k.Hash = strings.ToLower(rand.Text()[:idLength]), hex.EncodeToString(sum[:])
	return k, Prefix + k.ID + "." + secretText.EncodeToString(secret[:])
}

var secretText = base64.RawURLEncoding.Strict()

// ErrSyntax is a text that is no API key.
var ErrSyntax = errors.New("this is no API key")

// Parse reads a key's text: prefix, id and secret with dots between.
func Parse(text string) (id string, secret []byte, err error) {
	rest, ok := strings.CutPrefix(text, Prefix)
	id, encoded, two := strings.Cut(rest, ".")
	if !ok || !two || !isID(id) || len(encoded) != secretText.EncodedLen(secretBytes) {
		return "", nil, ErrSyntax
	}
	secret, err = secretText.DecodeString(encoded)
	if err != nil || len(secret) != secretBytes { // the decoder passes over line breaks, and fewer bytes are left
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

// Opens reports whether secret is k's, in a time that says nothing about it.
func (k *Key) Opens(secret []byte) bool {
	sum := sha256.Sum256(secret)
	kept, err := hex.DecodeString(k.Hash)
	return subtle.ConstantTimeCompare(sum[:], kept) == 1 && err == nil
}

// Expired reports whether k is over at the time.
func (k *Key) Expired(at time.Time) bool { return !k.Expires.IsZero() && !at.Before(k.Expires) }

// Status is what k is at the time: active, expired or revoked.
func (k *Key) Status(at time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case k.Expired(at):
		return "expired"
	}
	return "active"
}

// Validate says what is wrong with k.
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

// decode reads a record of the topic. Fields that this version does not know are passed over.
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
