package audit

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A file put aside is named for the moment, in UTC, when that was done: audit.log.20261123T210918.123456Z, with .gz once
// it is compressed. It is never renamed again, so that readers are not confused.
const (
	stampForm  = "20060102T150405.000000Z"
	gzipSuffix = ".gz"
	halfSuffix = ".gz.part" // a compression that has not ended
)

// archive is a file put aside by this package.
type archive struct {
	path  string
	stamp time.Time
	gz    bool
	half  bool // what a compression cut short left
}

// putAside renames the file.
func putAside(path string, now time.Time) error {
	for {
		to := path + "." + now.UTC().Format(stampForm)
		_, err := os.Lstat(to)
		_, errGz := os.Lstat(to + gzipSuffix)
		if errors.Is(err, fs.ErrNotExist) && errors.Is(errGz, fs.ErrNotExist) {
			if err := os.Rename(path, to); err != nil {
				return fmt.Errorf("rotate audit file: %w", err)
			}
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate audit file: %w", err)
		}
		now = now.Add(time.Microsecond)
	}
}

// archives lists the files put aside by this package, the newest first. Other files of similar names, logrotate's for
// one, are not among them.
func archives(path string) ([]archive, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var list []archive
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), filepath.Base(path)+".")
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		stamp, half := strings.CutSuffix(rest, halfSuffix)
		stamp, gz := strings.CutSuffix(stamp, gzipSuffix)
		t, err := time.Parse(stampForm, stamp)
		if err != nil {
			continue
		}
		list = append(list, archive{path: filepath.Join(filepath.Dir(path), entry.Name()), stamp: t, gz: gz, half: half})
	}
	slices.SortFunc(list, func(a, b archive) int { return b.stamp.Compare(a.stamp) })
	return list, nil
}

// keepUp removes the files put aside that are too many or too old, and compresses the others. An error about one file
// does not keep it from the next.
func keepUp(ctx context.Context, c Config, now time.Time) error {
	list, err := archives(c.File)
	if err != nil {
		return fmt.Errorf("list audit files: %w", err)
	}
	var errs []error
	kept := 0
	for _, a := range list {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !a.half {
			kept++
		}
		switch {
		case a.half, c.MaxFiles > 0 && kept > c.MaxFiles, c.MaxAge > 0 && now.Sub(a.stamp) > c.MaxAge:
			err = os.Remove(a.path)
		case c.Compress && !a.gz:
			err = compress(ctx, a.path)
		default:
			err = nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("keep audit files: %w", err))
		}
	}
	return errors.Join(errs...)
}

// compress replaces a file by a compressed one with its times and permissions. After a crash at any moment at least one
// of the two is whole; Read prefers the uncompressed one.
func compress(ctx context.Context, path string) (err error) {
	from, err := openQuick(path)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	half := path + halfSuffix
	to, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(half)
		}
	}()
	defer to.Close()
	z := gzip.NewWriter(to)
	z.ModTime = info.ModTime()
	if _, err := io.Copy(z, &cancelled{ctx: ctx, r: from}); err != nil {
		return err
	}
	if err := errors.Join(z.Close(), to.Sync(), to.Close()); err != nil {
		return err
	}
	if err := os.Chtimes(half, time.Time{}, info.ModTime()); err != nil {
		return err
	}
	if err := os.Rename(half, path+gzipSuffix); err != nil {
		return err
	}
	return os.Remove(path)
}

// cancelled is a reader that ends with its context.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
