package identity

import (
	"strings"
	"testing"
	"time"

	"github.com/activitylog/activitylog/cmd/internal/service"
)

const secret = "0123456789abcdef0123456789abcdef"

func TestSettings(t *testing.T) {
	const here, everywhere = "127.0.0.1:1", "0.0.0.0:1"
	withSecret := JWT{Signing: Signing{Secret: secret}}
	for _, tt := range []struct {
		name string
		s    Config
		addr string
		says string // "" if nothing is wrong
	}{
		{"none, on loopback", Config{Auth: "none"}, here, ""},
		{"none, on all addresses", Config{Auth: "none"}, everywhere, "INSECURE"},
		{"a secret without jwt", Config{Auth: "none", JWT: withSecret}, here, "add jwt"},
		{"keys, and a key set without jwt", Config{Auth: "keys", JWT: JWT{JWKSURL: "https://example.com/keys"}}, here, "add jwt"},
		{"insecure", Config{Auth: "none", Insecure: true}, everywhere, ""},
		{"tokens", Config{Auth: "jwt", JWT: withSecret}, everywhere, ""},
		{"empty", Config{Insecure: true}, here, "AUTH"},
		{"unknown kind", Config{Auth: "basic", JWT: withSecret}, here, "AUTH"},
		{"keys", Config{Auth: "keys"}, everywhere, ""},
		{"keys and tokens", Config{Auth: "keys, jwt", JWT: withSecret}, everywhere, ""},
		{"keys and tokens without a secret", Config{Auth: "keys,jwt"}, here, "JWT_SECRET"},
		{"none and tokens", Config{Auth: "none,jwt", JWT: withSecret}, here, "AUTH"},
		{"jwt without secret or key set", Config{Auth: "jwt"}, here, "JWT_SECRET or JWT_JWKS_URL"},
		{"short secret", Config{Auth: "jwt", JWT: JWT{Signing: Signing{Secret: service.Secret(secret[1:])}}}, here, "32 bytes"},
		{"secret and keys", Config{Auth: "jwt", JWT: JWT{Signing: Signing{Secret: secret}, JWKSURL: "https://example.com/keys"}}, here, "only one of them"},
		{"leeway below 0", Config{Auth: "jwt", JWT: JWT{Signing: Signing{Secret: secret}, Leeway: -time.Second}}, here, "JWT_LEEWAY"},
		{"leeway of an hour", Config{Auth: "jwt", JWT: JWT{Signing: Signing{Secret: secret}, Leeway: time.Hour}}, here, "JWT_LEEWAY"},
		{"key set", Config{Auth: "jwt", JWT: JWT{JWKSURL: "https://example.com/keys"}}, here, ""},
		{"key set on loopback", Config{Auth: "jwt", JWT: JWT{JWKSURL: "http://[::1]:8080/keys"}}, here, ""},
		{"key set without a port", Config{Auth: "jwt", JWT: JWT{JWKSURL: "http://localhost/keys"}}, here, ""},
		{"key set over plain http", Config{Auth: "jwt", JWT: JWT{JWKSURL: "http://example.com/keys"}}, here, "JWT_JWKS_URL"},
		{"key set in a file", Config{Auth: "jwt", JWT: JWT{JWKSURL: "file:///etc/keys"}}, here, "JWT_JWKS_URL"},
		{"key set without a host", Config{Auth: "jwt", JWT: JWT{JWKSURL: "https://"}}, here, "JWT_JWKS_URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.s.Validate(tt.addr)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			if err != nil && strings.Contains(err.Error(), secret[1:]) {
				t.Errorf("%v: shows the secret", err)
			}
		})
	}
}
