package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/director"
)

// readGlobals reads what there is one of.
func readGlobals(root *value) *Config {
	c := &Config{
		Name:   root.text("name", ""),
		State:  root.filename("state", "/var/lib/lvsd"),
		Resync: root.duration("resync", 2*time.Second, 100*time.Millisecond, time.Hour),
	}
	c.Runtime = root.filename("runtime", "/run/lvsd-vrrp")
	if at := root.get("runtime"); at != nil && at.doc.order > 0 {
		at.fail("belongs into the main file: the commands about VRRP look for it there alone")
	}
	if len(c.Runtime) > 90 { // its socket's path may have 107 bytes: struct sockaddr_un of unix(7)
		root.failKey("runtime", "is longer than 90 bytes: there is a socket in it")
	}
	if err := checkName(c.Name); root.table["name"] != nil && !root.table["name"].blamed() && err != nil {
		root.failKey("name", "%v", err)
	}
	c.Audit = readAudit(root.section("audit"))
	c.Control = readControl(root.section("control"))
	c.Timeouts = readTimeouts(root.section("ipvs"))
	c.Director.Name = c.Name
	c.Director.Suspect = readSuspect(root.section("suspect"))
	if later := root.get("http"); later != nil {
		later.fail("is not supported by this version")
	}
	return c
}

func readAudit(at *value) audit.Config {
	defer at.done()
	return audit.Config{
		File:     at.filename("file", "/var/log/lvsd/audit.log"),
		MaxSize:  at.size("max_size", 50<<20),
		MaxFiles: at.whole("max_files", 10, 0, 10000),
		MaxAge:   at.duration("max_age", 30*24*time.Hour, 0, 100*never),
		Compress: at.flag("compress", true),
	}
}

func readControl(at *value) Control {
	defer at.done()
	c := Control{
		Socket: at.filename("socket", "/run/lvsd/lvsd.sock"),
		Read:   at.people("read"),
		Admin:  at.people("admin"),
	}
	if len(c.Socket) > 107 { // struct sockaddr_un of unix(7), with its final zero
		at.failKey("socket", "is longer than the 107 bytes that a unix socket's path may have")
	}
	return c
}

var person = regexp.MustCompile(`^@?[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$`)

// people reads a list of users and "@group"s.
func (v *value) people(key string) []string {
	for _, e := range v.elements(key) {
		s, ok := e.data.(string)
		switch {
		case !ok:
		case !person.MatchString(s):
			e.fail("%q is neither a user nor a group as \"@group\"", clip(s))
		case isUnknown(s):
			e.warn("%q is not in %s: it lets nobody in until it is", clip(s), fileOf(s))
		}
	}
	return v.texts(key)
}

// isUnknown reports whether a user or "@group" is a name that this host does not have. A number needs no name.
func isUnknown(s string) bool {
	name, group := strings.CutPrefix(s, "@")
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		return false
	}
	if group {
		_, err := user.LookupGroup(name)
		_, unknown := errors.AsType[user.UnknownGroupError](err)
		return unknown
	}
	_, err := user.Lookup(name)
	_, unknown := errors.AsType[user.UnknownUserError](err)
	return unknown
}

// fileOf is where lvsd looks for a user or "@group".
func fileOf(s string) string {
	if strings.HasPrefix(s, "@") {
		return "/etc/group"
	}
	return "/etc/passwd"
}

// readTimeouts reads the kernel's timeouts. ip_vs_set_timeout of net/netfilter/ipvs/ip_vs_ctl.c refuses what is above
// INT_MAX / HZ, which is 24 days at 1000 Hz.
func readTimeouts(ipvs *value) Timeouts {
	defer ipvs.done()
	at := ipvs.section("timeouts")
	defer at.done()
	const most = 24 * 24 * time.Hour
	return Timeouts{
		TCP:    at.seconds("tcp", 0, time.Second, most),
		TCPFin: at.seconds("tcp_fin", 0, time.Second, most),
		UDP:    at.seconds("udp", 0, time.Second, most),
	}
}

func readSuspect(at *value) director.Suspect {
	defer at.done()
	s := director.Suspect{
		Share: 50,
		Hold:  at.duration("hold", time.Minute, time.Second, 24*time.Hour),
	}
	if share := at.get("share"); share != nil && share.data == "off" {
		s.Share = 0
	} else {
		s.Share = at.share("share", s.Share)
		if s.Share == 0 || s.Share == 100 {
			at.failKey("share", `must be from "1%%" to "99%%", or "off"`)
		}
	}
	s.Probe = at.addresses("probe")
	return s
}

// addresses reads a list of IP addresses.
func (v *value) addresses(key string) []netip.Addr {
	var all []netip.Addr
	for _, e := range v.elements(key) {
		s, ok := e.asText()
		if !ok {
			continue
		}
		addr, err := parseAddr(s)
		if err != nil {
			e.fail("%v", err)
			continue
		}
		all = append(all, addr)
	}
	return all
}

// filename reads an absolute path.
func (v *value) filename(key, otherwise string) string {
	s := v.text(key, otherwise)
	if !filepath.IsAbs(s) || strings.ContainsRune(s, 0) {
		v.failKey(key, "%q is not an absolute path", clip(s))
	}
	return filepath.Clean(s)
}

// checkName says what is wrong with a name that an operator gave. It may stand in messages, in commands and in lists.
func checkName(s string) error {
	if s == "" {
		return fmt.Errorf("is an empty name")
	}
	if len(s) > 64 {
		return fmt.Errorf("%q is longer than 64 bytes", clip(s))
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r) {
			return fmt.Errorf("%q: a name is made of letters, digits, and - _ . only", clip(s))
		}
	}
	return nil
}
