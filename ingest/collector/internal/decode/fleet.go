package decode

import (
	"github.com/activitylog/activitylog/ingest/collector/internal/decode/scan"
	"github.com/activitylog/activitylog/schema"
)

// The keys of a fleet entry, as bits.
const (
	fleetPlatform = 1 << iota
	fleetSerial
	fleetAction
	fleetDetail
	fleetUsername
	fleetTimestamp
	fleetDetails
	fleetEventID
)

// fleetDecoder decodes fleet entries, one at a time.
type fleetDecoder struct {
	fields

	checker scan.Scanner // for merged details
	rest    []byte       // members with unknown keys, as sent
	merged  []byte
}

func (d *fleetDecoder) common() *fields { return &d.fields }

func (d *fleetDecoder) held() int { return d.Held() + cap(d.rest) + cap(d.merged) }

func (d *fleetDecoder) decode() error {
	d.rest = d.rest[:0]
	var o object
	for {
		key, more, err := d.next(&o)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := d.member(&o, key); err != nil {
			return err
		}
	}
	if len(d.rest) > 0 {
		d.merge()
	}
	d.finish("action_type")
	return nil
}

// member reads the value of a key.
func (d *fleetDecoder) member(o *object, key []byte) error {
	switch string(key) {
	case "platform":
		d.once(o, fleetPlatform, key)
		return d.name("platform", &d.entry.Platform)
	case "serial":
		d.once(o, fleetSerial, key)
		return d.name("serial", &d.entry.Device)
	case "action_type":
		d.once(o, fleetAction, key)
		return d.name("action_type", &d.entry.Action)
	case "action_detail":
		d.once(o, fleetDetail, key)
		return d.string("action_detail", &d.entry.Detail, schema.MaxDetailBytes)
	case "username":
		d.once(o, fleetUsername, key)
		return d.name("username", &d.entry.ActorName)
	case "timestamp":
		d.once(o, fleetTimestamp, key)
		return d.timestamp()
	case "details":
		d.once(o, fleetDetails, key)
		return d.details()
	case "event_id":
		d.once(o, fleetEventID, key)
		return d.key("event_id")
	}
	return d.unknown(key, o.start)
}

// unknown keeps a member that the dialect has no field for, byte for byte. start is the position of its key.
func (d *fleetDecoder) unknown(key []byte, start int) error {
	name := shown(key)
	d.flawed("key", scan.Surrogate)
	if err := d.Skip(1); err != nil {
		return err
	}
	d.flawed(name, scan.Surrogate)
	if len(d.rest) > 0 {
		d.rest = append(d.rest, ',')
	}
	d.rest = append(d.rest, d.Since(start)...)
	return nil
}

// merge appends the members with unknown keys to those of details. A key that is in both is refused, because neither value takes
// precedence.
func (d *fleetDecoder) merge() {
	d.merged = append(d.merged[:0], '{')
	if old := d.entry.Details; old != "" {
		d.merged = append(d.merged, old[1:len(old)-1]...)
		if d.checker.Reset([]byte(old)); d.checker.Take('{') && !d.checker.Take('}') {
			d.merged = append(d.merged, ',')
		}
	}
	d.merged = append(append(d.merged, d.rest...), '}')
	d.checker.Reset(d.merged)
	if err := d.checker.Skip(0); err != nil {
		d.blame("details", "DEPTH", "nested too deeply")
	}
	if flaw, key := d.checker.TakeFlaw(); flaw > scan.Surrogate {
		code, issue := flaw.Issue()
		d.blame("details."+key[:min(len(key), maxShownKeyLen)], code, issue)
	}
	d.entry.Details = text(d.merged)
}
