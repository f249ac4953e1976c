package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// whyNot tells in an operator's words why a program did not start. It keeps the errno for errors.Is.
func whyNot(c Command, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	name := c.Argv[0]
	switch errno {
	case unix.ENOENT:
		if interpreter := interpreterOf(name); interpreter != "" {
			return fmt.Errorf("run %s: its interpreter %q: %w", name, interpreter, errno)
		}
	case unix.ENOEXEC:
		return fmt.Errorf("run %s: not a program, and no #! line: %w", name, errno)
	case unix.EACCES:
		if f, e := os.Stat(name); e == nil && f.Mode()&0o111 == 0 {
			return fmt.Errorf("run %s: not executable: %w", name, errno)
		}
	case unix.E2BIG:
		return fmt.Errorf("run %s: arguments and environment too long: %w", name, errno)
	case unix.EAGAIN:
		return fmt.Errorf("run %s: too many processes of this user or unit: %w", name, errno)
	case unix.EPERM:
		if c.User != nil {
			return fmt.Errorf("run %s as %s: %w", name, c.User.Name, errno)
		}
	}
	return fmt.Errorf("run %s: %w", name, errno)
}

// interpreterOf gives what follows #! in a script that exists.
func interpreterOf(name string) string {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	line, _ := bufio.NewReader(io.LimitReader(f, 128)).ReadBytes('\n')
	words, ok := bytes.CutPrefix(line, []byte("#!"))
	if !ok || len(bytes.Fields(words)) == 0 {
		return ""
	}
	return string(bytes.Fields(words)[0])
}
