package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// JSON converts a YAML document to JSON. Members keep their order; what is in flow style stays on one line.
func JSON(text []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := write(&b, document.Content[0], 0); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// write appends a node. Unless it is in flow style, each member is on a line of its own, indented by depth+1 spaces.
func write(b *bytes.Buffer, n *yaml.Node, depth int) error {
	switch n.Kind {
	case yaml.MappingNode:
		return list(b, n, depth, "{}", 2, func(at, depth int) error {
			fmt.Fprintf(b, "%q: ", n.Content[at].Value) // member names are plain ASCII
			return write(b, n.Content[at+1], depth)
		})
	case yaml.SequenceNode:
		return list(b, n, depth, "[]", 1, func(at, depth int) error { return write(b, n.Content[at], depth) })
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	b.Truncate(b.Len() - 1) // Encode's newline
	return nil
}

func list(b *bytes.Buffer, n *yaml.Node, depth int, brackets string, step int, item func(at, depth int) error) error {
	flow := n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0
	b.WriteByte(brackets[0])
	for at := 0; at < len(n.Content); at += step {
		switch {
		case at > 0 && flow:
			b.WriteString(", ")
		case at > 0:
			b.WriteByte(',')
		}
		if !flow {
			b.WriteString("\n" + strings.Repeat(" ", depth+1))
		}
		if err := item(at, depth+1); err != nil {
			return err
		}
	}
	if !flow {
		b.WriteString("\n" + strings.Repeat(" ", depth))
	}
	b.WriteByte(brackets[1])
	return nil
}
