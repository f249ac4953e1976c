package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// DropIn is the systemd drop-in that lets lvsd run programs as other users.
const DropIn = "lvsd-scripts-as-other-users.conf"

// placeholder is what looks like one; anything else in braces is the program's own.
var placeholder = regexp.MustCompile(`^\{[a-z_]+\}$`)

// CheckArgv says what is wrong with a command as an operator wrote it: the program by absolute path, an executable file,
// then arguments, of which those that look like a placeholder must be one of the given.
func CheckArgv(argv []string, placeholders ...string) error {
	if len(argv) == 0 {
		return errors.New("is missing: a list, the program's absolute path first")
	}
	program := argv[0]
	if !filepath.IsAbs(program) {
		return fmt.Errorf("%q is not an absolute path", shorten(program))
	}
	for _, arg := range argv {
		if strings.ContainsRune(arg, 0) {
			return errors.New("holds a zero byte")
		}
		if placeholder.MatchString(arg) && !slices.Contains(placeholders, arg) {
			return fmt.Errorf("no such placeholder: %s; there are %s", shorten(arg), strings.Join(placeholders, " "))
		}
	}
	switch f, err := os.Stat(program); {
	case errors.Is(err, fs.ErrPermission): // this process cannot see it; the program's user may
		return nil
	case err != nil:
		return err
	case !f.Mode().IsRegular() || f.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not an executable file", program)
	}
	return nil
}

// shorten bounds what an error quotes.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// Runner looks up the user who is to run a program, and makes sure that this process may run programs as him. An empty
// name is the user of this process, and nil.
func Runner(name string) (*User, error) {
	if name == "" {
		return nil, nil
	}
	u, err := LookupUser(name)
	if err == nil {
		err = MayRunAs(u)
	}
	if _, lacks := errors.AsType[*MissingCapabilitiesError](err); lacks {
		err = fmt.Errorf("%w; for lvsd install the systemd drop-in %s", err, DropIn)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// TrustedBy is Trusted where it matters: for a program that runs as a named user or as root.
func TrustedBy(program string, u *User) error {
	if u == nil && os.Geteuid() != 0 {
		return nil
	}
	return Trusted(program, u)
}
