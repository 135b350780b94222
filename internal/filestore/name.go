package filestore

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// File names. A key may be any string, so it is escaped, and into one case
// only: on a file system that ignores case two keys must not meet in one file.
// The prefix keeps names clear of dot files and of the device names of Windows.
// Keys whose escaped form would pass the usual limit of 255 bytes are hashed
// instead; such a key is read back from the record.
const (
	plainPrefix  = "key-"
	hashedPrefix = "hash-"
	suffix       = ".token"
	lockSuffix   = ".lock"
	tempSuffix   = ".tmp"
	maxEscaped   = 200
)

const hexDigits = "0123456789abcdef"

func fileName(key string) string {
	escaped := escape(key)
	if len(escaped) <= maxEscaped {
		return plainPrefix + escaped + suffix
	}
	sum := sha256.Sum256([]byte(key))
	return hashedPrefix + hex.EncodeToString(sum[:]) + suffix
}

// keyOf returns the key of a file name. For the name of a hashed key, hashed is
// true and the record has to be asked. Any other file is not ours: ok is false.
func keyOf(name string) (key string, hashed, ok bool) {
	base, isRecord := strings.CutSuffix(name, suffix)
	if !isRecord {
		return "", false, false
	}
	if sum, found := strings.CutPrefix(base, hashedPrefix); found {
		return "", true, len(sum) == 2*sha256.Size
	}
	escaped, found := strings.CutPrefix(base, plainPrefix)
	key = unescape(escaped)
	return key, false, found && fileName(key) == name
}

// escape keeps lower-case letters, digits and hyphens, and writes every other
// byte as an underscore and two hex digits.
func escape(key string) string {
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'_', hexDigits[c>>4], hexDigits[c&15]})
	}
	return b.String()
}

// unescape is the inverse of escape. What escape cannot have written gives some
// other key; the caller compares.
func unescape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '_' || i+2 >= len(name) {
			b.WriteByte(name[i])
			continue
		}
		hi, lo := strings.IndexByte(hexDigits, name[i+1]), strings.IndexByte(hexDigits, name[i+2])
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String()
}
