package script_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/xoauth2/go-xoauth2/exchangetest/internal/script"
)

func TestDueFollowsTheTurns(t *testing.T) {
	t.Parallel()
	var s script.Script[string]
	always, twice, never := script.NewTurn(), script.NewTurn(), script.NewTurn()
	twice.Limit(2)
	never.Limit(0)
	s.Add(twice, "twice")
	s.Add(never, "never")
	s.Add(always, "always")
	for i, want := range [][]string{{"twice", "always"}, {"twice", "always"}, {"always"}, {"always"}} {
		if got := slices.Collect(s.Due()); !slices.Equal(got, want) {
			t.Errorf("time %d: got %q, want %q", i, got, want)
		}
	}
	if got, want := []int{always.Taken(), twice.Taken(), never.Taken()}, []int{4, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v turns, want %v", got, want)
	}
	always.Limit(0)
	if s.Happens() {
		t.Error("something happens after its end")
	}
}

func TestNextTakesOneTurn(t *testing.T) {
	t.Parallel()
	var s script.Script[int]
	if _, ok := s.Next(); ok {
		t.Error("an empty script has a next action")
	}
	first, second := script.NewTurn(), script.NewTurn()
	first.Limit(1)
	s.Add(first, 1)
	s.Add(second, 2)
	for _, want := range []int{1, 2, 2} {
		if got, ok := s.Next(); !ok || got != want {
			t.Errorf("got %d, %v, want %d", got, ok, want)
		}
	}
	if got, want := second.Taken(), 2; got != want {
		t.Errorf("got %d turns, want %d", got, want)
	}
}

func TestTurnsAreShared(t *testing.T) {
	t.Parallel()
	var one, two script.Script[bool]
	turn := script.NewTurn()
	turn.Limit(100)
	one.Add(turn, true)
	two.Add(turn, true)
	var happened atomic.Int64
	var callers sync.WaitGroup
	for i := range 200 {
		callers.Go(func() {
			if s := []*script.Script[bool]{&one, &two}[i%2]; s.Happens() {
				happened.Add(1)
			}
		})
	}
	callers.Wait()
	if got, want := happened.Load(), int64(100); got != want {
		t.Errorf("it happened %d times, want %d", got, want)
	}
}
