package vip

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	burstFrames = 32               // sent in one go
	burstPause  = time.Millisecond // between them
	probeEvery  = 10 * time.Second
	onceLimit   = 4096 // frames that wait to be sent once; more are left to the schedule
	wayBehind   = time.Second
)

// frame is one Ethernet frame, ready to be sent.
type frame struct {
	bytes []byte
	to    *unix.SockaddrLinklayer
}

func newFrame(index int, b []byte) frame {
	var a unix.SockaddrLinklayer
	a.Ifindex = index
	a.Halen = 6
	copy(a.Addr[:], b[:6])
	a.Protocol = order.Uint16(b[12:]) // in network order, as it is in the frame
	return frame{b, &a}
}

// song is what is announced of one router. It is never changed once handed on.
type song struct {
	frames   []frame
	probes   []frame // one for each address
	schedule Schedule
}

// singing is how far a song is. It belongs to the voice's goroutine.
type singing struct {
	song  *song
	began time.Time
	at    time.Duration // when the last announcement was due, from began
	wave  []frame       // what is still to be sent of it
	asked time.Time     // when the last probe was sent
	turn  int           // of the next one
}

// voice sends announcements and probes, paced, from a goroutine of its own. A frame that cannot be sent is lost: another
// one follows, or the interface is reported by who watches it.
type voice struct {
	fd   int
	wake chan struct{}
	quit chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	songs map[string]*song
	extra []frame

	singing map[string]*singing // of the goroutine
}

func newVoice() (*voice, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0) // 0: it receives nothing
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	return &voice{
		fd: fd, wake: make(chan struct{}, 1), quit: make(chan struct{}),
		songs: map[string]*song{}, singing: map[string]*singing{},
	}, nil
}

// set says what is announced of a router, from now on; nil is nothing.
func (v *voice) set(router string, s *song) {
	v.mu.Lock()
	if s == nil {
		delete(v.songs, router)
	} else {
		v.songs[router] = s
	}
	v.mu.Unlock()
	v.nudge()
}

// once sends frames a single time.
func (v *voice) once(frames []frame) {
	v.mu.Lock()
	if len(v.extra)+len(frames) <= onceLimit {
		v.extra = append(v.extra, frames...)
	}
	v.mu.Unlock()
	v.nudge()
}

func (v *voice) nudge() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (v *voice) start() { v.wg.Go(v.run) }

func (v *voice) close() {
	close(v.quit)
	v.wg.Wait()
	_ = unix.Close(v.fd)
}

func (v *voice) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		extra := v.listen(now)
		v.send(extra)
		timer.Reset(v.turn(now))
		select {
		case <-v.quit:
			return
		case <-v.wake:
		case <-timer.C:
		}
	}
}

// listen takes over the songs as they are now, and some frames that are to be sent once.
func (v *voice) listen(now time.Time) []frame {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name := range v.singing {
		if _, on := v.songs[name]; !on {
			delete(v.singing, name)
		}
	}
	for name, s := range v.songs {
		if old := v.singing[name]; old == nil || old.song != s {
			v.singing[name] = &singing{song: s, began: now, at: beforeFirst, asked: now}
		}
	}
	n := min(len(v.extra), burstFrames)
	extra := v.extra[:n:n]
	v.extra = v.extra[n:]
	if len(v.extra) == 0 {
		v.extra = nil
	} else {
		v.nudge()
	}
	return extra
}

// turn sends one burst of what is due, and says how long nothing is.
func (v *voice) turn(now time.Time) time.Duration {
	wait := time.Hour
	room := burstFrames
	for _, s := range v.singing {
		s.begin(now)
		n := min(len(s.wave), room)
		v.send(s.wave[:n])
		s.wave = s.wave[n:]
		room -= n
		if len(s.probes()) > 0 && now.Sub(s.asked) >= probeEvery {
			s.asked = now
			s.turn = (s.turn + 1) % len(s.probes())
			v.send(s.probes()[s.turn : s.turn+1])
		}
		wait = min(wait, s.wait(now))
	}
	return wait
}

func (s *singing) probes() []frame { return s.song.probes }

// begin takes up the announcement that is due, unless the one before is still being sent.
func (s *singing) begin(now time.Time) {
	if len(s.wave) > 0 {
		return
	}
	next := s.song.schedule.after(s.at)
	since := now.Sub(s.began)
	if next > since {
		return
	}
	if since-next > wayBehind { // this process did not run; what it missed is not made up for
		next = since
	}
	s.at = next
	s.wave = s.song.frames
}

// wait is how long nothing of the song is due.
func (s *singing) wait(now time.Time) time.Duration {
	if len(s.wave) > 0 {
		return burstPause
	}
	wait := probeEvery - now.Sub(s.asked)
	if next := s.song.schedule.after(s.at); next != noWave {
		wait = min(wait, next-now.Sub(s.began))
	}
	return max(wait, 0)
}

func (v *voice) send(frames []frame) {
	for _, f := range frames {
		_ = unix.Sendto(v.fd, f.bytes, unix.MSG_DONTWAIT, f.to)
	}
}
