package scaffold

// WithoutSource returns the go.mod of a project as on a machine where the
// gateway's source is not.
func WithoutSource(o Options) (string, error) {
	p := &Project{Name: o.Name, Kind: o.Kind, Lang: "go", Module: "example.org/" + o.Name}
	if err := p.useModule(o.Version); err != nil {
		return "", err
	}
	mod, err := p.execute("templates/go/go.mod.tmpl")
	return string(mod), err
}
