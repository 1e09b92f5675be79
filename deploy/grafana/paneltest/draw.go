package paneltest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// ErrEmpty is the error of a panel that has nothing to draw.
var ErrEmpty = errors.New("there is nothing to draw")

// Empty reports whether err says only that there is nothing to draw.
func Empty(err error) bool { return errors.Is(err, ErrEmpty) }

// Drawable returns why a panel cannot draw frames, or nil.
func Drawable(p *Panel, frames data.Frames) error {
	frames = slices.DeleteFunc(slices.Clone(frames), func(f *data.Frame) bool { return f.Rows() == 0 })
	if len(frames) == 0 {
		return ErrEmpty
	}
	check, ok := map[string]func(*Panel, *data.Frame) error{
		"stat": drawStat, "timeseries": drawSeries, "table": drawTable, "heatmap": drawHeatmap, "state-timeline": drawStates,
	}[p.Type]
	if !ok {
		return fmt.Errorf("the test does not know panels of type %q", p.Type)
	}
	shown := false
	for _, f := range frames {
		if _, err := data.FrameToJSON(f, data.IncludeAll); err != nil {
			return fmt.Errorf("encode the frame: %w", err)
		}
		switch err := check(p, f); {
		case errors.Is(err, ErrEmpty):
		case err != nil:
			return err
		default:
			shown = true
		}
	}
	if !shown {
		return ErrEmpty
	}
	return nil
}

// drawStat wants a value: a number, or anything if the panel takes all fields.
func drawStat(p *Panel, f *data.Frame) error {
	fields := numbersOf(f)
	if p.Options.ReduceOptions.Fields != "" {
		fields = f.Fields
	}
	if len(fields) == 0 {
		return fmt.Errorf("a stat needs a number, the frame has %s", describe(f))
	}
	return anyValue(fields)
}

// drawSeries wants times in order, and numbers. Texts would be drawn as nothing: the query should have made series of them.
func drawSeries(_ *Panel, f *data.Frame) error {
	if err := inOrder(f); err != nil {
		return err
	}
	fields := numbersOf(f)
	if len(fields) == 0 || len(fields) != len(f.Fields)-1 {
		return fmt.Errorf("a time series needs one time and numbers, the frame has %s", describe(f))
	}
	return anyValue(fields)
}

// drawTable wants a field for each override: one that matches nothing was written for a column that there was.
func drawTable(p *Panel, f *data.Frame) error {
	for _, o := range p.FieldConfig.Overrides {
		if field, _ := f.FieldByName(o.Matcher.Options); o.Matcher.ID == "byName" && field == nil {
			return fmt.Errorf("an override is for the column %q, the frame has %s", o.Matcher.Options, describe(f))
		}
	}
	return nil
}

// drawHeatmap wants a column for each bucket of the vertical axis.
func drawHeatmap(p *Panel, f *data.Frame) error {
	if p.Options.Calculate {
		return errors.New("the test does not know heat maps that calculate their buckets")
	}
	if err := inOrder(f); err != nil {
		return err
	}
	fields := numbersOf(f)
	if len(fields) < 2 || len(fields) != len(f.Fields)-1 {
		return fmt.Errorf("a heat map needs one time and a number for each bucket, the frame has %s", describe(f))
	}
	return anyValue(fields)
}

// drawStates wants times in order, and something that changes.
func drawStates(_ *Panel, f *data.Frame) error {
	if err := inOrder(f); err != nil {
		return err
	}
	if len(f.Fields) < 2 {
		return fmt.Errorf("a timeline needs a time and a state, the frame has %s", describe(f))
	}
	return anyValue(f.Fields[1:])
}

func numbersOf(f *data.Frame) (all []*data.Field) {
	for _, x := range f.Fields {
		if x.Type().Numeric() {
			all = append(all, x)
		}
	}
	return all
}

// anyValue is nil if one of the fields has a value. NaN, the quotient of nothing and nothing, is none.
func anyValue(fields []*data.Field) error {
	for _, f := range fields {
		for i := range f.Len() {
			v, ok := f.ConcreteAt(i)
			if number, isNumber := v.(float64); ok && (!isNumber || !math.IsNaN(number)) {
				return nil
			}
		}
	}
	return ErrEmpty
}

// inOrder is nil if the first field is the only time, and rises.
func inOrder(f *data.Frame) error {
	times := f.TypeIndices(data.FieldTypeTime, data.FieldTypeNullableTime)
	if len(times) != 1 || times[0] != 0 {
		return fmt.Errorf("the first field must be the time, the frame has %s", describe(f))
	}
	for i := 1; i < f.Rows(); i++ {
		before, _ := f.Fields[0].ConcreteAt(i - 1)
		at, ok := f.Fields[0].ConcreteAt(i)
		if !ok || at.(time.Time).Before(before.(time.Time)) {
			return fmt.Errorf("row %d: the time %v comes after %v", i, at, before)
		}
	}
	return nil
}

func describe(f *data.Frame) string {
	var fields []string
	for _, x := range f.Fields {
		fields = append(fields, fmt.Sprintf("%s (%s)", x.Name, x.Type()))
	}
	return fmt.Sprintf("%d rows of %s", f.Rows(), strings.Join(fields, ", "))
}
