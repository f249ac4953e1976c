package pair

import (
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// A record is a file of a head and then, for each of maxRouters places, two entries that are written in turn: of two
// valid ones the later counts, and one that was being written when the process died is told by its checksum. All numbers
// are little-endian.
//
//	head   magic 8, boot id 36, zeros, checksum 4
//	entry  turn 8, name 8, last advert 8, sequence 8, interval 4 (microseconds), state 1, id 1, family 1, 0,
//	       interface 16, zeros, checksum 4
const (
	maxRouters = 256
	headSize   = 64
	entrySize  = 64
	recordSize = headSize + maxRouters*2*entrySize
	magic      = "lvsdpair"
	bootIDSize = 36
)

// Entry is what the record says of a router.
type Entry struct {
	Router    Identity
	Name      uint64 // NameHash of its name
	State     vrrp.State
	Resigning bool          // as master it was giving its role away
	Advert    vrrp.Instant  // when its last advert was sent, by CLOCK_BOOTTIME
	Interval  time.Duration // until the next one
	Seq       uint64        // of the last Transition or Notice when this was written
}

// Identity is what makes a router the same one on the wire. It is comparable.
type Identity struct {
	Interface string
	ID        uint8
	Family    uint8
}

func identity(r *link.Router) Identity {
	return Identity{Interface: r.Interface, ID: r.ID, Family: r.Family}
}

// NameHash is what the record has in place of a router's name.
func NameHash(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

// Record is what the vrrp process left of itself in Dir.
type Record struct {
	Boot    string // id of the boot in which it was written
	Entries []Entry
}

// Seq gives the last sequence number in the record.
func (r *Record) Seq() uint64 {
	var seq uint64
	for _, e := range r.Entries {
		seq = max(seq, e.Seq)
	}
	return seq
}

// Master gives the entry of a router that was master, giving its role away or not.
func (r *Record) Master(router *link.Router) (Entry, bool) {
	for _, e := range r.Entries {
		if e.Router == identity(router) && e.Name == NameHash(router.Name) && e.State == vrrp.Master {
			return e, true
		}
	}
	return Entry{}, false
}

// Resumable tells whether a router may go on as master where the process before ended: it was master in this boot, was
// not giving the role away, and no peer can have missed its adverts yet.
func (e Entry) Resumable(recorded, boot string, now vrrp.Instant) bool {
	age := now.Sub(e.Advert)
	return recorded == boot && boot != "" && e.State == vrrp.Master && !e.Resigning && age >= 0 && age < 2*e.Interval
}

// parseRecord reads a record. What is not one, or not whole, is no entry; it never fails.
func parseRecord(b []byte) *Record {
	r := &Record{}
	if len(b) != recordSize || string(b[:len(magic)]) != magic || !checked(b[:headSize]) {
		return r
	}
	r.Boot = string(b[len(magic):][:bootIDSize])
	for place := range maxRouters {
		first, turn1, ok1 := parseEntry(entryAt(b, place, 0))
		second, turn2, ok2 := parseEntry(entryAt(b, place, 1))
		switch {
		case ok1 && (!ok2 || turn1 > turn2):
			r.Entries = append(r.Entries, first)
		case ok2:
			r.Entries = append(r.Entries, second)
		}
	}
	return r
}

func entryAt(b []byte, place int, turn uint64) []byte {
	at := headSize + (2*place+int(turn%2))*entrySize
	return b[at:][:entrySize:entrySize]
}

func parseEntry(b []byte) (e Entry, turn uint64, ok bool) {
	if !checked(b) || vrrp.State(b[36]&^resigningBit) > vrrp.Master {
		return Entry{}, 0, false
	}
	turn = binary.LittleEndian.Uint64(b)
	name := b[40:56]
	for len(name) > 0 && name[len(name)-1] == 0 {
		name = name[:len(name)-1]
	}
	return Entry{
		Router:    Identity{Interface: string(name), ID: b[37], Family: b[38]},
		Name:      binary.LittleEndian.Uint64(b[8:]),
		State:     vrrp.State(b[36] &^ resigningBit),
		Resigning: b[36]&resigningBit != 0,
		Advert:    vrrp.Instant(binary.LittleEndian.Uint64(b[16:])),
		Seq:       binary.LittleEndian.Uint64(b[24:]),
		Interval:  time.Duration(binary.LittleEndian.Uint32(b[32:])) * time.Microsecond,
	}, turn, turn != 0
}

// resigningBit stands beside the state.
const resigningBit = 0x80

// putEntry writes an entry without allocating.
func putEntry(b []byte, e *Entry, turn uint64) {
	binary.LittleEndian.PutUint64(b, turn)
	binary.LittleEndian.PutUint64(b[8:], e.Name)
	binary.LittleEndian.PutUint64(b[16:], uint64(e.Advert))
	binary.LittleEndian.PutUint64(b[24:], e.Seq)
	binary.LittleEndian.PutUint32(b[32:], uint32(e.Interval/time.Microsecond))
	b[36] = byte(e.State)
	if e.Resigning {
		b[36] |= resigningBit
	}
	b[37], b[38], b[39] = e.Router.ID, e.Router.Family, 0
	clear(b[40:])
	copy(b[40:56], e.Router.Interface)
	seal(b)
}

func putHead(b []byte, boot string) {
	clear(b[:headSize])
	copy(b, magic)
	copy(b[len(magic):][:bootIDSize], boot)
	seal(b[:headSize])
}

// castagnoli is computed by the processor.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b[:len(b)-4], castagnoli) }

func seal(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-4:], checksum(b)) }

func checked(b []byte) bool { return binary.LittleEndian.Uint32(b[len(b)-4:]) == checksum(b) }
