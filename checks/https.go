package checks

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// HTTPS is HTTP inside TLS: the keys of both, and of what they say, all must hold.
type HTTPS struct {
	HTTP
	TLS
}

// Validate checks the keys of both, reads the files and builds the request.
func (h *HTTPS) Validate() []FieldError {
	errs := append(h.HTTP.Validate(), h.TLS.Validate()...)
	if i := slices.IndexFunc(h.ALPN, func(p string) bool { return p != "http/1.1" }); i >= 0 {
		h.TLS.ready = nil
		errs = append(errs, FieldError{"alpn", fmt.Errorf(`%q is not what this check speaks: "http/1.1"`, clip(h.ALPN[i], 40))})
	}
	return errs
}

// Check asks once.
func (h *HTTPS) Check(ctx context.Context, t Target) Result {
	y := begin(ctx)
	if h.HTTP.ready == nil || h.TLS.ready == nil {
		return y.end(NotAsked, unvalidated)
	}
	conn, release, failure := y.dial(ctx, t)
	if conn == nil {
		return failure
	}
	defer release()
	secure, err := h.handshake(y, conn, h.name(t.Addr.Addr()), "http/1.1")
	if err != nil {
		return y.failed(ctx, err)
	}
	r := h.ask(ctx, y, secure, t.Addr, 443)
	if r.Outcome == Good {
		r.Reason = oneLine(r.Reason + h.warning(r.NotAfter))
	}
	return r
}

// name is whom the certificate must be for: server_name, else the host, else the address.
func (h *HTTPS) name(a netip.Addr) string {
	if h.ServerName != "" {
		return h.ServerName
	}
	if h.Host != "" {
		return withoutPort(h.Host)
	}
	return a.WithZone("").String()
}
