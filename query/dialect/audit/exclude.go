package audit

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/activitylog/activitylog/query"
	"github.com/activitylog/activitylog/schema"
)

// exclusions are filters for values that entries must not have, as in platform!=reddit. Each may be given several times.
var exclusions = []struct {
	name string
	by   query.Dimension
}{
	{"action!", query.ByAction},
	{"platform!", query.ByPlatform},
	{"serial!", query.ByDevice},
	{"username!", query.ByUsername},
	{"targetType!", query.ByTargetType},
}

// parseExclusions reads the values that entries must not have. An empty value means no filter.
func parseExclusions(v url.Values, f *query.Filter) error {
	var faults []error
	for _, x := range exclusions {
		for _, value := range v[x.name] {
			if value == "" {
				continue
			}
			faults = append(faults, schema.CheckText(x.name, value, schema.MaxNameBytes))
			if !f.Exclude(query.Exclusion{By: x.by, Value: value}) {
				return &schema.FieldError{Field: x.name, Code: "TOO_MANY", Issue: fmt.Sprintf("at most %d values can be excluded", query.MaxExclusions)}
			}
		}
	}
	return errors.Join(faults...)
}
