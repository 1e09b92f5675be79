package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/activitylog/activitylog/deploy/embedded/testbed"
)

// ofTheRuntime are variables that the Go runtime reads.
var ofTheRuntime = []string{"GOMEMLIMIT"}

var variable = regexp.MustCompile(`\(\$([A-Z_]+)\)`)

// Every variable of the compose file is a setting of the command that gets it, and the command accepts the values.
func TestComposeSettings(t *testing.T) {
	unchanged := strings.NewReplacer()
	for name, s := range load(t).Services {
		if s.Build == nil {
			continue
		}
		env := environment(s, unchanged, nil)
		args := slices.Clone(s.Command[1:])
		help, err := run(t.Context(), env, binary(t, s.Command[0]), append(args, "--help")...)
		if err != nil {
			t.Fatalf("%s --help: %v\n%s", name, err, help)
		}
		var known []string
		for _, m := range variable.FindAllStringSubmatch(help, -1) {
			known = append(known, m[1])
		}
		for key := range s.Environment {
			if !slices.Contains(known, key) && !slices.Contains(ofTheRuntime, key) {
				t.Errorf("%s: %s is not a setting of %s, which has %v", name, key, s.Command[0], known)
			}
		}
		if out, err := run(t.Context(), env, binary(t, s.Command[0]), append(args, "--check")...); err != nil {
			t.Errorf("%s --check with the variables of the compose file: %v\n%s", name, err, out)
		}
	}
}

var placeholder = regexp.MustCompile(`\{\$([A-Z_]+):([^}]*)\}`)

// The compose file sets the variables of the proxy's configuration to their defaults.
func TestProxySettings(t *testing.T) {
	proxy := load(t).Services["proxy"]
	text := must(os.ReadFile(mounted(t, proxy.Volumes, "/etc/caddy/Caddyfile")))
	defaults := map[string]string{}
	for _, m := range placeholder.FindAllStringSubmatch(string(text), -1) {
		defaults[m[1]] = m[2]
	}
	if len(defaults) < 4 {
		t.Fatalf("found the variables %v, want PROXY_PORT, PROXY_BIND, COLLECTOR, QUERY", defaults)
	}
	for key, value := range proxy.Environment {
		if def, ok := defaults[key]; !ok || def != *value {
			t.Errorf("%s=%s: the Caddyfile has %q by default", key, *value, def)
		}
	}
	if got, want := *proxy.Environment["PROXY_PORT"], proxy.Ports[0].Target; got != "50809" || want != 50809 {
		t.Errorf("the proxy listens on %s and %d is published", got, want)
	}
}

// mounted returns the repository's file that is mounted at target.
func mounted(t *testing.T, volumes []types.ServiceVolumeConfig, target string) string {
	t.Helper()
	for _, v := range volumes {
		if v.Target == target {
			return must(filepath.Abs(v.Source))
		}
	}
	t.Fatalf("nothing is mounted at %s", target)
	return ""
}

// testbedSettings returns the variables with which a service connects to the broker of a test.
func testbedSettings(b *testbed.Broker) map[string]string {
	mechanism, user, password := b.Login()
	return map[string]string{"KAFKA_TOPIC": b.Topic(), "KAFKA_SASL": mechanism, "KAFKA_USERNAME": user, "KAFKA_PASSWORD": password}
}
