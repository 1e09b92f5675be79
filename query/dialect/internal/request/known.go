package request

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/activitylog/activitylog/schema"
)

// always are parameters that every request may have: identity reads the tenant, and every read takes a position.
var always = []string{"tenant", "position"}

// Known returns r's parameters. It refuses a parameter that is not among names, because an ignored filter would show, count or erase more
// than was asked for. It also refuses a parameter that is given more than once, unless its name ends in "!", which excludes entries.
func Known(r *http.Request, names ...string) (url.Values, error) {
	v, err := Values(r)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if strings.TrimSpace(name) == "" {
			return nil, &schema.FieldError{Field: "query", Code: "UNKNOWN", Issue: "has a value without a name: this request " + takes(names)}
		}
		if !slices.Contains(names, name) && !slices.ContainsFunc(always, func(a string) bool { return strings.EqualFold(a, name) }) {
			return nil, &schema.FieldError{Field: shown(name), Code: "UNKNOWN", Issue: "is not a parameter of this request" + hint(name, names)}
		}
		if len(v[name]) > 1 && !strings.HasSuffix(name, "!") {
			return nil, &schema.FieldError{Field: name, Code: "CONFLICT", Issue: "is given more than once"}
		}
	}
	return v, nil
}

// shown is the part of a caller's name for something that an error shows.
func shown(name string) string {
	const most = 64
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) <= most {
		return name
	}
	end := most
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}

// hint names the parameter that was probably meant, or otherwise all parameters.
func hint(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return ": did you mean " + near + "?"
	}
	return ", which " + takes(names)
}

func takes(names []string) string {
	if len(names) == 0 {
		return "takes none"
	}
	return "takes " + strings.Join(names, ", ")
}

// alike lists names for the same parameter in several APIs, in lower case and without separators.
var alike = [][]string{
	{"serial", "serialnumber", "serialno", "sn", "device", "deviceid", "deviceserial"},
	{"start", "startdate", "starttime", "from", "fromdate", "since", "after"},
	{"end", "enddate", "endtime", "to", "todate", "until", "before"},
	{"action", "actiontype", "activitytype", "event", "eventtype", "type"},
	{"username", "userid", "user", "actor", "actorid", "businessuserid"},
	{"limit", "pagesize", "size", "perpage", "itemsperpage", "max", "top"},
	{"offset", "page", "skip"},
	{"order", "sort", "sortby", "orderby", "direction"},
	{"search", "q", "query", "text", "contains"},
	{"cursor", "nexttoken", "nextcursor", "token", "pagetoken"},
	{"lasteventid", "cursor"},
}

// nearest returns the one of names that is spelt almost like name or means the same; empty if there is none.
func nearest(name string, names []string) string {
	name = plain(shown(name))
	for _, known := range names {
		if plain(known) == name {
			return known
		}
	}
	best, distance := "", max(1, len(name)/3)+1
	for _, known := range names {
		if d := schema.Edits(name, plain(known)); d < distance {
			best, distance = known, d
		}
	}
	if best != "" {
		return best
	}
	for _, group := range alike {
		if !slices.Contains(group, name) {
			continue
		}
		for _, known := range names {
			if slices.Contains(group, plain(known)) {
				return known
			}
		}
	}
	return ""
}

func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
}
