package decode

import (
	"github.com/activitylog/activitylog/ingest/collector/internal/decode/scan"
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

// auditDecoder decodes audit entries, one at a time.
type auditDecoder struct {
	fields

	user struct{ id, username string } // of the member user; the entry has those of userId and username

	target  schema.Target   // of targetType, targetId and targetName
	targets []schema.Target // of targets
	several bool            // targets was given
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
		if err := d.member(&o, key); err != nil {
			return err
		}
	}
	d.oneOf(&d.entry.ActorID, "userId", d.user.id, "user.id")
	d.oneOf(&d.entry.ActorName, "username", d.user.username, "user.username")
	d.setTargets()
	d.finish("action")
	return nil
}

// oneOf fills a field that has two names. Two different values are refused, because neither takes precedence.
func (d *auditDecoder) oneOf(to *string, name, value, other string) {
	switch {
	case *to == "":
		*to = value
	case value != "" && value != *to:
		d.blame(other, "CONFLICT", "is not "+name)
	}
}

// member reads the value of a key.
func (d *auditDecoder) member(o *object, key []byte) error {
	e := &d.entry
	switch string(key) {
	case "action":
		d.once(o, auditAction, key)
		return d.name("action", &e.Action)
	case "timestamp":
		d.once(o, auditTimestamp, key)
		return d.timestamp()
	case "userId":
		d.once(o, auditUserID, key)
		return d.name("userId", &e.ActorID)
	case "user":
		d.once(o, auditUser, key)
		return d.actor()
	case "username":
		d.once(o, auditUsername, key)
		return d.name("username", &e.ActorName)
	case "targetType":
		d.once(o, auditTargetType, key)
		return d.name("targetType", &d.target.Type)
	case "targetId":
		d.once(o, auditTargetID, key)
		return d.name("targetId", &d.target.ID)
	case "targetName":
		d.once(o, auditTargetName, key)
		return d.name("targetName", &d.target.Name)
	case "targets":
		d.once(o, auditTargets, key)
		return d.list()
	case "detail":
		d.once(o, auditDetail, key)
		return d.string("detail", &e.Detail, schema.MaxDetailBytes)
	case "details":
		d.once(o, auditDetails, key)
		return d.details()
	case "platform":
		d.once(o, auditPlatform, key)
		return d.name("platform", &e.Platform)
	case "serial":
		d.once(o, auditSerial, key)
		return d.name("serial", &e.Device)
	case "ipAddress":
		d.once(o, auditIPAddress, key)
		return d.name("ipAddress", &e.Extra.IPAddress)
	case "userAgent":
		d.once(o, auditUserAgent, key)
		return d.name("userAgent", &e.Extra.UserAgent)
	case "requestId":
		d.once(o, auditRequestID, key)
		return d.name("requestId", &e.RequestID)
	case "layer":
		d.once(o, auditLayer, key)
		return d.name("layer", &e.Extra.Layer)
	case "eventId":
		d.once(o, auditEventID, key)
		return d.key("eventId")
	}
	return d.unknown(key)
}

// unknown refuses a key that the dialect has no field for: a misspelt name must not lose its value.
func (d *auditDecoder) unknown(key []byte) error {
	d.flawed("key", scan.Surrogate)
	d.blame(shown(key), "UNKNOWN", "is not a field of an entry")
	return d.ignore()
}
