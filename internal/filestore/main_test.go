package filestore_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/xoauth2/go-xoauth2/internal/filestore"
)

// The test binary plays the other processes too: childMode says which, childDir where.
const (
	childMode = "FILESTORE_TEST_CHILD"
	childDir  = "FILESTORE_TEST_DIR"

	sharedKey  = "shared"
	increments = 25
	fillSize   = 4096
)

func TestMain(m *testing.M) {
	s := filestore.New(os.Getenv(childDir))
	var err error
	switch mode := os.Getenv(childMode); mode {
	case "":
		os.Exit(m.Run())
	case "increment":
		err = increment(s, increments)
	case "rewrite":
		err = rewrite(s)
	default:
		err = fmt.Errorf("no mode %q", mode)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child prepares another process that works on dir.
func child(mode, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"="+mode, childDir+"="+dir)
	return cmd
}

// increment adds n to the number that the shared record holds, one by one.
func increment(s *filestore.Store, n int) error {
	for range n {
		err := s.Update(context.Background(), sharedKey, func(old []byte) ([]byte, error) {
			if old == nil {
				return []byte("1"), nil
			}
			count, err := strconv.Atoi(string(old))
			return []byte(strconv.Itoa(count + 1)), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rewrite replaces the shared record until it is killed, every time by another
// run of one letter. It says when it has begun.
func rewrite(s *filestore.Store) error {
	for i := 0; ; i++ {
		err := s.Update(context.Background(), sharedKey, func([]byte) ([]byte, error) { return filled(i), nil })
		if err != nil {
			return err
		}
		if i == 0 {
			fmt.Println("begun")
		}
	}
}

func filled(i int) []byte {
	b := make([]byte, fillSize)
	for j := range b {
		b[j] = 'a' + byte(i%26)
	}
	return b
}
