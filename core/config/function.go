package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxFile is how many bytes file("path") may give.
const maxFile = 64 << 10

// secretMark marks values that came from env or file. It survives templates:
// "Bearer ${env("TOKEN")}" is marked too.
type secretMark struct{}

// functions makes env and file callable. There are no others, and no variables.
func (r *reader) functions() {
	r.eval = &hcl.EvalContext{Functions: map[string]function.Function{
		"env": secretFunction("name", func(name string) (string, error) {
			s, err := environment(name)
			r.inputs = append(r.inputs, fmt.Sprintf("env %q %q %v", name, s, err))
			return s, err
		}),
		"file": secretFunction("path", func(p string) (string, error) {
			p = r.path(p)
			s, err := content(p)
			r.files = append(r.files, p)
			r.inputs = append(r.inputs, fmt.Sprintf("file %q %q %v", p, s, err))
			return s, err
		}),
	}}
}

func secretFunction(param string, f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: param, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(s).Mark(secretMark{}), nil
		},
	})
}

func environment(name string) (string, error) {
	v, ok := os.LookupEnv(name)
	switch {
	case !ok:
		return "", fmt.Errorf("environment variable %q is not set", name)
	case v == "":
		return "", fmt.Errorf("environment variable %q is empty", name)
	}
	return v, nil
}

// content returns the text of a file without the line break at its end.
func content(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // reading a pipe could hang
		return "", fmt.Errorf("%s is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	switch {
	case len(b) > maxFile:
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	case !utf8.Valid(b):
		return "", fmt.Errorf("%s is not UTF-8 text", path)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if s == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return s, nil
}
