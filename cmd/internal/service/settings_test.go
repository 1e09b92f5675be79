package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type testConfig struct {
	Common
	Topic    string        `env:"TOPIC"`
	Wait     time.Duration `env:"WAIT"`
	Mode     string        `oneof:"fast,safe" env:"MODE"`
	Hosts    []string      `env:"HOSTS"`
	Create   bool          `env:"CREATE"`
	Password Secret        `env:"PASSWORD"`
}

func (c *testConfig) Defaults() {
	c.Topic, c.Wait, c.Mode, c.Hosts = "activity", 5*time.Second, "safe", []string{"a"}
}

func (c *testConfig) Validate() error {
	if c.Topic == "bad" {
		return errors.New("TOPIC: must not be bad")
	}
	return nil
}

func testEnvironment(args []string, vars map[string]string) (environment, *bytes.Buffer) {
	var out bytes.Buffer
	lookup := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	return environment{args: args, lookup: lookup, stdout: &out, stderr: &out}, &out
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := write(t, "env", "# settings\nTOPIC='file'\nexport PASSWORD=\"from file\"\n")
	secret := write(t, "secret", "from secret\n")
	for _, tt := range []struct {
		name        string
		args        []string
		vars        map[string]string
		topic, word string
	}{
		{"default", nil, nil, "activity", ""},
		{"file", []string{"--env-file", file}, nil, "file", "from file"},
		{"file named by a variable", nil, map[string]string{"ENV_FILE": file}, "file", "from file"},
		{"variable over file", []string{"--env-file=" + file}, map[string]string{"TOPIC": "variable", "PASSWORD": "p"}, "variable", "p"},
		{"secret's file over file", []string{"--env-file=" + file}, map[string]string{"PASSWORD_FILE": secret}, "file", "from secret"},
		{"variable over secret's file", nil, map[string]string{"PASSWORD": "p", "PASSWORD_FILE": secret}, "activity", "p"},
		{"flag over all", []string{"--env-file=" + file, "--topic=flag"}, map[string]string{"TOPIC": "variable"}, "flag", "from file"},
		{"empty variable is none", nil, map[string]string{"TOPIC": "", "WAIT": ""}, "activity", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var cfg testConfig
			env, _ := testEnvironment(tt.args, tt.vars)
			if _, err := env.settings("test", "", &cfg); err != nil {
				t.Fatalf("settings: %v", err)
			}
			if cfg.Topic != tt.topic || cfg.Password.Reveal() != tt.word {
				t.Errorf("got %q, %q, want %q, %q", cfg.Topic, cfg.Password.Reveal(), tt.topic, tt.word)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		vars map[string]string
		err  error // of run
		want int
		says []string
	}{
		{name: "clean end", want: 0},
		{name: "failure", err: errors.New("lost"), want: ExitFailure, says: []string{"lost"}},
		{name: "missing", err: fmt.Errorf("%w: locked", ErrMissing), want: ExitMissing, says: []string{"locked"}},
		{name: "unknown flag", args: []string{"--nope"}, want: ExitUsage, says: []string{"--nope"}},
		{name: "flag of the wrong type", args: []string{"--wait=soon"}, want: ExitUsage, says: []string{"--wait"}},
		{
			name: "every fault at once", vars: map[string]string{"WAIT": "soon", "MODE": "slow", "TOPIC": "bad", "PASSWORD_FILE": "/nonexistent"},
			want: ExitConfig, says: []string{"WAIT: ", "MODE: must be one of fast,safe", "TOPIC: must not be bad", "PASSWORD_FILE: "},
		},
		{name: "check finds faults", args: []string{"--check"}, vars: map[string]string{"TOPIC": "bad"}, want: ExitConfig, says: []string{"TOPIC"}},
		{name: "check finds none", args: []string{"--check"}, err: errors.New("was run"), want: 0, says: []string{"settings are valid"}},
		{name: "no such file", args: []string{"--env-file=/nonexistent"}, want: ExitConfig, says: []string{"/nonexistent"}},
		{name: "version", args: []string{"--version"}, err: errors.New("was run"), want: 0, says: []string{"test dev"}},
		{name: "help", args: []string{"--help"}, err: errors.New("was run"), want: 0, says: []string{"($TOPIC)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env, out := testEnvironment(tt.args, tt.vars)
			got := env.main("test", "", &testConfig{}, func(context.Context, *Process) error { return tt.err })
			if got != tt.want {
				t.Errorf("exit: got %d, want %d; it said %s", got, tt.want, out)
			}
			for _, want := range tt.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got %q, want %q in it", out, want)
				}
			}
		})
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	env, out := testEnvironment(nil, map[string]string{"PASSWORD": "hunter2"})
	var cfg testConfig
	env.main("test", "", &cfg, func(_ context.Context, p *Process) error {
		p.Log.Info("settings", "password", cfg.Password, "all", fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.Password))
		return nil
	})
	if cfg.Password.Reveal() != "hunter2" || strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "***") {
		t.Errorf("got %s, want *** and not the password", out)
	}
}

