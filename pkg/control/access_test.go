package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// askAs makes one request as another user. The kernel keeps credentials per thread (credentials(7)), so a thread that is
// given up afterwards asks; a root test is needed for that.
func askAs(socket string, uid, gid int, groups []int, method, path string) (int, string, error) {
	type answer struct {
		code int
		body string
		err  error
	}
	done := make(chan answer)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var a answer
		defer func() { done <- a }()
		if a.err = become(uid, gid, groups); a.err != nil {
			return
		}
		var c net.Conn
		if c, a.err = net.Dial("unix", socket); a.err != nil {
			return
		}
		defer c.Close()
		if _, a.err = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: lvsd\r\n\r\n", method, path); a.err != nil {
			return
		}
		var resp *http.Response
		if resp, a.err = http.ReadResponse(bufio.NewReader(c), nil); a.err != nil {
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		a.code, a.body, a.err = resp.StatusCode, string(body), err
	}()
	a := <-done
	return a.code, a.body, a.err
}

// become changes the credentials of this thread alone; the package syscall would change those of the whole process.
func become(uid, gid int, groups []int) error {
	list := make([]uint32, len(groups)+1)
	for i, g := range groups {
		list[i] = uint32(g)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])), 0); errno != 0 {
		return fmt.Errorf("set groups: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); errno != 0 {
		return fmt.Errorf("set gid: %w", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
		return fmt.Errorf("set uid: %w", errno)
	}
	return nil
}

func TestWhoMayDoWhat(t *testing.T) {
	const (
		stranger = 47110
		reader   = 47111
		admin    = 47112
		group    = 47120
	)
	many := make([]int, 3000) // more groups than fit the first look
	for i := range many {
		many[i] = 50000 + i
	}
	access := Access{
		Read:  []string{"47111", "@47120", "@no-such-group", "no-such-user", "mail"},
		Admin: []string{"47112", "@47130", "@daemon"},
	}
	socket := serve(t, plain(), access)
	tests := []struct {
		who         string
		uid, gid    int
		groups      []int
		read, admin bool
	}{
		{who: "root", uid: 0, gid: 0, read: true, admin: true},
		{who: "a stranger", uid: stranger, gid: stranger},
		{who: "a stranger in many groups", uid: stranger, gid: stranger, groups: many},
		{who: "a stranger in root's group", uid: stranger, gid: 0, groups: []int{0}},
		{who: "a reader", uid: reader, gid: stranger, read: true},
		{who: "a reader by name", uid: 8, gid: stranger, read: true}, // mail of every Debian's /etc/passwd
		{who: "a reader by primary group", uid: stranger, gid: group, read: true},
		{who: "a reader by a further group", uid: stranger, gid: stranger, groups: []int{1234, group}, read: true},
		{who: "a reader by the last of many groups", uid: stranger, gid: stranger, groups: append(many, 60000, group)[1:], read: true},
		{who: "an admin", uid: admin, gid: stranger, read: true, admin: true},
		{who: "an admin by group", uid: stranger, gid: stranger, groups: []int{47130}, read: true, admin: true},
		{who: "an admin by a group's name", uid: stranger, gid: stranger, groups: []int{1}, read: true, admin: true}, // daemon
		{who: "a user whose number is a group's", uid: group, gid: stranger},
		{who: "a group whose number is a user's", uid: stranger, gid: admin},
	}
	for _, test := range tests {
		for _, ask := range []struct {
			method, path string
			may          bool
		}{
			{"GET", "/v1/ping", test.read},
			{"GET", "/v1/status", test.read},
			{"GET", "/v1/why?server=10.0.0.1", test.read},
			{"POST", "/v1/reload", test.admin},
			{"POST", "/v1/handover?router=VI_1", test.admin},
		} {
			code, body, err := askAs(socket, test.uid, test.gid, test.groups, ask.method, ask.path)
			want := http.StatusOK
			if !ask.may {
				want = http.StatusForbidden
			}
			if err != nil || code != want {
				t.Errorf("%s: %s %s: %d %s (%v), want %d", test.who, ask.method, ask.path, code, body, err, want)
			}
			if !ask.may && !strings.Contains(body, fmt.Sprintf("uid %d may not", test.uid)) {
				t.Errorf("%s: %s %s: refused without words: %s", test.who, ask.method, ask.path, body)
			}
		}
	}
}

func TestCallerIsToldToBackend(t *testing.T) {
	callers := make(chan Caller, 1)
	b := plain()
	reload := b.reload
	b.reload = func(ctx context.Context, by Caller) (*Reloaded, error) {
		callers <- by
		return reload(ctx, by)
	}
	socket := serve(t, b, Access{Admin: []string{"@47130"}})
	if code, body, err := askAs(socket, 47113, 47114, []int{47130}, "POST", "/v1/reload"); code != 200 || err != nil {
		t.Fatalf("%d %s (%v)", code, body, err)
	}
	if c := <-callers; c.UID != 47113 || len(c.GIDs) != 2 || c.GIDs[0] != 47114 || c.GIDs[1] != 47130 || c.PID == 0 {
		t.Errorf("backend was told of %+v", c)
	}
}

func TestAllowCountsFromNowOn(t *testing.T) {
	socket := socketPath(t)
	s, err := Listen(socket, "v1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, plain()) }()
	for i, access := range []Access{{}, {Read: []string{"47115"}}, {Read: []string{"47116"}}} {
		s.Allow(access)
		code, body, err := askAs(socket, 47115, 47115, nil, "GET", "/v1/ping")
		if want := []int{403, 200, 403}[i]; code != want || err != nil {
			t.Errorf("with %v: %d %s (%v), want %d", access, code, body, err, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := NewClient(socket).Ping(t.Context()); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("after the end: %v", err)
	}
}
