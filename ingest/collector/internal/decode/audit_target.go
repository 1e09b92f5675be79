package decode

import (
	"strconv"

	"github.com/activitylog/activitylog/schema"
)

// The keys of a user and of a target, as bits.
const (
	auditID = 1 << iota
	auditName
	auditKind
	auditType
	auditAccount
)

// actor reads the member user.
func (d *auditDecoder) actor() error {
	if d.Peek() != '{' {
		return d.wrongType("user", "must be an object")
	}
	d.within = "user"
	var o object
	for {
		key, more, err := d.next(&o)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := d.actorMember(&o, key); err != nil {
			return err
		}
	}
	d.within = ""
	return nil
}

func (d *auditDecoder) actorMember(o *object, key []byte) error {
	switch string(key) {
	case "id":
		d.once(o, auditID, key)
		return d.name("id", &d.user.id)
	case "username":
		d.once(o, auditAccount, key)
		return d.name("username", &d.user.username)
	case "name":
		d.once(o, auditName, key)
		return d.name("name", &d.entry.Extra.ActorLabel)
	case "kind":
		d.once(o, auditKind, key)
		return d.name("kind", &d.entry.ActorKind)
	}
	return d.unknown(key)
}

// list reads the member targets.
func (d *auditDecoder) list() error {
	if d.Peek() != '[' {
		return d.wrongType("targets", "must be an array")
	}
	d.several, d.within = true, "targets"
	d.Take('[')
	for more := !d.Take(']'); more; {
		d.element++
		err := d.listElement()
		if err == nil {
			more, err = d.Next(']')
		}
		if err != nil {
			return err
		}
	}
	d.within, d.element = "", 0
	return nil
}

// listElement reads one element of targets.
func (d *auditDecoder) listElement() error {
	if d.Peek() != '{' {
		d.blame("", "TYPE", "must be an object")
		return d.ignore()
	}
	var t schema.Target
	var o object
	for {
		key, more, err := d.next(&o)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := d.targetMember(&o, key, &t); err != nil {
			return err
		}
	}
	d.keepTarget(t)
	return nil
}

func (d *auditDecoder) targetMember(o *object, key []byte, t *schema.Target) error {
	switch string(key) {
	case "type":
		d.once(o, auditType, key)
		return d.name("type", &t.Type)
	case "id":
		d.once(o, auditID, key)
		return d.name("id", &t.ID)
	case "name":
		d.once(o, auditName, key)
		return d.name("name", &t.Name)
	}
	return d.unknown(key)
}

func (d *auditDecoder) keepTarget(t schema.Target) {
	switch {
	case t.Type == "":
		d.blame("type", "REQUIRED", "is required")
	case t.ID == "":
		d.blame("id", "REQUIRED", "is required")
	case len(d.targets) == schema.MaxTargets:
		d.blame("", "TOO_MANY", "is one too many: at most "+strconv.Itoa(schema.MaxTargets)+" targets")
	default:
		d.targets = append(d.targets, t)
	}
}

// setTargets gives the entry its targets: those of the list, or the one of targetType, targetId and targetName.
func (d *auditDecoder) setTargets() {
	t := d.target
	switch {
	case t == (schema.Target{}):
	case d.several:
		d.blame("targets", "CONFLICT", "must not be given beside targetType and targetId")
	case t.Type == "":
		d.blame("targetType", "REQUIRED", "is required with targetId and targetName")
	case t.ID == "":
		d.blame("targetId", "REQUIRED", "is required with targetType")
	default:
		d.targets = append(d.targets, t)
	}
	if len(d.targets) > 0 {
		d.entry.Targets = d.targets
	}
}
