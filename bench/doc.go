// Package bench measures this library beside a floor, the least code that does
// the same, and beside its peers. README.md says how, and what came out. It is a
// module of its own, so that the peers never reach users.
//
// The tests assert what needs no clock: requests, connections, allocations, and
// round trips in the time of testing/synctest.
package bench
