package xoauth2_test

import (
	"encoding/base64"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2"
)

// vector is one of testdata/vectors.txt, whose head describes the keys.
type vector map[string]string

// readVectors reads testdata/vectors.txt.
func readVectors(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	current := make(vector)
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("vectors.txt:%d: got %q, want a key and a value", i+1, line)
		}
		if strings.HasPrefix(value, `"`) {
			if value, err = strconv.Unquote(value); err != nil {
				t.Fatalf("vectors.txt:%d: %v", i+1, err)
			}
		}
		current[key] = value
		if key == "expect" {
			vectors = append(vectors, current)
			current = make(vector)
		}
	}
	if len(vectors) == 0 || len(current) > 0 {
		t.Fatalf("vectors.txt: got %d vectors and the rest %q, want some and no rest", len(vectors), current)
	}
	return vectors
}

func TestInitialResponseVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v["about"], func(t *testing.T) {
			t.Parallel()
			payload, err := xoauth2.InitialResponse(v["user"], v["token"])
			switch v["expect"] {
			case "ok":
				if got := base64.StdEncoding.EncodeToString(payload); err != nil || got != v["base64"] {
					t.Errorf("got %s, error %v, want %s", got, err, v["base64"])
				}
			case "error":
				if err == nil || payload != nil || !strings.Contains(err.Error(), v["says"]) {
					t.Fatalf("got %q, error %v, want an error with %q", payload, err, v["says"])
				}
				if strings.Contains(err.Error(), "canary") {
					t.Errorf("got error %q, want one without the token", err)
				}
			default:
				t.Errorf("got expectation %q, want ok or error", v["expect"])
			}
		})
	}
}
