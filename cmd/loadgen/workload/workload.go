// Package workload makes the entries that every measurement and every chaos run uses: those of a fleet of 10,000 devices and
// 50,000 accounts, whose activity follows Zipf's law, in order of time over 30 days. Entry i is a pure function of the seed and
// i, so that a reader can check of each stored entry that it is, byte for byte, what was sent.
package workload

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// Shape of the workload.
const (
	Devices   = 10_000
	Users     = 50_000
	Templates = 1 << 18               // distinct texts; an entry is one of them with its own number and time
	Span      = 30 * 24 * 3600 * 1000 // ms
	Jitter    = 2000                  // ms
	Numbers   = 100_000_000           // entries of one source that can be told apart
)

const (
	numberDigits = 8
	timeDigits   = 13
)

// Platforms and Actions are the values of those fields. The first platforms are used more than the last.
var (
	Platforms = []string{"tiktok", "instagram", "x", "facebook", "youtube", "threads", "reddit", "snapchat"}
	Actions   = []string{
		"post", "follow", "unfollow", "comment", "like", "unlike", "share", "login", "logout", "story_view",
		"dm_send", "dm_read", "profile_update", "upload", "download", "search", "scroll", "app_open", "app_close", "error",
	}
)

var (
	platformPercent = []int{35, 25, 15, 8, 7, 4, 4, 2}
	verbs           = []string{
		"Published", "Opened", "Followed", "Liked", "Commented on", "Shared", "Uploaded", "Failed to load",
		"Scrolled past", "Updated", "Sent message to", "Watched",
	}
	objects = []string{
		"video", "story", "profile", "feed", "live stream", "photo album", "comment thread", "direct message",
		"hashtag page", "search results",
	}
	tails = []string{
		"successfully", "after 2 retries", "within 30s", "on wifi", "via proxy", "while warming up account",
		"from schedule", "manually", "with caption", "in background",
	}
)

// Source is a workload of a given seed and length. It is safe for concurrent use.
type Source struct {
	Seed  uint64
	Total int   // entries over which the 30 days are spread
	Start int64 // Unix ms of entry 0

	rich bool

	text  []byte // the templates, one JSON object after another, without the closing brace
	spots []spot // of each template
}

// spot says where in text a template is, and where in the template the number and the time are filled in.
type spot struct {
	from, to     uint32
	number, time uint16 // relative to from
}

// New makes a source of total entries. The last one happens at about end (Unix ms).
func New(seed uint64, total int, end int64) *Source {
	s := &Source{Seed: seed, Total: max(total, 1), Start: end - Span}
	r := rand.New(rand.NewPCG(seed, 7))
	devices := rand.NewZipf(r, 1.1, 8, Devices-1)
	users := rand.NewZipf(r, 1.05, 40, Users-1)
	s.text = make([]byte, 0, Templates*200)
	s.spots = make([]spot, Templates)
	for i := range s.spots {
		s.spots[i] = s.addTemplate(r, devices.Uint64(), users.Uint64())
	}
	return s
}

func (s *Source) addTemplate(r *rand.Rand, device, user uint64) spot {
	b, from := s.text, len(s.text)
	b = append(b, `{"platform":"`+Platforms[weighted(r, platformPercent)]+`","serial":"`+DeviceName(device)...)
	b = append(b, `","action_type":"`+Actions[action(r)]+`","action_detail":"`...)
	b = append(b, verbs[r.IntN(len(verbs))]+" "+objects[r.IntN(len(objects))]+" #"...)
	at := spot{from: uint32(from), number: uint16(len(b) - from)}
	b = append(b, "00000000 "+tails[r.IntN(len(tails))]+`","username":"user_`...)
	b = strconv.AppendUint(b, 10_000+user, 10)
	b = append(b, `","timestamp":`...)
	at.time = uint16(len(b) - from)
	b = append(b, "0000000000000"...)
	if r.IntN(10) < 3 {
		b = fmt.Appendf(b, `,"details":{"ip":"10.%d.%d.7","duration_ms":%d,"success":true}`, r.IntN(256), r.IntN(256), r.IntN(90000))
	}
	at.to, s.text = uint32(len(b)), b
	return at
}

// DeviceName returns the name of the device with the rank. Rank 0 is the busiest device.
func DeviceName(rank uint64) string {
	return "SN-" + strconv.FormatUint(1_000_000+rank*7919%9_000_000, 10)
}

func weighted(r *rand.Rand, percent []int) int {
	p, k := r.IntN(100), 0
	for p >= percent[k] {
		p -= percent[k]
		k++
	}
	return k
}

// action favours the first names: half of the time the draw is scaled down.
func action(r *rand.Rand) int {
	a := r.IntN(len(Actions))
	if r.IntN(2) == 0 {
		a = a * r.IntN(len(Actions)) / len(Actions)
	}
	return a
}

// Append appends entry i as one JSON object. The key, unless empty, becomes its event id.
func (s *Source) Append(b []byte, i int, key string) []byte {
	if s.rich {
		return s.appendRich(b, i, key)
	}
	return s.appendPlain(b, i, key)
}

func (s *Source) appendPlain(b []byte, i int, key string) []byte {
	t := s.spots[i%Templates]
	at := len(b)
	b = append(b, s.text[t.from:t.to]...)
	digits(b[at+int(t.number):][:numberDigits], uint64(Number(i)))
	digits(b[at+int(t.time):][:timeDigits], uint64(s.Time(i)))
	if key != "" {
		b = append(append(append(b, `,"event_id":"`...), key...), '"')
	}
	return append(b, '}')
}

// AppendLines appends the entries [from, from+n) as NDJSON. keyOf may be nil.
func (s *Source) AppendLines(b []byte, from, n int, keyOf func(int) string) []byte {
	for i := from; i < from+n; i++ {
		key := ""
		if keyOf != nil {
			key = keyOf(i)
		}
		b = append(s.Append(b, i, key), '\n')
	}
	return b
}

// Time returns when entry i happens, in Unix ms. After the total, times begin again at the start.
func (s *Source) Time(i int) int64 {
	jitter := uint64(i) * 0x9e3779b97f4a7c15 >> 40 % Jitter
	return s.Start + int64(float64(i%s.Total)/float64(s.Total)*Span) + int64(jitter)
}

func digits(b []byte, v uint64) {
	for k := range slices.Backward(b) {
		b[k] = byte('0' + v%10)
		v /= 10
	}
}

// The number in an entry's text is its index, scattered: i·scatter mod Numbers. A product with gather gives the index back.
const (
	scatter = 61_803_399
	gather  = 82_636_599
)

// Number returns the number behind the # in the text of entry i.
func Number(i int) int { return int(uint64(i) * scatter % Numbers) }

// IndexOf returns the index of the entry with the text; -1 if the text is not of the workload.
func IndexOf(detail string) int {
	for k := 0; k+numberDigits < len(detail); k++ {
		if detail[k] != '#' {
			continue
		}
		n, err := strconv.ParseUint(detail[k+1:k+1+numberDigits], 10, 32)
		if err != nil {
			return -1
		}
		return int(n * gather % Numbers)
	}
	return -1
}
