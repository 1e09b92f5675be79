package audit

import (
	"net/http"
	"slices"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/reply"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/api"
)

const statusPath = "/api/v1/status"

// state says who the caller is, what it may do, and whether the service works.
type state struct {
	Tenant        string   `json:"tenant"`
	Subject       string   `json:"subject"`
	Roles         []string `json:"roles"`
	Scopes        []string `json:"scopes"`
	Kafka         bool     `json:"kafka"`
	ClickHouse    bool     `json:"clickhouse"`
	Behind        *int64   `json:"behindRecords"` // null without Kafka
	ReceivedToday *uint64  `json:"receivedToday"` // null without ClickHouse
}

// status answers every caller with the scope read, whatever its role.
func (a *API) status(w http.ResponseWriter, r *http.Request) {
	id := api.RequestID(r.Header)
	w.Header().Set(api.RequestIDHeader, id)
	p, err := schema.PrincipalOf(r.Context())
	if err == nil {
		err = p.Require(schema.ScopeRead)
	}
	if err == nil {
		_, err = request.Known(r)
	}
	var s query.Status
	if err == nil {
		s, err = a.store.Status(r.Context(), p)
	}
	if err != nil {
		a.refuse(w, r, id, err)
		return
	}
	out := state{Tenant: p.Tenant, Subject: p.Subject, Roles: slices.Clone(p.Roles), Scopes: []string{}, Kafka: s.Kafka, ClickHouse: s.ClickHouse}
	if out.Roles == nil {
		out.Roles = []string{}
	}
	for _, scope := range schema.Scopes() {
		if slices.Contains(p.Scopes, scope) {
			out.Scopes = append(out.Scopes, string(scope))
		}
	}
	if s.Kafka {
		out.Behind = &s.Behind
	}
	if s.ClickHouse {
		out.ReceivedToday = &s.Received
	}
	reply.Send(w, http.StatusOK, "application/json; charset=utf-8", reply.JSON(success(out)))
}
