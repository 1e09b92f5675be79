package access

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// answer is the body of a successful request.
type answer struct {
	Data    page   `json:"data"`
	Message string `json:"message"`
}

type page struct {
	Activities []activity `json:"activities"`
	NextToken  *string    `json:"nextToken"` // null on the last page
}

// activity is an entry in this dialect.
type activity struct {
	ID           string          `json:"id"`
	Timestamp    int64           `json:"timestamp"` // Unix ms
	ActivityType string          `json:"activityType"`
	Details      json.RawMessage `json:"details"`
	Platform     string          `json:"platform,omitempty"`
	Serial       string          `json:"serial,omitempty"`
	Username     string          `json:"username,omitempty"`
	IPAddress    string          `json:"ipAddress,omitempty"`
	UserAgent    string          `json:"userAgent,omitempty"`
	RequestID    string          `json:"requestId,omitempty"`
	Layer        string          `json:"layer,omitempty"`
}

// fault is the body of a failed request.
type fault struct {
	Message string `json:"message"`
}

func answerOf(p query.Page) *answer {
	a := &answer{page{Activities: make([]activity, len(p.Entries))}, "Activity logs retrieved successfully"}
	for i := range p.Entries {
		a.Data.Activities[i] = activityOf(&p.Entries[i])
	}
	if p.Next != "" {
		a.Data.NextToken = &p.Next
	}
	return a
}

func activityOf(e *schema.Entry) activity {
	return activity{
		ID: "act-" + strconv.FormatUint(e.ID, 10), Timestamp: e.Timestamp, ActivityType: e.Action, Details: detailsOf(e),
		Platform: e.Platform, Serial: e.Device, Username: e.ActorName,
		IPAddress: e.Extra.IPAddress, UserAgent: e.Extra.UserAgent, RequestID: e.RequestID, Layer: e.Extra.Layer,
	}
}

type target struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// detailsOf returns the entry's details as they were sent. The actor comes before them as userId, userName and userKind; the text comes
// after them as detail and the targets as targets. A member that the details have already is not added.
func detailsOf(e *schema.Entry) json.RawMessage {
	var sent map[string]json.RawMessage
	if e.Details != "" && json.Unmarshal([]byte(e.Details), &sent) != nil {
		sent = map[string]json.RawMessage{"unreadable": reply.JSON(e.Details)} // written by another producer than the collector
		e.Details = string(reply.JSON(sent))
	}
	b := bytes.NewBufferString("{")
	add := func(name string, given bool, value any) {
		if _, has := sent[name]; given && !has {
			join(b, string(reply.JSON(name))+":"+string(reply.JSON(value)))
		}
	}
	name := e.Extra.ActorLabel
	if name == "" {
		name = e.ActorName
	}
	add("userId", e.ActorID != "", e.ActorID)
	add("userName", name != "", name)
	add("userKind", e.ActorKind != "", e.ActorKind)
	if len(sent) > 0 {
		join(b, inner(e.Details))
	}
	add("detail", e.Detail != "", e.Detail)
	var targets []target
	for _, t := range e.Targets {
		targets = append(targets, target(t))
	}
	add("targets", targets != nil, targets)
	b.WriteByte('}')
	return b.Bytes()
}

// join appends members of an object to b.
func join(b *bytes.Buffer, members string) {
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	b.WriteString(members)
}

// inner returns the text between the braces of a JSON object.
func inner(object string) string {
	s := bytes.TrimSpace([]byte(object))
	return string(s[1 : len(s)-1])
}

type endpoint func(http.ResponseWriter, *http.Request) (*answer, error)

// handle writes the answer or the error of an endpoint.
func (a *API) handle(do endpoint) http.HandlerFunc {
	const contentType = "application/json" // as in the API's document
	return func(w http.ResponseWriter, r *http.Request) {
		var done *answer
		err := request.Failure(r)
		if err == nil {
			done, err = do(w, r)
		}
		if err != nil {
			status := reply.Fail(w, r, a.log, err)
			reply.Send(w, status, contentType, reply.JSON(fault{reply.Message(err)}))
			return
		}
		reply.Send(w, http.StatusOK, contentType, reply.JSON(done))
	}
}
