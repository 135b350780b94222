package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// A record file is
//
//	"XOAUTH2" version(1) keyLength(4) valueLength(4) key value SHA-256(everything before)
//
// with big-endian lengths. The lengths and the checksum tell a truncated or
// damaged file from a whole one without any knowledge of the value; the key
// tells a file that was copied over another account's.
const (
	magic      = "XOAUTH2"
	version    = 1
	headerSize = len(magic) + 1 + 4 + 4

	// maxRecord bounds what a damaged or planted file can make a program read.
	// Real records hold a few kilobytes.
	maxRecord = 16 << 20
)

// ErrCorrupt and ErrVersion are what [Decode] finds wrong with a record:
// damage, or a format of a later version.
var (
	ErrCorrupt = errors.New("corrupt")
	ErrVersion = errors.New("unknown format version")
)

// Encode returns the record file that holds value under key.
func Encode(key string, value []byte) []byte {
	b := make([]byte, 0, headerSize+len(key)+len(value)+sha256.Size)
	b = append(b, magic...)
	b = append(b, version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(key)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	b = append(b, key...)
	b = append(b, value...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// Decode is the inverse of [Encode]; the value aliases file and is never nil.
// Its errors are [ErrCorrupt] and [ErrVersion].
func Decode(file []byte) (key string, value []byte, err error) {
	if len(file) <= len(magic) || string(file[:len(magic)]) != magic {
		return "", nil, fmt.Errorf("%w: it does not begin like a record", ErrCorrupt)
	}
	switch v := file[len(magic)]; {
	case v == 0:
		return "", nil, fmt.Errorf("%w: no format version", ErrCorrupt)
	case v > version:
		return "", nil, fmt.Errorf("%w %d, this program knows %d", ErrVersion, v, version)
	}
	if len(file) < headerSize+sha256.Size {
		return "", nil, fmt.Errorf("%w: truncated to %d bytes", ErrCorrupt, len(file))
	}
	keySize := int64(binary.BigEndian.Uint32(file[len(magic)+1:]))
	valueSize := int64(binary.BigEndian.Uint32(file[len(magic)+5:]))
	if want := int64(headerSize) + keySize + valueSize + sha256.Size; int64(len(file)) != want {
		return "", nil, fmt.Errorf("%w: %d bytes instead of %d", ErrCorrupt, len(file), want)
	}
	body, sum := file[:len(file)-sha256.Size], file[len(file)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return "", nil, fmt.Errorf("%w: checksum mismatch", ErrCorrupt)
	}
	rest := body[headerSize:]
	return string(rest[:keySize]), rest[keySize:], nil
}
