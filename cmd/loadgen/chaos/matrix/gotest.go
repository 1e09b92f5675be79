package matrix

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// checkedBy returns a row that tests of a package check, because the fault cannot be injected from outside a process. It needs the go command
// and must run in the folder of the module.
func checkedBy(pkg string, tests ...string) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-timeout=20m", "-run", "^("+strings.Join(tests, "|")+")$", pkg)
		out, err := cmd.CombinedOutput()
		passed := 0
		for _, name := range tests {
			if bytes.Contains(out, []byte("\n--- PASS: "+name+" ")) {
				passed++
			}
		}
		t.figure("go test "+pkg, "%d of %d tests passed: %s", passed, len(tests), strings.Join(tests, ", "))
		if err != nil || passed < len(tests) {
			t.Say("%s", tail(out, 4000))
			t.fail("go test %s -run '%s': %d of %d passed, %v", pkg, strings.Join(tests, "|"), passed, len(tests), err)
		}
		return nil
	}
}

func tail(b []byte, n int) string {
	if len(b) > n {
		return fmt.Sprintf("…%s", b[len(b)-n:])
	}
	return string(b)
}
