package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const permission = 0o640

// file is the file that lines are appended to.
type file struct {
	path  string
	f     *os.File
	size  int64
	begun time.Time // of its first line; zero if it has none
	torn  bool      // its last line has no newline
}

// openFile opens the file, which is made if it does not exist. It does not wait for the reader of a pipe: what is not a
// regular file is an error.
func openFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NONBLOCK|unix.O_NOCTTY, permission)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: not a regular file", path)
	}
	a := &file{path: path, f: f}
	if err == nil && info.Size() > 0 {
		a.size = info.Size()
		err = a.examine(info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

// examine looks at the first and the last line of a file that has something in it.
func (a *file) examine(info os.FileInfo) error {
	var last [1]byte
	if _, err := a.f.ReadAt(last[:], a.size-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	a.torn = last[0] != '\n'
	a.begun = info.ModTime()
	line, err := newLines(io.NewSectionReader(a.f, 0, a.size)).next()
	if err != nil {
		return nil
	}
	if e, err := decode(line); err == nil {
		a.begun = e.Time
	}
	return nil
}

// append writes whole lines at the end and tells how many of their bytes are there. A torn line before them is ended.
func (a *file) append(lines []byte) (int, error) {
	if a.torn {
		if err := a.write(newline); err != nil {
			return 0, err
		}
	}
	if a.begun.IsZero() {
		a.begun = time.Now()
	}
	before := a.size
	err := a.write(lines)
	return int(a.size - before), err
}

func (a *file) write(b []byte) error {
	n, err := a.f.Write(b)
	a.size += int64(n)
	if n > 0 {
		a.torn = b[n-1] != '\n'
	}
	return err
}

// moved tells whether the name now stands for another file, or none. It also takes note of a size that others changed.
func (a *file) moved() bool {
	there, err := os.Stat(a.path)
	if err != nil {
		return true
	}
	here, err := a.f.Stat()
	if err != nil || !os.SameFile(here, there) {
		return true
	}
	if a.size = here.Size(); a.size == 0 {
		a.begun, a.torn = time.Time{}, false
	}
	return false
}

func (a *file) close() { a.f.Close() }
