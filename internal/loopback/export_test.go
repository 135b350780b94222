package loopback

// NewListener lets tests put in sockets of their own: fake time and fuzzing
// need connections without a network.
var NewListener = newListener
