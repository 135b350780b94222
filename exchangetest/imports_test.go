package exchangetest_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestLibraryDoesNotImportIt makes sure that no program gets a test double.
func TestLibraryDoesNotImportIt(t *testing.T) {
	t.Parallel()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not in PATH")
	}
	const module = "github.com/xoauth2/go-xoauth2"
	output, err := exec.CommandContext(t.Context(), goTool, "list", "-deps", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(output))
	if !slices.Contains(packages, module) {
		t.Fatalf("go list names %d packages, and not %s", len(packages), module)
	}
	for _, name := range packages {
		if strings.HasPrefix(name, module+"/exchangetest") {
			t.Errorf("%s is among the packages of every program", name)
		}
	}
}
