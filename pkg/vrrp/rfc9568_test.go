package vrrp

import "testing"

// TestRFC9568 has a row for each rule of RFC 9568 that is the state machine's, in the order of the text. Section 6.4.1
// is Initialize, 6.4.2 Backup, 6.4.3 Active. Rules on addresses, ARP and ND belong to other packages, those on packets
// to the codec's tests.
func TestRFC9568(t *testing.T) {
	for _, row := range []struct {
		rule   string
		with   script
		script string
	}{
		{"6.1 Skew_Time and Active_Down_Interval of priority 1", plain(priority(1)), `
			0s start -> backup, next 3.99609375s (start)`},
		{"6.1 Skew_Time and Active_Down_Interval of priority 254", plain(priority(254)), `
			0s start -> backup, next 3.0078125s (start)`},
		{"6.1 Preempt_Mode false still takes over from silence", plain(noPreempt), `
			0s start -> backup, next 3.5s (start)
			1s hear 100 -> backup, next 4.5s
			4.5s tick -> master, sends 1x128, announce, next 5.5s (silence)`},
		{"6.4.1 (105) nothing happens before Startup", plain(), `
			0s hear 100 -> stopped
			9s tick -> stopped
			9s promote -> stopped
			9s stop -> stopped`},
		{"6.4.1 (110) the owner sends an advert and is Active at once", plain(priority(255)), `
			0s start -> master, sends 1x255, announce, next 1s (owner)`},
		{"6.4.1 (150) others set Active_Adver_Interval to their own and are Backup", plain(every("2s")), `
			0s start -> backup, next 7s (start)`},
		{"6.4.2 (320) Shutdown cancels the timer", plain(), `
			0s start -> backup, next 3.5s (start)
			1s stop -> stopped (stopped)
			3.5s tick -> stopped`},
		{"6.4.2 (345) the timer fires: advert, announcement, Adver_Timer, Active", plain(), `
			0s start -> backup, next 3.5s (start)
			3.4s tick -> backup, next 3.5s
			3.5s tick -> master, sends 1x128, announce, next 4.5s (silence)`},
		{"6.4.2 (420) priority 0 sets the timer to Skew_Time", plain(), `
			0s start -> backup, next 3.5s (start)
			1s hear 0 -> backup, next 1.5s
			1.5s tick -> master, sends 1x128, announce, next 2.5s (left)`},
		{"6.4.2 (430) a higher priority re-arms", plain(), `
			0s start -> backup, next 3.5s (start)
			3s hear 200 -> backup, next 6.5s`},
		{"6.4.2 (430) an equal priority re-arms, whatever its address", plain(), `
			0s start -> backup, next 3.5s (start)
			3s hear 128 from 192.0.2.4 -> backup, next 6.5s`},
		{"6.4.2 (430) with Preempt_Mode false a lower one re-arms too", plain(noPreempt), `
			0s start -> backup, next 3.5s (start)
			3s hear 1 -> backup, next 6.5s`},
		{"6.4.2 (435) the interval is learned, and Skew_Time with it", plain(), `
			0s start -> backup, next 3.5s (start)
			1s hear 200 every 4s -> backup, next 15s
			2s hear 0 every 4s -> backup, next 4s`},
		{"6.4.2 (450) a lower priority is discarded: the timer goes on", plain(), `
			0s start -> backup, next 3.5s (start)
			1s hear 127 every 9s -> backup, next 3.5s
			2s hear 127 every 9s -> backup, next 3.5s
			3.5s tick -> master, sends 1x128, announce, next 4.5s (preempt)`},
		{"6.4.3 (650) Adver_Timer fires: advert, re-armed by the own interval", plain(), `
			0s start -> backup, next 3.5s (start)
			1s hear 200 every 2s -> backup, next 8s
			8s tick -> master, sends 1x128, announce, next 9s (silence)
			9s tick -> master, sends 1x128, next 10s`},
		{"6.4.3 (625) Shutdown sends priority 0", active(), `
			4s stop -> resigning, sends 3x0, next 6.9921875s (stopped)
			6.9921875s tick -> stopped (stopped)`},
		{"6.4.3 (705) priority 0 is answered by an advert, and Adver_Timer is re-armed", active(), `
			4s hear 0 -> master, sends 1x128, announce, next 5s`},
		{"6.4.3 (720) a higher priority makes it Backup with the interval of the advert", active(), `
			4s hear 129 every 2s -> backup, next 11s (higher)`},
		{"6.4.3 (720) so does an equal priority from a greater address", active(), `
			4s hear 128 from 192.0.2.6 -> backup, next 7.5s (higher)`},
		{"6.4.3 (720) even with Preempt_Mode false", active(noPreempt), `
			4s hear 129 -> backup, next 7.5s (higher)`},
		{"6.4.3 (765) an equal priority from a smaller address is answered at once", active(), `
			4s hear 128 from 192.0.2.4 -> master, sends 1x128, announce, contested, next 4.5s`},
		{"6.4.3 (765) so is a lower priority from a greater address", active(), `
			4s hear 127 from 192.0.2.6 -> master, sends 1x128, announce, contested, next 4.5s`},
		{"7.1 no advert heard changes the owner", plain(priority(255)), `
			0s start -> master, sends 1x255, announce, next 1s (owner)
			0.5s hear 255 from 192.0.2.6 -> master, next 1s
			0.6s hear 254 -> master, next 1s
			0.7s hear 0 -> master, next 1s`},
		{"8.3.2 a dead Active is replaced in the order of priority", plain(priority(200)), `
			0s start -> backup, next 3.21875s (start)`},
		{"RFC 3768 6.1: in version 2 Skew_Time does not scale and nothing is learned", plain(version2, every("4s")), `
			0s start -> backup, next 12.5s (start)
			1s hear 200 every 1s -> backup, next 13.5s
			2s hear 0 -> backup, next 2.5s`},
	} {
		t.Run(row.rule, func(t *testing.T) { row.with.run(t, 1, row.with.before+row.script) })
	}
}

func priority(p uint8) func(*script) { return func(s *script) { s.standing.Priority = p } }

func noPreempt(s *script) { s.params.Preempt = false }

func version2(s *script) { s.params.Version = 2 }

func every(d string) func(*script) { return func(s *script) { s.params.Interval = duration(d) } }

func hold(d string) func(*script) { return func(s *script) { s.params.Hold = duration(d) } }

func delay(d string) func(*script) { return func(s *script) { s.params.PreemptDelay = duration(d) } }

func peer(p uint8) func(*script) { return func(s *script) { s.params.PeerPriority = p } }

// active is plain, and master since 3.5 s.
func active(change ...func(*script)) script {
	return plain(append(change, func(s *script) {
		s.before = `
			0s start -> backup, next 3.5s (start)
			3.5s tick -> master, sends 1x128, announce, next 4.5s (silence)
		`
	})...)
}
