package service

import (
	"fmt"
	"strings"
)

// Setting is one row of the documentation.
type Setting struct {
	Flag, Env, Default, Help string
}

// SettingsOf are the settings in cfg, a struct of flags, in its order. Flags that only print something are left out.
func SettingsOf(cfg any) ([]Setting, error) {
	parser, err := newParser("settings", "", cfg)
	if err != nil {
		return nil, err
	}
	var all []Setting
	for _, f := range flagsOf(parser.Model.Node) {
		if len(f.Envs) == 0 {
			continue
		}
		s := Setting{Flag: "--" + f.Name, Env: f.Envs[0], Default: f.Default, Help: f.Help}
		if secret(f) {
			s.Env += ", " + s.Env + "_FILE"
		}
		if s.Default == "" && f.IsBool() {
			s.Default = "false"
		}
		all = append(all, s)
	}
	return all, nil
}

// Markdown is s as a row of a table: flag, variables, default, help.
func (s Setting) Markdown() string {
	envs := strings.Split(s.Env, ", ")
	def := ""
	if s.Default != "" {
		def = "`" + s.Default + "`"
	}
	return fmt.Sprintf("| `%s` | `%s` | %s | %s |", s.Flag, strings.Join(envs, "` `"), def, s.Help)
}
