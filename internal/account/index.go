package account

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// Index finds values by user name, whatever its case. Reading takes an atomic
// load and a map look-up. The zero Index is empty and ready for use.
type Index[T any] struct {
	settled atomic.Pointer[map[string]T] // never written to

	mu     sync.Mutex
	recent map[string]T // guarded by mu: all of settled and what came since; nil: nothing came
	values int          // guarded by mu: how many were set
	misses int          // guarded by mu: look-ups that settled could not answer
}

// Get returns the value of username.
func (x *Index[T]) Get(username string) (T, bool) {
	if settled := x.settled.Load(); settled != nil {
		if v, ok := (*settled)[username]; ok {
			return v, true
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.find(username)
}

// find looks under the name as it is written, then under its usual form, and
// notes the spelling, so that it is found at once from now on.
func (x *Index[T]) find(username string) (T, bool) {
	all := x.all()
	if v, ok := all[username]; ok {
		x.settle()
		return v, true
	}
	v, ok := all[fold(username)]
	if ok && len(all) < 4*x.values+64 { // strangers may have written the name
		x.writable()[username] = v
	}
	return v, ok
}

// Set makes v the value of username, unless there is one, and returns what is
// there now.
func (x *Index[T]) Set(username string, v T) T {
	x.mu.Lock()
	defer x.mu.Unlock()
	if there, ok := x.find(username); ok {
		return there
	}
	x.writable()[fold(username)] = v
	x.values++
	return v
}

// Delete removes username in all its spellings.
func (x *Index[T]) Delete(username string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.writable(), func(name string, _ T) bool { return fold(name) == fold(username) })
	x.publish()
}

func (x *Index[T]) all() map[string]T {
	if x.recent != nil {
		return x.recent
	}
	if settled := x.settled.Load(); settled != nil {
		return *settled
	}
	return nil
}

func (x *Index[T]) writable() map[string]T {
	if x.recent == nil {
		all := x.all()
		x.recent = make(map[string]T, len(all)+1)
		maps.Copy(x.recent, all)
	}
	return x.recent
}

// settle publishes what came recently once it was looked up as often as there
// are values: so publishing costs no more than the look-ups did.
func (x *Index[T]) settle() {
	x.misses++
	if x.recent != nil && x.misses >= len(x.recent) {
		x.publish()
	}
}

func (x *Index[T]) publish() {
	settled := x.recent
	x.recent, x.misses = nil, 0
	x.settled.Store(&settled)
}

// fold returns the form under which user names are equal. Those of Entra are
// ASCII or, in the domain, compared without regard to case.
func fold(username string) string { return strings.ToLower(username) }
