package flow

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/core"
)

// typedParams reads the parameters of a flow, which come as texts; what it
// returns is JSON. What the flow does not know is left out, and blank is absent.
func typedParams(def *core.FlowDef, given map[string]string) (map[string]string, error) {
	typed, size := map[string]string{}, 0
	for _, p := range def.Params {
		text := strings.TrimSpace(given[p.Name])
		if text == "" {
			if !p.Optional {
				return nil, fmt.Errorf("the parameter %q is missing", p.Name)
			}
			continue
		}
		value, err := typedParam(p, given[p.Name])
		if err != nil {
			return nil, err
		}
		typed[p.Name] = value
		if size += len(p.Name) + len(value); size > maxMemory {
			return nil, fmt.Errorf("its parameters are longer than %d bytes", maxMemory)
		}
	}
	return typed, nil
}

func typedParam(p core.FlowParam, text string) (string, error) {
	wrong := func(what string) error {
		return fmt.Errorf("the parameter %q is %.40q, not %s", p.Name, text, what)
	}
	var v any = text
	switch p.Type {
	case core.NumberParam:
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return "", wrong("a number")
		}
		v = n
	case core.BoolParam:
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
		if err != nil {
			return "", wrong("true or false")
		}
		v = b
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", wrong("a " + string(p.Type))
	}
	return string(b), nil
}
