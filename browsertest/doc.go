// Package browsertest has the tests that click through the sign-in in a real
// browser. It is a module of its own so that what drives the browser never
// reaches the users of the library.
package browsertest
