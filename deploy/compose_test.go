package deploy_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = ".."

// load reads docker-compose.yml as docker compose does, with every profile.
func load(t *testing.T) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithEnv([]string{"CLICKHOUSE_PASSWORD=secret", "READER_PASSWORD=other"}), cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeNeedsAPassword(t *testing.T) {
	opts, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithEnv(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opts.LoadProject(t.Context()); err == nil || !strings.Contains(err.Error(), "CLICKHOUSE_PASSWORD") {
		t.Fatalf("loading without CLICKHOUSE_PASSWORD: got %v, want an error that names it", err)
	}
}

// Without authentication only loopback may reach the system, and only through the proxy.
func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	published := map[string]string{}
	for name, s := range load(t).Services {
		if s.NetworkMode != "" {
			t.Errorf("%s: network_mode %q, want the networks of the file", name, s.NetworkMode)
		}
		for _, p := range s.Ports {
			published[name] = net.JoinHostPort(p.HostIP, p.Published)
		}
	}
	want := map[string]string{"proxy": "127.0.0.1:50809", "prometheus": "127.0.0.1:9090", "grafana": "127.0.0.1:3000"}
	if fmt.Sprint(published) != fmt.Sprint(want) {
		t.Errorf("published ports: got %v, want %v", published, want)
	}
}

func TestComposeMountsExist(t *testing.T) {
	project := load(t)
	used := map[string]bool{}
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			used[v.Source] = true
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if info, err := os.Stat(v.Source); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s mounts %s: %v, want a file", name, v.Source, err)
			}
			if !v.ReadOnly {
				t.Errorf("%s mounts %s: want :ro", name, v.Source)
			}
		}
		if s.ReadOnly && s.Image == project.Services["query"].Image && len(s.Volumes) > 0 {
			t.Errorf("%s has volumes, want a service without state", name)
		}
	}
	for name := range project.Volumes {
		if !used[name] {
			t.Errorf("volume %s is declared and not used", name)
		}
	}
}

// Every container has limits, and every long-running one has a health check.
func TestComposeLimitsAndHealth(t *testing.T) {
	for name, s := range load(t).Services {
		if s.MemLimit == 0 {
			t.Errorf("%s has no mem_limit", name)
		}
		if s.Restart == types.RestartPolicyNo || name == "prometheus" {
			continue
		}
		if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
	}
}

// A condition of depends_on must be one that the other service can meet.
func TestComposeDependencies(t *testing.T) {
	project := load(t)
	for name, s := range project.Services {
		for on, d := range s.DependsOn {
			other, ok := project.Services[on]
			switch {
			case !ok:
				t.Errorf("%s depends on %s, which there is not", name, on)
			case d.Condition == types.ServiceConditionHealthy && (other.HealthCheck == nil || other.HealthCheck.Disable):
				t.Errorf("%s waits for the health of %s, which has no check", name, on)
			case d.Condition == types.ServiceConditionCompletedSuccessfully && other.Restart != types.RestartPolicyNo:
				t.Errorf("%s waits for the end of %s, which is restarted", name, on)
			}
		}
	}
}

var hostPort = regexp.MustCompile(`\b([a-z]+):(\d{2,5})\b`)

// An address in a setting names a service of the file and a port on which it listens, and both services share a network.
func TestComposeAddresses(t *testing.T) {
	project := load(t)
	seen := 0
	for name, s := range project.Services {
		for key, value := range s.Environment {
			if value == nil || strings.HasPrefix(key, "KAFKA_") && name == "kafka" {
				continue
			}
			for _, m := range hostPort.FindAllStringSubmatch(*value, -1) {
				seen++
				host, port := m[1], m[2]
				other, ok := project.Services[host]
				if !ok {
					t.Errorf("%s: %s=%s: no service %s", name, key, *value, host)
					continue
				}
				if !slices.Contains(listens(other), port) {
					t.Errorf("%s: %s=%s: %s listens on %v", name, key, *value, host, listens(other))
				}
				if !sharesNetwork(s, other) {
					t.Errorf("%s: %s=%s: %s is on another network", name, key, *value, host)
				}
			}
		}
	}
	if seen < 6 {
		t.Errorf("found %d addresses, want at least the brokers, the databases and the proxy's two", seen)
	}
}

// listens returns the ports on which a service of the file listens, according to its settings.
func listens(s types.ServiceConfig) []string {
	var ports []string
	for _, key := range []string{"HTTP_ADDR", "KAFKA_ADVERTISED_LISTENERS"} {
		if v := s.Environment[key]; v != nil {
			ports = append(ports, (*v)[strings.LastIndex(*v, ":")+1:])
		}
	}
	for image, port := range map[string]string{"clickhouse/": "8123", "prom/": "9090"} { // the images' own
		if strings.HasPrefix(s.Image, image) {
			ports = append(ports, port)
		}
	}
	return ports
}

func sharesNetwork(a, b types.ServiceConfig) bool {
	for name := range a.Networks {
		if _, ok := b.Networks[name]; ok {
			return true
		}
	}
	return false
}

var (
	dockerFrom = regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)$`)
	dockerArg  = regexp.MustCompile(`(?m)^ARG (\w+)`)
	dockerCopy = regexp.MustCompile(`(?m)^COPY (?:--chmod=\d+ )?([a-z]\S*) `)
	dockerMain = regexp.MustCompile(`\./(cmd/\w+)`)
)

// The Dockerfile has the targets, arguments and commands that the compose file uses, and the files that it copies exist.
func TestComposeBuild(t *testing.T) {
	project := load(t)
	file, err := os.ReadFile(filepath.Join(root, "deploy", "docker", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	all := func(re *regexp.Regexp) (out []string) {
		for _, m := range re.FindAllStringSubmatch(string(file), -1) {
			out = append(out, m[1])
		}
		return out
	}
	stages, args, mains := all(dockerFrom), all(dockerArg), all(dockerMain)
	for _, path := range append(all(dockerCopy), mains...) {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("Dockerfile: %v", err)
		}
	}
	built := 0
	for name, s := range project.Services {
		if s.Build == nil {
			continue
		}
		built++
		if got := filepath.Join(s.Build.Context, s.Build.Dockerfile); got != must(filepath.Abs(filepath.Join(root, "deploy/docker/Dockerfile"))) {
			t.Errorf("%s: builds %s", name, got)
		}
		if !slices.Contains(stages, s.Build.Target) {
			t.Errorf("%s: target %q, the Dockerfile has %v", name, s.Build.Target, stages)
		}
		for arg := range s.Build.Args {
			if !slices.Contains(args, arg) {
				t.Errorf("%s: build argument %s, the Dockerfile has %v", name, arg, args)
			}
		}
		if !slices.Contains(mains, "cmd/"+s.Command[0]) {
			t.Errorf("%s: command %v, the image has %v", name, s.Command, mains)
		}
	}
	if built != 4 {
		t.Errorf("%d services are built from the sources, want migrate, collector, consumer, query", built)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
