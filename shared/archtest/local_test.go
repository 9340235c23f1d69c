package archtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestVariablesOfMake: PORT and LIMIT are decimal, or refused before anything starts.
func TestVariablesOfMake(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("the local start-up needs Python: %v", err)
	}
	for _, odd := range oddNumbers {
		for want, args := range map[string][]string{
			"error: PORT is a number":  {python, "infra/local/emulator.py", "stop", "--port=" + odd},
			"error: LIMIT is a number": {"bash", "infra/local/run.sh", "1", odd},
		} {
			command := exec.CommandContext(t.Context(), args[0], args[1:]...)
			command.Dir = root
			// whoever gets as far as to start the emulator fails there
			command.Env = append(os.Environ(), "PYTHON=false")
			if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
				t.Errorf("%q: %v, %s", odd, err, out)
			}
		}
	}
}
