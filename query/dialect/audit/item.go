package audit

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/schema"
)

// item is an entry in this dialect.
type item struct {
	ID         string          `json:"id"`
	UserID     *string         `json:"userId"`
	User       *user           `json:"user"`
	Action     string          `json:"action"`
	TargetType *string         `json:"targetType"`
	TargetID   *string         `json:"targetId"`
	Details    json.RawMessage `json:"details"`
	IPAddress  *string         `json:"ipAddress"`
	UserAgent  *string         `json:"userAgent"`
	Layer      *string         `json:"layer"`
	RequestID  *string         `json:"requestId"`
	CreatedAt  string          `json:"createdAt"`
	ReceivedAt string          `json:"receivedAt,omitempty"` // where one entry is shown
	Platform   string          `json:"platform,omitempty"`
	Serial     string          `json:"serial,omitempty"`
	Username   string          `json:"username,omitempty"`
	Targets    []target        `json:"targets,omitempty"` // if there are several, or the only one has a name
	Tenant     string          `json:"tenant,omitempty"`  // if the caller reads across tenants
}

type user struct {
	ID       *string `json:"id"`
	Username *string `json:"username"`
	Name     *string `json:"name"`
	Role     *string `json:"role"`
}

type target struct {
	Type string  `json:"type"`
	ID   string  `json:"id"`
	Name *string `json:"name"`
}

const isoMillis = "2006-01-02T15:04:05.000Z"

// itemFor returns e in this dialect, for the principal p.
func itemFor(p schema.Principal, e *schema.Entry) item {
	it := itemOf(e)
	if p.Tenant == schema.AllTenants {
		it.Tenant = e.Tenant
	}
	return it
}

// itemAlone is e where it is shown alone: with the time when the service received it.
func itemAlone(p schema.Principal, e *schema.Entry) item {
	it := itemFor(p, e)
	it.ReceivedAt = time.UnixMilli(e.ReceivedAt).UTC().Format(isoMillis)
	return it
}

func itemOf(e *schema.Entry) item {
	it := item{
		ID: schema.UUID(e.ID).String(), UserID: known(e.ActorID), User: userOf(e), Action: e.Action, Details: detailsOf(e),
		IPAddress: known(e.Extra.IPAddress), UserAgent: known(e.Extra.UserAgent), Layer: known(e.Extra.Layer),
		RequestID: known(e.RequestID), CreatedAt: time.UnixMilli(e.Timestamp).UTC().Format(isoMillis),
		Platform: e.Platform, Serial: e.Device, Username: e.ActorName,
	}
	switch {
	case len(e.Targets) > 0:
		it.TargetType, it.TargetID = &e.Targets[0].Type, &e.Targets[0].ID
	case e.Device != "":
		device := schema.DeviceTarget
		it.TargetType, it.TargetID = &device, &e.Device
	}
	if len(e.Targets) > 1 || len(e.Targets) == 1 && e.Targets[0].Name != "" {
		for _, t := range e.Targets {
			it.Targets = append(it.Targets, target{t.Type, t.ID, known(t.Name)})
		}
	}
	return it
}

// userOf returns the actor; nil if only its id is known.
func userOf(e *schema.Entry) *user {
	if e.ActorName == "" && e.ActorKind == "" && e.Extra.ActorLabel == "" {
		return nil
	}
	return &user{known(e.ActorID), known(e.ActorName), known(e.Extra.ActorLabel), known(e.ActorKind)}
}

func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// detailsOf returns the entry's details, plus its text as the member detail unless they have a member of that name.
func detailsOf(e *schema.Entry) json.RawMessage {
	var members map[string]json.RawMessage
	if e.Details != "" && json.Unmarshal([]byte(e.Details), &members) != nil {
		return object("unreadable", e.Details) // written by another producer than the collector
	}
	_, has := members["detail"]
	switch {
	case e.Detail == "" && e.Details == "":
		return nil
	case e.Detail == "" || has:
		return json.RawMessage(e.Details)
	case len(members) == 0:
		return object("detail", e.Detail)
	}
	head := bytes.TrimRight([]byte(e.Details), " \t\r\n")
	head[len(head)-1] = ','
	return append(head, object("detail", e.Detail)[1:]...)
}

func object(name, text string) json.RawMessage {
	return reply.JSON(map[string]string{name: text})
}
