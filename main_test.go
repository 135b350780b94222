package xoauth2_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if a goroutine is left when all tests are over.
func TestMain(m *testing.M) {
	code := m.Run()
	if flag.Lookup("test.fuzz").Value.String() != "" || flag.Lookup("test.fuzzworker").Value.String() == "true" {
		os.Exit(code) // the fuzzer has goroutines of its own
	}
	if left := leakedGoroutines(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of goroutines that are still there after
// a while, other than the test's own and those of idle HTTP connections, which
// net/http keeps for the process.
func leakedGoroutines() string {
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if left = foreignStacks(); len(left) == 0 {
			return ""
		}
	}
	return strings.Join(left, "\n\n")
}

func foreignStacks() []string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if !ownStack(stack) {
			left = append(left, stack)
		}
	}
	return left
}

func ownStack(stack string) bool {
	for _, known := range []string{
		"main_test.go", "testing.Main", "testing.(*M)", "testing.runFuzzing", "testing.(*F)", "os/signal.",
		"net/http.(*persistConn)", "net/http.(*http2", "net/http/internal/http2",
	} {
		if strings.Contains(stack, known) {
			return true
		}
	}
	return false
}
