package audit

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"time"
)

// followTime is how often a file that is followed is looked at.
const followTime = 200 * time.Millisecond

// Follow gives what Read gives and then, until ctx ends, each wanted entry as it is written. It goes on through
// rotation, truncation and removal of the file, and waits for one that does not exist yet.
func Follow(ctx context.Context, file string, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var done time.Time // when the newest file that was read to its end had begun
		var told string    // the last error, which may stay for long
		for ctx.Err() == nil {
			list, err := openSources(file)
			more := true
			if err != nil && !onlyMissing(err) && err.Error() != told {
				told = err.Error()
				more = yield(Entry{}, err)
			}
			for _, s := range list {
				if !more || !s.main && !s.begun.After(done) {
					continue
				}
				if more = s.passedOver(f) && !s.main || s.follow(ctx, f, yield); s.begun.After(done) {
					done = s.begun
				}
			}
			closeSources(list)
			if !more {
				return
			}
			pause(ctx)
		}
	}
}

// follow yields what is wanted of a file until it is no longer the one that is written to.
func (s *source) follow(ctx context.Context, f Filter, yield func(Entry, error) bool) bool {
	for {
		moved := !s.main || s.moved()
		if !s.give(f, yield) { // after the look at the name, so that no line comes between
			return false
		}
		if moved {
			return s.giveRest(f, yield)
		}
		pause(ctx)
		if ctx.Err() != nil {
			return false
		}
		if info, err := s.f.Stat(); err == nil && info.Size() < s.lines.read {
			s.begun = time.Time{}
			if err := s.rewind(); err != nil {
				return yield(Entry{}, err)
			}
		}
	}
}

// moved tells whether the name of a file stands for another one now.
func (s *source) moved() bool {
	there, err := os.Stat(s.path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	here, err := s.f.Stat()
	return err == nil && !os.SameFile(here, there)
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(followTime):
	}
}
