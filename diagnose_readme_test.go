package xoauth2_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/diagnosis"
)

var updateReadme = flag.Bool("update-readme", false, "write the table of failures into README.md")

// TestReadme fails if the README's table of failures is not the one of the
// code; -update-readme makes it so.
func TestReadme(t *testing.T) {
	const begin, end = "<!-- diagnosis:begin -->\n", "<!-- diagnosis:end -->"
	text, err := os.ReadFile("README.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no README.md")
	}
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	got, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("README.md has no place for the table: want the lines %q and %q", strings.TrimSpace(begin), end)
	}
	want := diagnosis.Markdown()
	if got == want {
		return
	}
	if !*updateReadme {
		t.Fatal("README.md has another table of failures than the code: run go test -run TestReadme -update-readme .")
	}
	if err := os.WriteFile("README.md", []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
