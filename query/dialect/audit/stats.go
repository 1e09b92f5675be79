package audit

import (
	"errors"
	"net/http"
	"time"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/query/dialect/internal/request"
	"github.com/activitylog/activitylog/schema"
)

// statistics are counts of entries. Total is always the sum of the groups' counts and Other, which counts the values that are not
// among the top. An entry without a value is not counted. By targetType, an entry with targets of several types is counted under
// each type.
type statistics struct {
	GroupBy  *string `json:"groupBy"`
	Interval *string `json:"interval"`
	Total    uint64  `json:"total"`
	Groups   []group `json:"groups"`
	Other    uint64  `json:"other"`
}

type group struct {
	Bucket string  `json:"bucket,omitempty"` // beginning of the interval, if there is one
	Value  *string `json:"value,omitempty"`  // if there is a groupBy
	Count  uint64  `json:"count"`
}

var dimensions = map[string]query.Dimension{
	"": query.ByNothing, "action": query.ByAction, "platform": query.ByPlatform, "device": query.ByDevice, "actor": query.ByActor,
	"username": query.ByUsername, "targetType": query.ByTargetType,
}

var intervals = map[string]time.Duration{
	"": 0, "1s": time.Second, "10s": 10 * time.Second, "1m": time.Minute, "5m": 5 * time.Minute, "1h": time.Hour, "1d": 24 * time.Hour,
}

const defaultTop = 10

func (a *API) stats(_ http.ResponseWriter, r *http.Request) (*answer, error) {
	q, err := parseStatistics(r)
	if err != nil {
		return nil, err
	}
	if err := request.Await(r, a.store); err != nil {
		return nil, err
	}
	s, err := a.store.Stats(r.Context(), q)
	if err != nil {
		return nil, err
	}
	v := r.URL.Query()
	out := statistics{GroupBy: known(v.Get("groupBy")), Interval: known(v.Get("interval")), Total: s.Total, Groups: make([]group, len(s.Groups)), Other: s.Other}
	for i, g := range s.Groups {
		out.Groups[i] = groupOf(q, g)
	}
	return success(out), nil
}

func parseStatistics(r *http.Request) (query.Statistics, error) {
	f, faults := parseFilter(r)
	v := r.URL.Query()
	q := query.Statistics{Filter: f, Contains: v.Get("contains")}
	var found1, found2 bool
	var err1, err2, err3, err4 error
	if q.By, found1 = dimensions[v.Get("groupBy")]; !found1 {
		err1 = &schema.FieldError{Field: "groupBy", Code: "ENUM", Issue: "must be action, platform, device, actor, username or targetType"}
	}
	if q.Interval, found2 = intervals[v.Get("interval")]; !found2 {
		err2 = &schema.FieldError{Field: "interval", Code: "ENUM", Issue: "must be 1s, 10s, 1m, 5m, 1h or 1d"}
	}
	q.Top, err3 = request.Limit("top", v.Get("top"), defaultTop)
	if q.Contains != "" && q.By == query.ByNothing {
		err4 = &schema.FieldError{Field: "contains", Code: "CONFLICT", Issue: "needs groupBy"}
	} else {
		err4 = schema.CheckText("contains", q.Contains, schema.MaxNameBytes)
	}
	return q, errors.Join(faults, err1, err2, err3, err4)
}

func groupOf(q query.Statistics, g query.Group) group {
	out := group{Count: g.Count}
	if q.Interval != 0 {
		out.Bucket = time.UnixMilli(g.Bucket).UTC().Format(isoMillis)
	}
	if q.By != query.ByNothing {
		out.Value = &g.Value
	}
	return out
}
