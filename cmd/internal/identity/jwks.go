package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/activitylog/activitylog/cmd/internal/service"
	"github.com/activitylog/activitylog/schema"
)

// Bounds of fetching a set of keys.
const (
	setBytes   = 1 << 20
	setTime    = 5 * time.Second
	setEvery   = 5 * time.Minute
	setRetry   = time.Second
	setPause   = 10 * time.Second // between fetches because of unknown kids
	minRSABits = 2048
)

// publicMethods are the algorithms that check a signature with a public key.
var publicMethods = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}

// publicKey is a key and the algorithms that it may check.
type publicKey struct {
	key     any
	methods []string
}

// keySet follows a JSON web key set (RFC 7517). It keeps the last set that it has fetched while a fetch fails.
type keySet struct {
	url     string
	client  *http.Client
	log     *slog.Logger
	keys    atomic.Pointer[map[string]publicKey] // by kid; nil until the first fetch
	why     atomic.Pointer[error]                // error of the last fetch that failed
	fetched atomic.Int64                         // Unix ns of the last try
	pause   time.Duration                        // setPause, except in tests
	asking  singleflight.Group
}

func newKeySet(address string, log *slog.Logger) *keySet {
	k := &keySet{url: address, log: log, pause: setPause, client: &http.Client{
		Timeout: setTime,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirects")
			}
			return checkURL(r.URL)
		},
	}}
	untried := errors.New("the token keys have not been fetched yet")
	k.why.Store(&untried)
	return k
}

// checkURL accepts only URLs whose answer nobody on the network can replace: https, and http on loopback.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && service.Loopback(net.JoinHostPort(u.Hostname(), "0")):
		return nil
	}
	return errors.New("must be an https address, or http on loopback")
}

// run fetches the set until ctx ends: every setRetry until a fetch succeeds, then every setEvery.
func (k *keySet) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	waiting := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := k.refresh(ctx)
		if err == nil {
			if waiting {
				k.log.Info("fetch of token keys succeeded after failures")
			}
			waiting = false
			timer.Reset(setEvery)
			continue
		}
		if !waiting && ctx.Err() == nil {
			k.log.Warn("fetch of token keys failed", "error", err)
		}
		waiting = true
		timer.Reset(setRetry)
	}
}

// ready returns nil once there are keys, otherwise the reason why there are none.
func (k *keySet) ready() error {
	if k.keys.Load() != nil {
		return nil
	}
	return fmt.Errorf("JWT_JWKS_URL: %w", *k.why.Load())
}

var errNoKeys = &schema.Refusal{Kind: schema.ErrUnavailable, Issue: "tokens cannot be checked at the moment, try again"}

// find returns the key that the header of a token names. An unknown kid may be new: find fetches the set, at most once per pause.
func (k *keySet) find(ctx context.Context, kid, method string) (any, error) {
	key, ok := k.lookUp(kid)
	if !ok {
		k.renew(ctx)
		key, ok = k.lookUp(kid)
	}
	switch {
	case k.keys.Load() == nil:
		return nil, errNoKeys
	case !ok:
		return nil, errors.New("no such key")
	case !slices.Contains(key.methods, method):
		return nil, errors.New("the key is not for this algorithm")
	}
	return key.key, nil
}

// lookUp returns the key with the id; for a token without an id, the only key if there is only one.
func (k *keySet) lookUp(kid string) (publicKey, bool) {
	keys := k.keys.Load()
	if keys == nil {
		return publicKey{}, false
	}
	if kid == "" && len(*keys) == 1 {
		for _, key := range *keys {
			return key, true
		}
	}
	key, ok := (*keys)[kid]
	return key, ok
}

// renew fetches the set, unless that was tried within the pause. Concurrent requests share one fetch.
func (k *keySet) renew(ctx context.Context) {
	done := k.asking.DoChan("", func() (any, error) {
		if time.Since(time.Unix(0, k.fetched.Load())) < k.pause {
			return nil, nil
		}
		return nil, k.refresh(context.WithoutCancel(ctx))
	})
	select {
	case <-ctx.Done():
	case <-done:
	}
}

func (k *keySet) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setTime)
	defer cancel()
	k.fetched.Store(time.Now().UnixNano())
	keys, err := k.fetch(ctx)
	if err != nil {
		k.why.Store(&err)
		return err
	}
	k.keys.Store(&keys)
	return nil
}

func (k *keySet) fetch(ctx context.Context) (map[string]publicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch token keys: %w", err)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch token keys: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch token keys: status %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, setBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read keys: %w", err)
	case len(text) > setBytes:
		return nil, fmt.Errorf("read keys: more than %d bytes", setBytes)
	}
	return parseSet(text)
}

// parseSet reads the public keys of a set that check signatures. It leaves out a key that we cannot use (RFC 7517, 5), and a
// symmetric one: what is published is not a secret.
func parseSet(text []byte) (map[string]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("read keys: this is not a JSON web key set")
	}
	keys := map[string]publicKey{}
	for i, raw := range set.Keys {
		k, err := parseKey(raw)
		if err != nil || k.Use != "" && k.Use != "sig" {
			continue
		}
		key, ok := publicOf(k)
		if !ok {
			continue
		}
		if k.KeyID == "" {
			k.KeyID = "\x00" + strconv.Itoa(i) // no token has this kid
		}
		if _, twice := keys[k.KeyID]; !twice {
			keys[k.KeyID] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("read keys: the set has no RSA key of 2048 bits or more and no EC key for signatures")
	}
	return keys, nil
}

// parseKey reads one key of a set without its certificates and its private part. We trust the set, not the certificates in it, so a
// certificate that Go cannot parse must not make the key unusable.
func parseKey(raw []byte) (k jose.JSONWebKey, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return k, err
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return name == "d" || strings.HasPrefix(name, "x5") })
	bare, err := json.Marshal(members)
	if err != nil {
		return k, err
	}
	return k, k.UnmarshalJSON(bare)
}

// publicOf returns the key and the algorithms of its type that it may check.
func publicOf(k jose.JSONWebKey) (publicKey, bool) {
	p := publicKey{key: k.Key}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSABits {
			return p, false
		}
		p.methods = []string{"RS256", "RS384", "RS512"}
	case *ecdsa.PublicKey:
		p.methods = map[int][]string{256: {"ES256"}, 384: {"ES384"}, 521: {"ES512"}}[key.Curve.Params().BitSize]
	}
	if k.Algorithm != "" {
		p.methods = slices.DeleteFunc(p.methods, func(m string) bool { return m != k.Algorithm })
	}
	return p, len(p.methods) > 0
}
