// Package script keeps what is to go wrong, and for how long.
package script

import (
	"iter"
	"slices"
	"sync"
)

// Turn says how often something still happens, and counts how often it did.
// Several actions may share one. It is safe for concurrent use.
type Turn struct {
	mu    sync.Mutex
	left  int // negative: without end
	taken int
}

// NewTurn returns a Turn without end.
func NewTurn() *Turn { return &Turn{left: -1} }

// Limit leaves n turns.
func (t *Turn) Limit(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = max(n, 0)
}

// Taken returns how often a turn was taken.
func (t *Turn) Taken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken
}

func (t *Turn) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == 0 {
		return false
	}
	t.left = max(t.left-1, -1)
	t.taken++
	return true
}

func (t *Turn) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left == 0
}

// Script is what is to happen at one point of a dialogue. Its zero value is
// empty. It is safe for concurrent use.
type Script[T any] struct {
	mu      sync.Mutex
	entries []entry[T]
}

type entry[T any] struct {
	turn   *Turn
	action T
}

// Add puts action at the end, to happen as long as turn lasts.
func (s *Script[T]) Add(turn *Turn, action T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, entry[T]{turn, action})
}

// Due yields the actions that are due, and takes the turn of each that it
// yields.
func (s *Script[T]) Due() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, e := range s.current() {
			if e.turn.take() && !yield(e.action) {
				return
			}
		}
	}
}

// Next takes the turn of the first action that is due, and returns it.
func (s *Script[T]) Next() (action T, ok bool) {
	s.Due()(func(due T) bool {
		action, ok = due, true
		return false
	})
	return action, ok
}

// Happens reports whether there is an action that is due, and takes its turn.
func (s *Script[T]) Happens() bool {
	_, ok := s.Next()
	return ok
}

// current returns the entries that are not over, and forgets the others.
func (s *Script[T]) current() []entry[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) == 0 {
		return nil
	}
	s.entries = slices.DeleteFunc(s.entries, func(e entry[T]) bool { return e.turn.over() })
	return slices.Clone(s.entries)
}
