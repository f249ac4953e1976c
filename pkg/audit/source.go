package audit

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// asideForm is what follows the file's name in that of one put aside: our own stamp, or logrotate's numbers and dates.
var asideForm = regexp.MustCompile(`^[.-][0-9][0-9TZ.-]*(\.gz)?$`)

// source is an open file of the record.
type source struct {
	path  string
	f     *os.File
	main  bool // the one that is written to
	first []byte
	begun time.Time // of its first line; zero if there is none
	lines *lines
}

// openSources opens the file and those put aside from it, the oldest first and the file itself last. They are all open
// at once so that a rotation meanwhile takes none away. A file that cannot be read is among the errors.
func openSources(path string) ([]*source, error) {
	var list []*source
	var errs []error
	add := func(path string, main bool) {
		s, err := openSource(path, main)
		switch {
		case err != nil:
			errs = append(errs, err)
		case slices.ContainsFunc(list, s.same): // renamed or being compressed just now
			s.close()
		default:
			list = append(list, s)
		}
	}
	add(path, true) // before the names are listed: one that is put aside after this is known already
	names, err := asideNames(path)
	if err != nil {
		errs = append(errs, err)
	}
	for _, name := range names {
		add(name, false)
	}
	slices.SortStableFunc(list, func(a, b *source) int {
		if a.main != b.main {
			if a.main {
				return 1
			}
			return -1
		}
		return a.begun.Compare(b.begun)
	})
	return list, errors.Join(errs...)
}

// asideNames lists what was put aside, uncompressed files first.
func asideNames(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var plain, gz []string
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), filepath.Base(path))
		if !ok || !asideForm.MatchString(rest) || !entry.Type().IsRegular() {
			continue
		}
		full := filepath.Join(filepath.Dir(path), entry.Name())
		if strings.HasSuffix(rest, gzipSuffix) {
			gz = append(gz, full)
		} else {
			plain = append(plain, full)
		}
	}
	return append(plain, gz...), nil
}

// openQuick opens a file to read; a pipe does not wait for its writer.
func openQuick(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

// openSource opens a file, or the compressed one that it has become.
func openSource(path string, main bool) (*source, error) {
	f, err := openQuick(path)
	if errors.Is(err, fs.ErrNotExist) && !main && !strings.HasSuffix(path, gzipSuffix) {
		path += gzipSuffix
		f, err = openQuick(path)
	}
	if err != nil {
		return nil, err
	}
	s := &source{path: path, f: f, main: main}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("read %s: not a regular file", path))
	}
	if err := s.rewind(); err != nil {
		f.Close()
		return nil, err
	}
	if first, err := s.lines.next(); err == nil {
		s.first = slices.Clone(first)
		if e, err := decode(first); err == nil {
			s.begun = e.Time
		}
	}
	if err := s.rewind(); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// rewind starts over at the first line.
func (s *source) rewind() error {
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.lines = newLines(s.f)
	if !strings.HasSuffix(s.path, gzipSuffix) {
		return nil
	}
	z, err := gzip.NewReader(bufio.NewReader(s.f))
	if err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	s.lines = newLines(z)
	return nil
}

// same tells whether two files hold the same lines, one of them perhaps compressed.
func (s *source) same(o *source) bool {
	return len(s.first) > 0 && string(s.first) == string(o.first)
}

func (s *source) close() { s.f.Close() }
