package checks_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/checks"
)

// Whatever a server sends is one of good and bad answer, bounded, and what curl would say of the status.
func FuzzHTTPReply(f *testing.F) {
	for _, seed := range []string{
		ok, "", "HTTP/1.1 503 Busy\r\n\r\n", "HTTP/1.1 103 Early\r\n\r\n" + ok,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.0 200\r\n\r\n{\"status\":\"ok\"}", "HTTP/2.0 200 OK\r\n\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01\x02\x00",
	} {
		for kind := range matches {
			f.Add([]byte(seed), byte(kind))
		}
	}
	var pages []*checks.HTTP
	for _, m := range matches {
		pages = append(pages, page(f, func(h *checks.HTTP) { h.Body, h.MaxBody = m, "1KB" }))
	}
	f.Fuzz(func(t *testing.T, reply []byte, kind byte) {
		r := checks.Judge(t.Context(), pages[int(kind)%len(pages)], bytes.NewReader(reply))
		wantSane(t, r)
		if !bytes.HasPrefix(reply, r.Head) {
			t.Errorf("head %q", r.Head)
		}
		switch r.Outcome {
		case checks.Good:
			if !bytes.HasPrefix(reply, []byte("HTTP/")) || !strings.HasPrefix(r.Reason, "status ") {
				t.Errorf("%q is good: %s", reply, r.Reason)
			}
		case checks.BadAnswer:
		default:
			t.Errorf("%v: %s", r.Outcome, r.Reason)
		}
	})
}

var matches = []string{"", "contains:ok", "regex:^o.$", "sha256:" + strings.Repeat("ab", 32), "json:.status=ok"}

func FuzzExpect(f *testing.F) {
	f.Add("220 ", []byte("220 smtp"))
	f.Add("regex:^2", []byte("220 smtp"))
	f.Add("contains:smtp", []byte("220 smtp"))
	f.Fuzz(func(t *testing.T, expect string, reply []byte) {
		c := &checks.TCP{Expect: expect}
		if len(expect) > 1000 || expect == "" || c.Validate() != nil {
			return
		}
		whole := checks.Listen(t.Context(), c, bytes.NewReader(reply))
		wantSane(t, whole)
		if whole.Outcome != checks.Good && whole.Outcome != checks.BadAnswer {
			t.Errorf("%v: %s", whole.Outcome, whole.Reason)
		}
		// The pieces that a reply comes in do not matter, but to expressions that ask for its end.
		pieces := checks.Listen(t.Context(), c, &bytewise{string(reply)})
		if !strings.HasPrefix(expect, "regex:") && len(reply) < 60<<10 && pieces.Outcome != whole.Outcome {
			t.Errorf("whole %v, in pieces %v", whole, pieces)
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	for _, s := range []string{"200-399", "200,204, 300-399", "", "-", "600", "2xx"} {
		f.Add(s, 204)
	}
	f.Fuzz(func(t *testing.T, s string, code int) {
		set, err := checks.ParseStatus(s)
		if err == nil && len(set) == 0 {
			t.Errorf("%q is an empty set", s)
		}
		if checks.Has(set, code) && (code < 100 || code > 599) {
			t.Errorf("%q has %d", s, code)
		}
	})
}

func FuzzParseBody(f *testing.F) {
	for _, m := range matches {
		f.Add(m, []byte(`{"status":"ok"}`))
	}
	f.Add("json:.a[0].b=1", []byte(`{"a":[{"b":1}]}`))
	f.Fuzz(func(t *testing.T, s string, body []byte) {
		m, err := checks.ParseBody(s)
		if err != nil {
			return
		}
		_ = checks.BodyCheck(m, body)
	})
}

func FuzzParseUnits(f *testing.F) {
	for _, s := range []string{"300ms", "1d12h", "106752d", "-1s", "64KB", "9223372036854775807GB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := checks.ParseDuration(s); err == nil && d < 0 {
			t.Errorf("duration %q is %v", s, d)
		}
		if n, err := checks.ParseSize(s); err == nil && n < 0 {
			t.Errorf("size %q is %d", s, n)
		}
	})
}

func FuzzOneLine(f *testing.F) {
	f.Add("\x1b[2J\xff ü\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		line := checks.OneLine(s)
		if line != "" {
			wantSane(t, checks.Result{Reason: line})
		}
		if checks.OneLine(line) != line {
			t.Errorf("%q becomes %q", line, checks.OneLine(line))
		}
	})
}

// Validate never panics, and what it accepts sends exactly one request.
func FuzzRequest(f *testing.F) {
	f.Add("a.example", "/x", "GET", "X-Probe", "lvsd")
	f.Add("[2001:db8::1]:80", "/", "POST", "User-Agent", "x")
	f.Add("a\r\nb: c", "/ HTTP/1.1\r\n\r\nGET /", "G\r\n", "A: b\r\nC", "d\r\n\r\n")
	f.Fuzz(func(t *testing.T, host, path, method, name, value string) {
		c, _ := checks.New("http")
		h := c.(*checks.HTTP)
		h.Host, h.Path, h.Method, h.Headers = host, path, method, map[string]string{name: value}
		if h.Validate() != nil {
			return
		}
		req := checks.Request(h)
		if n := strings.Count(req, "\r\n\r\n"); n != 1 || !strings.HasSuffix(req, "\r\n\r\n") {
			t.Errorf("%q", req)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(req, "\r\n\r\n"), "\r\n") {
			if line == "" || strings.ContainsAny(line, "\r\n\x00") {
				t.Errorf("line %q of %q", line, req)
			}
		}
	})
}
