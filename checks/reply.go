package checks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	maxHeader  = 64 << 10 // of a reply, its 1xx ones included
	maxInterim = 8        // 1xx replies before the final one
)

// errTooLong ends the reading of a reply that is longer than it may be.
var errTooLong = errors.New("reply is too long")

// reply reads what a server sends, up to a bound, and notes what comes in the try.
type reply struct {
	from io.Reader
	try  *try
	left int64
	err  error // what ended it, other than the bound; io.EOF too
}

func (r *reply) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errTooLong
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	r.try.got(p[:n])
	r.left -= int64(n)
	if err != nil {
		r.err = err
	}
	return n, err
}

// judge reads the reply to the request and says what it is worth. The body is read only where it is asked for, and never
// closed: net/http's Close would read it to its end, and the connection ends with the try anyway.
func (h *HTTP) judge(ctx context.Context, y *try, conn io.Reader) Result {
	in := &reply{from: conn, try: y, left: maxHeader}
	br := bufio.NewReaderSize(in, 2048)
	resp, err := readHeader(br, h.Method) //nolint:bodyclose // see above
	if err != nil {
		return y.broken(ctx, in, err)
	}
	status := fmt.Sprintf("status %d", resp.StatusCode)
	if !h.ready.status.has(resp.StatusCode) {
		return y.bad("%s, want %s", status, h.Status)
	}
	if !h.ready.body.asks() {
		return y.good(status)
	}
	y.reached = append(y.reached, status)
	// Chunked framing is counted too: a chunk may carry as little as one byte of body in five of framing.
	in.left = 8*h.ready.maxBody + maxHeader
	body, err := io.ReadAll(io.LimitReader(resp.Body, h.ready.maxBody+1))
	if err != nil {
		return y.broken(ctx, in, err)
	}
	if int64(len(body)) > h.ready.maxBody {
		y.result.Truncated = true
		if h.ready.body.whole() {
			return y.bad("%s, but the body is longer than max_body (%s)", status, h.MaxBody)
		}
		body = body[:h.ready.maxBody]
	}
	if wrong := h.ready.body.check(body); wrong != "" {
		return y.bad("%s, but %s", status, wrong)
	}
	return y.good(status + ", body as wanted")
}

// readHeader reads up to the final reply's header.
func readHeader(br *bufio.Reader, method string) (*http.Response, error) {
	asked := &http.Request{Method: method}
	for range maxInterim {
		resp, err := http.ReadResponse(br, asked)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, errors.New("too many interim replies")
}

// broken gives the result of a reply that could not be read to its end.
func (y *try) broken(ctx context.Context, in *reply, err error) Result {
	switch {
	case in.err != nil && !errors.Is(in.err, io.EOF):
		return y.failed(ctx, in.err)
	case errors.Is(err, errTooLong) || in.left <= 0:
		y.result.Truncated = true
		return y.bad("reply is too long: no end of header or chunks in %d bytes", y.received)
	case in.err != nil && y.received == 0:
		return y.bad("connection closed without a reply (%s)", y.progress())
	case in.err != nil: // the parser wanted more, and nothing more came
		return y.bad("reply cut short by the server (%s)", y.progress())
	}
	return y.bad("not a proper HTTP reply: %v: %s", err, quote(y.result.Head))
}
