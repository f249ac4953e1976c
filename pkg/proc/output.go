package proc

import (
	"fmt"
	"os"
	"time"
)

// output reads what a program prints, keeps the beginning and throws the rest away, so that the program never waits for
// a reader.
type output struct {
	writer    *os.File // of the program; closed here by opened
	reader    *os.File
	done      chan struct{}
	kept      []byte
	room      int
	truncated bool
}

func newOutput(size int) (*output, error) {
	if size <= 0 {
		size = OutputSize
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	o := &output{writer: w, reader: r, room: size, done: make(chan struct{})}
	go o.read()
	return o, nil
}

func (o *output) read() {
	defer close(o.done)
	buf := make([]byte, 4<<10)
	for {
		n, err := o.reader.Read(buf)
		keep := min(n, o.room-len(o.kept))
		o.kept = append(o.kept, buf[:keep]...)
		o.truncated = o.truncated || n > keep
		if err != nil {
			return
		}
	}
}

// opened is called when the program has its end of the pipe, or never will.
func (o *output) opened() { _ = o.writer.Close() }

// lastWords is how long output is read after the program and its group are dead: the time of emptying a full pipe. It
// runs out only where a process that left the group holds the pipe open.
const lastWords = 50 * time.Millisecond

// finish gives what was printed by a program that has ended.
func (o *output) finish() ([]byte, bool) {
	_ = o.reader.SetReadDeadline(time.Now().Add(lastWords))
	<-o.done
	_ = o.reader.Close()
	return o.kept, o.truncated
}

// close ends the reading at once.
func (o *output) close() {
	_ = o.reader.SetReadDeadline(time.Unix(1, 0))
	<-o.done
	_ = o.reader.Close()
}
