package checks

import (
	"context"
	"io"
)

// What tests in package checks_test look at from within.
var (
	HostOf      = hostOf
	OutcomeOf   = outcomeOf
	ParseStatus = parseStatus
	ParseBody   = parseBody
	OneLine     = oneLine
	Short       = short
)

// Listen has c read a reply from r instead of a connection.
func Listen(ctx context.Context, c *TCP, r io.Reader) Result { return c.listen(ctx, begin(ctx), r) }

// Judge has h read a reply from r instead of a connection.
func Judge(ctx context.Context, h *HTTP, r io.Reader) Result { return h.judge(ctx, begin(ctx), r) }

// Request is what h sends, but for a default Host.
func Request(h *HTTP) string { return string(h.ready.start) + h.Host + string(h.ready.rest) }

// Has reports whether a set has a code.
func Has(s statusSet, code int) bool { return s.has(code) }

// BodyCheck says what is wrong with a body.
func BodyCheck(m bodyMatch, body []byte) string { return m.check(body) }
