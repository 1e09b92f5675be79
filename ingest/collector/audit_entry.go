package collector

import (
	"time"

	"github.com/activitylog/activitylog/schema"
)

// The keys of an audit entry, as bits.
const (
	auditAction = 1 << iota
	auditTimestamp
	auditUserID
	auditUser
	auditUsername
	auditTargetType
	auditTargetID
	auditTargetName
	auditTargets
	auditDetail
	auditDetails
	auditPlatform
	auditSerial
	auditIPAddress
	auditUserAgent
	auditRequestID
	auditLayer
	auditEventID
)

// auditDecoder decodes one audit entry after the other.
type auditDecoder struct {
	fields

	user struct{ id, username string } // of the member user; the entry has those of userId and username

	target  schema.Target   // of targetType, targetId and targetName
	targets []schema.Target // of targets
	several bool            // targets was there
}

func (d *auditDecoder) common() *fields { return &d.fields }

func (d *auditDecoder) held() int { return d.Held() }

func (d *auditDecoder) decode() error {
	d.user.id, d.user.username = "", ""
	d.target, d.targets, d.several = schema.Target{}, d.targets[:0], false
	var o object
	for {
		key, more, err := d.next(&o)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		bit := auditKey(key)
		d.once(&o, bit, key)
		if err := d.member(bit, key); err != nil {
			return err
		}
	}
	d.oneOf(&d.entry.ActorID, "userId", d.user.id, "user.id")
	d.oneOf(&d.entry.ActorName, "username", d.user.username, "user.username")
	d.choose()
	d.finish("action")
	return nil
}

// oneOf fills a field that has two names. Values that differ are refused, because neither may win.
func (d *auditDecoder) oneOf(to *string, name, value, other string) {
	switch {
	case *to == "":
		*to = value
	case value != "" && value != *to:
		d.blame(other, "CONFLICT", "is not "+name)
	}
}

func auditKey(key []byte) uint32 {
	switch string(key) {
	case "action":
		return auditAction
	case "timestamp":
		return auditTimestamp
	case "userId":
		return auditUserID
	case "user":
		return auditUser
	case "username":
		return auditUsername
	case "targetType":
		return auditTargetType
	case "targetId":
		return auditTargetID
	case "targetName":
		return auditTargetName
	case "targets":
		return auditTargets
	case "detail":
		return auditDetail
	case "details":
		return auditDetails
	case "platform":
		return auditPlatform
	case "serial":
		return auditSerial
	case "ipAddress":
		return auditIPAddress
	case "userAgent":
		return auditUserAgent
	case "requestId":
		return auditRequestID
	case "layer":
		return auditLayer
	case "eventId":
		return auditEventID
	}
	return 0
}

// member reads the value of a key.
func (d *auditDecoder) member(bit uint32, key []byte) error {
	e := &d.entry
	switch bit {
	case auditAction:
		return d.name("action", &e.Action)
	case auditTimestamp:
		return d.timestamp()
	case auditUserID:
		return d.name("userId", &e.ActorID)
	case auditUser:
		return d.actor()
	case auditUsername:
		return d.name("username", &e.ActorName)
	case auditTargetType:
		return d.name("targetType", &d.target.Type)
	case auditTargetID:
		return d.name("targetId", &d.target.ID)
	case auditTargetName:
		return d.name("targetName", &d.target.Name)
	case auditTargets:
		return d.list()
	case auditDetail:
		return d.string("detail", &e.Detail, schema.MaxDetailBytes)
	case auditDetails:
		return d.details()
	case auditPlatform:
		return d.name("platform", &e.Platform)
	case auditSerial:
		return d.name("serial", &e.Device)
	case auditIPAddress:
		return d.name("ipAddress", &e.Extra.IPAddress)
	case auditUserAgent:
		return d.name("userAgent", &e.Extra.UserAgent)
	case auditRequestID:
		return d.name("requestId", &e.RequestID)
	case auditLayer:
		return d.name("layer", &e.Extra.Layer)
	case auditEventID:
		return d.name("eventId", &d.eventID)
	}
	return d.unknown(key)
}

// timestamp reads Unix milliseconds, or a text of ISO 8601.
func (d *auditDecoder) timestamp() error {
	switch c := d.Peek(); {
	case c == '"':
		value, err := d.String()
		if err != nil {
			return err
		}
		d.TakeFlaw() // what has one is no time
		d.date(text(value))
		return nil
	case c != '-' && c-'0' > 9:
		return d.other("timestamp", auditTime)
	}
	ms, ok, err := d.Integer()
	if err != nil {
		return err
	}
	if !ok {
		d.blame("timestamp", "TYPE", auditTime)
		return nil
	}
	d.time(ms)
	return nil
}

const auditTime = "must be an integer of Unix milliseconds, or a text such as 2026-02-12T08:03:20.000Z"

// isoForms are the forms of ISO 8601 that a timestamp may have besides RFC 3339's: seconds, offset and time may be left out.
// What has no offset is UTC. Go takes a fraction of the seconds in each of them.
var isoForms = [...]string{
	"2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly,
}

func (d *auditDecoder) date(value string) {
	at, err := time.Parse(time.RFC3339, value)
	for i := 0; err != nil && i < len(isoForms); i++ {
		at, err = time.Parse(isoForms[i], value)
	}
	if err != nil {
		d.blame("timestamp", "SYNTAX", auditTime)
		return
	}
	d.time(at.UnixMilli())
}

// unknown refuses a key that the dialect has no field for: a misspelt name must not lose what it stands for.
func (d *auditDecoder) unknown(key []byte) error {
	d.flawed("key")
	d.blame(shown(key), "UNKNOWN", "is not a field of an entry")
	return d.pass()
}
