package entra

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// object reads the members of a JSON object that a stranger wrote. It keeps the
// first error, so that a caller looks once, after reading all it wants. Errors
// name the member and never hold its value.
type object struct {
	members map[string]json.RawMessage
	err     error
}

// parseObject returns nil unless data is one JSON object and nothing else.
func parseObject(data []byte) *object {
	o := &object{}
	if json.Unmarshal(data, &o.members) != nil || o.members == nil {
		return nil
	}
	return o
}

// has reports whether name is there with a value; null and the empty string
// are none.
func (o *object) has(name string) bool {
	raw := string(o.members[name])
	return raw != "" && raw != "null" && raw != `""`
}

func (o *object) fail(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}

// text returns the string called name, empty if there is none.
func (o *object) text(name string) string {
	var s string
	if o.has(name) && json.Unmarshal(o.members[name], &s) != nil {
		o.fail("%q is not a string", name)
	}
	return s
}

// required returns the string called name, which must be there.
func (o *object) required(name string) string {
	if !o.has(name) {
		o.fail("%q is missing", name)
	}
	return o.text(name)
}

// texts returns the string or the strings called name, of which there must be
// at least one.
func (o *object) texts(name string) []string {
	var one string
	if json.Unmarshal(o.members[name], &one) == nil && one != "" {
		return []string{one}
	}
	var list []string
	if o.has(name) && json.Unmarshal(o.members[name], &list) != nil {
		o.fail("%q is neither a string nor an array of strings", name)
	}
	if len(list) == 0 {
		o.fail("%q is missing", name)
	}
	return list
}

// number returns the number called name; one too large for a float64 is infinite.
func (o *object) number(name string) float64 {
	x, ok := parseNumber(o.members[name])
	if !ok {
		o.fail("%q is not a number", name)
	}
	return x
}

// seconds returns the duration called name, cut to limit. Some endpoints send
// the number as a string.
func (o *object) seconds(name string, limit time.Duration) time.Duration {
	raw := o.members[name]
	var quoted string
	if json.Unmarshal(raw, &quoted) == nil {
		raw = []byte(strings.TrimSpace(quoted))
	}
	x, ok := parseNumber(raw)
	switch {
	case !ok:
		o.fail("%q is not a number", name)
	case x < 0:
		o.fail("%q is negative", name)
	case x < limit.Seconds():
		return time.Duration(x * float64(time.Second))
	}
	return limit
}

// parseNumber takes a number as JSON spells it, which keeps out what else
// ParseFloat knows: NaN, Inf, 0x1p4.
func parseNumber(raw []byte) (float64, bool) {
	var n json.Number
	if bytes.HasPrefix(raw, []byte(`"`)) || json.Unmarshal(raw, &n) != nil {
		return 0, false
	}
	x, err := strconv.ParseFloat(n.String(), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return x, !math.IsNaN(x)
}
