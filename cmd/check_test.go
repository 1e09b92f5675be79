package cmd_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every fault of a configuration names the variable that causes it, and --check lists all of them.
func TestCheckNamesEveryFault(t *testing.T) {
	for _, tt := range []struct {
		binary string
		env    []string
		want   []string // how the lines begin, in any order
	}{
		{"collector", []string{"MAX_BODY_BYTES=0"}, []string{"MAX_BODY_BYTES: "}},
		{"collector", []string{"MAX_BODY_BYTES=200000000"}, []string{"MAX_BODY_BYTES: "}},
		{"collector", []string{"MAX_BODY_BYTES=50000000", "MAX_PENDING_BYTES=40000000"}, []string{"MAX_BODY_BYTES, MAX_PENDING_BYTES: "}},
		{"collector", []string{"MAX_BODY_BYTES=200000000", "MAX_PENDING_BYTES=500000000"}, nil},
		{"collector", []string{"MAX_ENTRIES=-1", "ACK_TIMEOUT=0s", "RATE_LIMIT=-1", "RATE_BURST=-5", "KEY_WINDOW=0s", "MAX_KEYS=0"}, []string{
			"MAX_ENTRIES: ", "ACK_TIMEOUT: ", "RATE_LIMIT: ", "RATE_BURST: ", "KEY_WINDOW: ", "MAX_KEYS: ",
		}},
		{"collector", []string{"MAX_ENTRIES=many", "ACK_TIMEOUT=10", "RATE_LIMIT=fast", "CREATE_TOPICS=yes please", "LOG_LEVEL=loud"}, []string{
			`MAX_ENTRIES: want a whole number, but it is "many"`, "ACK_TIMEOUT: want a duration", "RATE_LIMIT: want a number", "CREATE_TOPICS: want true or false", "LOG_LEVEL: want debug, info",
		}},
		{"collector", []string{"KAFKA_BROKERS=kafka,kafka:9092,kafka:port", "KAFKA_TOPIC=a b", "KAFKA_SASL=plain"}, []string{
			`KAFKA_BROKERS: want host:port, such as 127.0.0.1:8080, but it is "kafka"`, "KAFKA_BROKERS: ", "KAFKA_TOPIC: ", "KAFKA_SASL and KAFKA_USERNAME: ",
		}},
		{"collector", []string{"KAFKA_SASL=kerberos", "KAFKA_TLS_CA=/nonexistent"}, []string{"KAFKA_SASL: must be one of none,plain", "KAFKA_TLS: "}},
		{"collector", []string{"KAFKA_PASSWORD=secret"}, []string{"KAFKA_PASSWORD: is set, but KAFKA_SASL is none"}},
		{"collector", []string{"KAFKA_PASSWORD_FILE=/nonexistent"}, []string{"KAFKA_PASSWORD_FILE: open /nonexistent"}},
		{"consumer", []string{"BATCH_ROWS=0", "BATCH_AGE=0s", "BATCH_MEMORY=5", "INSERT_TIMEOUT=-1s", "SESSION_TIMEOUT=1ms"}, []string{
			"BATCH_ROWS: ", "BATCH_AGE: ", "BATCH_MEMORY: ", "INSERT_TIMEOUT: ", "SESSION_TIMEOUT: ",
		}},
		{"consumer", []string{"CLICKHOUSE_DSN=localhost:8123"}, []string{"CLICKHOUSE_DSN: "}},
		{"query", []string{"WAIT_MAX=0s", "QUERY_TIMEOUT=0s", "QUERY_MEMORY=1", "RETENTION_DAYS=0", "CURSOR_SECRET=short", "CURSOR_MAX_AGE=0s", "EXPORT_MAX=0", "TAIL_MAX=0", "CLEANUP_EVERY=0s", "CLEANUP_WEBHOOK_URL=http://example.com"}, []string{
			"WAIT_MAX: ", "QUERY_TIMEOUT: ", "QUERY_MEMORY: ", "RETENTION_DAYS: ", "CURSOR_SECRET: ", "CURSOR_MAX_AGE: ", "EXPORT_MAX: ", "TAIL_MAX: ", "CLEANUP_EVERY: ", "CLEANUP_WEBHOOK_URL: ",
		}},
		{"query", []string{"HTTP_ADDR=8080", "HTTP_MAX_CONNS=0", "DRAIN_DELAY=1m", "PPROF_ADDR=0.0.0.0:6060"}, []string{"HTTP_ADDR: want host:port", "HTTP_MAX_CONNS: ", "DRAIN_DELAY: ", "PPROF_ADDR: "}},
		{"query", []string{"HTTP_ADDR=127.0.0.1:99999"}, []string{"HTTP_ADDR: want host:port"}},
		{"query", []string{"AUTH=basic", "JWT_SECRET=" + jwtSecret, "CORS_ORIGINS=example.com,https://a.example.com,https://b.example.com/", "ALLOWED_HOSTS=https://c.example.com", "HTTP_ADDR=0.0.0.0:80"}, []string{
			"AUTH: must be none", "AUTH: JWT_SECRET or JWT_JWKS_URL is set", `CORS_ORIGINS: "example.com"`, `CORS_ORIGINS: "https://b.example.com/"`, "ALLOWED_HOSTS: ",
		}},
		{"query", []string{"AUTH=jwt", "JWT_SECRET=short", "CORS_ORIGINS=x"}, []string{"JWT_SECRET: ", "CORS_ORIGINS: "}},
		{"standalone", []string{"BROKER_ADDR=localhost", "ENGINE_ADDR=0.0.0.0:8123", "BROKER_MAX_BYTES=-1", "BROKER_KEEP_BYTES=0", "BROKER_RESERVE_BYTES=-1", "ENGINE_RESERVE_BYTES=-1", "ENGINE_MAX_MEMORY=-1", "KAFKA_TOPIC=a/b"}, []string{
			"BROKER_ADDR: want host:port", "ENGINE_ADDR: ", "BROKER_MAX_BYTES: ", "BROKER_KEEP_BYTES: ", "BROKER_RESERVE_BYTES: ", "ENGINE_RESERVE_BYTES: ", "ENGINE_MAX_MEMORY: want a whole number, not negative", "KAFKA_TOPIC: ",
		}},
		{"standalone", []string{"ONLY=broker,engine"}, nil},
		{"standalone", []string{"ONLY=broker,kafka"}, []string{"ONLY: must be one of broker,engine, but is \"kafka\""}},
		{"standalone", []string{"PARTITIONS=0", "KAFKA_RETENTION=1m", "FLEET_ALWAYS_200=maybe"}, []string{"PARTITIONS: ", "KAFKA_RETENTION: ", "FLEET_ALWAYS_200: want true or false"}},
		{"activityctl ids 1", []string{"ENV_FILE=/nonexistent"}, []string{"ENV_FILE: open /nonexistent"}},
	} {
		t.Run(tt.binary+" "+strings.Join(tt.env, " "), func(t *testing.T) {
			name, args, _ := strings.Cut(tt.binary, " ")
			out, code := run(t, tt.env, name, append(strings.Fields(args), "--check")...)
			if len(tt.want) == 0 {
				if code != 0 {
					t.Errorf("got exit %d and %s, want 0", code, out)
				}
				return
			}
			_, list, _ := strings.Cut(out, "wrong configuration:")
			lines := strings.FieldsFunc(list, func(r rune) bool { return r == '\n' })
			for i := range lines {
				lines[i] = strings.TrimSpace(lines[i])
			}
			if code != 78 || len(lines) != len(tt.want) || strings.Contains(out, "slog") || strings.Contains(out, "strconv") {
				t.Errorf("got exit %d and\n%s\nwant 78 and one line for each of %q", code, out, tt.want)
			}
			for _, want := range tt.want {
				if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
					t.Errorf("no line begins with %q:\n%s", want, out)
				}
			}
		})
	}
}