func TestDescription(t *testing.T) {
	env, out := testEnvironment([]string{"--settings"}, nil)
	if got := env.main("test", "", &testConfig{}, nil); got != 0 {
		t.Fatalf("exit: got %d, want 0", got)
	}
	var all []Setting
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatalf("decode: %v", err)
	}
	got := map[string]string{}
	for _, s := range all {
		got[s.Flag] = strings.Join(s.Env, " ") + "=" + s.Default
	}
	want := map[string]string{
		"--log-level": "LOG_LEVEL=info", "--env-file": "ENV_FILE=", "--topic": "TOPIC=activity", "--wait": "WAIT=5s",
		"--mode": "MODE=safe", "--hosts": "HOSTS=a", "--create": "CREATE=false", "--password": "PASSWORD PASSWORD_FILE=",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func FuzzParseEnv(f *testing.F) {
	f.Add("A=1\n# no\n\nexport B=\"two words\"\n")
	f.Add("A")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseEnv(strings.NewReader(text))
		for name := range values {
			if err == nil && (name == "" || name != strings.TrimSpace(name)) {
				t.Errorf("%q: got the name %q", text, name)
			}
		}
	})
}

func TestNearest(t *testing.T) {
	known := strings.Fields(names)
	for text, want := range map[string]string{
		"KAFKA_BROKER": "KAFKA_BROKERS", "KAFKA_BORKERS": "KAFKA_BROKERS", "kafka_brokers": "KAFKA_BROKERS", "CLICKHOUSE_DNS": "CLICKHOUSE_DSN", "BATCH_ROW": "BATCH_ROWS",
		"PORT": "", "GOMEMLIMIT": "", "": "", "A": "", "KAFKA": "",
	} {
		if got := nearest(text, known); got != want {
			t.Errorf("nearest to %q: got %q, want %q", text, got, want)
		}
	}
}

// A fault names the variables whose defaults would remove it, and only those.
func TestNamed(t *testing.T) {
	type limits struct {
		Most  int `env:"MOST"`
		Least int `env:"LEAST"`
		Step  int `env:"STEP"`
		Other string
	}
	validate := func(l limits) error {
		var faults []error
		if l.Step < 1 {
			faults = append(faults, errors.New("the step must be above 0"))
		}
		if l.Least > l.Most {
			faults = append(faults, errors.New("the least is above the most"))
		}
		if l.Other != "" {
			faults = append(faults, errors.New("nobody can set this"))
		}
		return errors.Join(faults...)
	}
	defaults := limits{Most: 10, Least: 1, Step: 1}
	for _, tt := range []struct {
		l    limits
		want string
	}{
		{defaults, "<nil>"},
		{limits{Most: 10, Least: 1}, "STEP: the step must be above 0"},
		{limits{Most: 0, Least: 1, Step: 1}, "MOST: the least is above the most"},
		{limits{Most: 5, Least: 7, Step: 1}, "MOST, LEAST: the least is above the most"},
		{limits{Most: 0, Least: 20, Step: 0, Other: "x"}, "STEP: the step must be above 0\nMOST, LEAST: the least is above the most\nnobody can set this"},
	} {
		if got := fmt.Sprint(Named(tt.l, defaults, validate)); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.l, got, tt.want)
		}
	}
}
