package service

import "github.com/alecthomas/kong"

// Setting describes a flag and its environment variables.
type Setting struct {
	Flag, Default, Help string
	Env                 []string
}

// describe lists every setting once. Flags that only print something, such as --version, have no variable and are left out.
func describe(parser *kong.Kong) []Setting {
	var all []Setting
	seen := map[string]bool{}
	for _, f := range flagsOf(parser.Model.Node) {
		if len(f.Envs) == 0 || seen[f.Name] {
			continue
		}
		seen[f.Name] = true
		s := Setting{Flag: "--" + f.Name, Default: f.Default, Help: f.Help, Env: f.Envs}
		if secret(f) {
			s.Env = append(s.Env, f.Envs[0]+"_FILE")
		}
		if s.Default == "" && f.IsBool() {
			s.Default = "false"
		}
		all = append(all, s)
	}
	return all
}
