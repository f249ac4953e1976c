package checks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// TCP connects, and where wanted sends something and looks at what comes. A connection alone is good.
type TCP struct {
	Send   string `toml:"send"`   // sent as it is, after connecting; needs expect
	Expect string `toml:"expect"` // the reply begins with this; or "contains:TEXT", "regex:RE2" within its first 64 KB

	ready *tcpReady
}

// tcpReady is what Validate made of a TCP. Of prefix, contains and regex at most one is set.
type tcpReady struct {
	prefix, contains []byte
	regex            *regexp.Regexp
}

// maxExpect bounds how much of a reply is searched.
const maxExpect = 64 << 10

// Validate checks the keys and compiles expect.
func (c *TCP) Validate() []FieldError {
	if c.Send != "" && c.Expect == "" {
		return []FieldError{{"send", errors.New("needs expect too: sending alone proves no more than connecting")}}
	}
	var r tcpReady
	kind, arg, ok := strings.Cut(c.Expect, ":")
	switch {
	case ok && (kind == "contains" || kind == "regex") && arg == "":
		return []FieldError{{"expect", fmt.Errorf("nothing follows %q", c.Expect)}}
	case ok && kind == "contains":
		r.contains = []byte(arg)
	case ok && kind == "regex":
		re, err := regexp.Compile(arg)
		if err != nil {
			return []FieldError{{"expect", fmt.Errorf("bad regular expression: %w", err)}}
		}
		r.regex = re
	case len(c.Expect) > maxExpect:
		return []FieldError{{"expect", errors.New("is longer than 64KB")}}
	case c.Expect != "":
		r.prefix = []byte(c.Expect)
	}
	c.ready = &r
	return nil
}

// Check makes one connection.
func (c *TCP) Check(ctx context.Context, t Target) Result {
	y := begin(ctx)
	if c.ready == nil {
		return y.end(NotAsked, unvalidated)
	}
	conn, release, failure := y.dial(ctx, t)
	if conn == nil {
		return failure
	}
	defer release()
	if c.Expect == "" {
		return y.good("connected")
	}
	if c.Send != "" {
		if _, err := io.WriteString(conn, c.Send); err != nil {
			return y.failed(ctx, err)
		}
		y.reached = append(y.reached, "sent")
	}
	return c.listen(ctx, y, conn)
}

// listen reads until the reply is as expected, or can no longer become so.
func (c *TCP) listen(ctx context.Context, y *try, conn io.Reader) Result {
	in := &reply{from: conn, try: y, left: maxExpect}
	buf := make([]byte, 0, 512)
	for looked, pieces := 0, 0; ; pieces++ {
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		// A reply in very many pieces is not searched anew for each of them: that would be quadratic.
		if err != nil || pieces < 256 || len(buf)-looked > len(buf)/16 {
			looked = len(buf)
			switch done, good := c.ready.decide(buf); {
			case good:
				return y.good("reply as expected")
			case done:
				return y.bad("reply begins %s, want %s", quote(buf), quote([]byte(c.Expect)))
			}
		}
		if err != nil {
			return c.ended(ctx, y, buf, err)
		}
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
	}
}

// ended gives the result of a reply that ended before it was as expected.
func (c *TCP) ended(ctx context.Context, y *try, buf []byte, err error) Result {
	switch {
	case errors.Is(err, errTooLong):
		y.result.Truncated = true
		return y.bad("no %s in the first %d bytes", quote([]byte(c.Expect)), y.received)
	case errors.Is(err, io.EOF) && y.received == 0:
		return y.bad("connection closed without a reply (%s)", y.progress())
	case errors.Is(err, io.EOF):
		return y.bad("connection closed, reply was %s, want %s", quote(buf), quote([]byte(c.Expect)))
	}
	return y.failed(ctx, err)
}

// decide reports whether what came is enough to decide, and whether it is good.
func (r *tcpReady) decide(b []byte) (done, good bool) {
	switch {
	case r.contains != nil:
		good = bytes.Contains(b, r.contains)
	case r.regex != nil:
		good = r.regex.Match(b)
	default:
		n := min(len(b), len(r.prefix))
		same := bytes.Equal(b[:n], r.prefix[:n])
		return !same || n == len(r.prefix), same && n == len(r.prefix)
	}
	return good, good
}
