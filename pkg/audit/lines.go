package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxRead is the longest line that is read: longer than any that is written, for what a later version may add.
const maxRead = 64 << 10

var errTooLong = fmt.Errorf("longer than %d bytes", maxRead)

// lines cuts a stream into lines, in bounded memory. At the end of the stream it can be asked again, should the stream
// have grown: a line that had only begun is given once it has its newline.
type lines struct {
	r    *bufio.Reader
	line []byte
	long bool
	n    int   // number of the last line given, from 1
	new  bool  // line was given: what comes is another
	read int64 // bytes of the stream
}

func newLines(r io.Reader) *lines {
	return &lines{r: bufio.NewReaderSize(r, maxRead)}
}

// next gives a line without its newline, valid until the next call. Errors are errTooLong, after which the next line can
// be had, io.EOF, and those of the stream.
func (l *lines) next() ([]byte, error) {
	if l.new {
		l.line, l.long, l.new = l.line[:0], false, false
	}
	for {
		b, err := l.r.ReadSlice('\n')
		l.read += int64(len(b))
		if l.long = l.long || len(l.line)+len(b) > maxRead; !l.long {
			l.line = append(l.line, b...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err
		}
		l.new = true
		l.n++
		if l.long {
			return nil, errTooLong
		}
		return l.line[:len(l.line)-1], nil
	}
}

// rest gives the line that has begun but has no newline; nil if there is none.
func (l *lines) rest() ([]byte, error) {
	switch {
	case l.new:
		return nil, nil
	case l.long:
		return nil, errTooLong
	default:
		return l.line, nil
	}
}

// decode reads one line. Fields that it does not know are passed over.
func decode(line []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, err
	}
	if e.Time.IsZero() || e.Event == "" {
		return Entry{}, errors.New("no time or no event")
	}
	return e, nil
}