// A name in a file that no binary has is a fault of --check. A process that starts says so and goes on.
func TestUnknownNamesInEnvFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "services.env")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("\ufeff# for all services\nKAFKA_BROKERS=127.0.0.1:9092\r\nBATCH_ROWS=1000\nRATE_LIMIT=5\nexport QUERY_URL=http://127.0.0.1:1\nJWT_SECRET_FILE=/run/secrets/jwt\n")
	for _, name := range []string{"collector", "consumer"} {
		if out, code := run(t, nil, name, "--check", "--env-file", file); name == "consumer" && code != 0 || strings.Contains(out, "is not a setting") {
			t.Errorf("%s, settings of other services: got exit %d and %s, want none refused", name, code, out)
		}
	}
	write("KAFKA_BROKER=127.0.0.1:9092\nkafka_brokers=127.0.0.1:9092\nGOMEMLIMIT=1GiB\nKAFKA_TOPIC=a\nKAFKA_TOPIC=b\nno assignment\n=x\n")
	out, code := run(t, nil, "collector", "--check", "--env-file="+file)
	for _, want := range []string{
		"KAFKA_BROKER: is not a setting, but " + file + " sets it; did you mean KAFKA_BROKERS?", "kafka_brokers: is not a setting", "GOMEMLIMIT: is not a setting",
		"line 5: KAFKA_TOPIC is set in line 4, too", "line 6: want NAME=value", "line 7: want NAME=value",
	} {
		if code != 78 || !strings.Contains(out, want) {
			t.Errorf("got exit %d and %s, want 78 and %q", code, out, want)
		}
	}
	write("KAFKA_BROKER=127.0.0.1:9092\n")
	if out, code := run(t, nil, "activityctl", "--env-file", file, "ids", "7"); code != 0 || !strings.Contains(out, "did you mean KAFKA_BROKERS?") || !strings.Contains(out, "act-7") {
		t.Errorf("a command with the file: got exit %d and %s, want 0 and a warning", code, out)
	}
}
