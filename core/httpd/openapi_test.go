package httpd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/openccsp/gateway/core/httpd"
)

type apiDoc struct {
	OpenAPI string                                `json:"openapi"`
	Paths   map[string]map[string]json.RawMessage `json:"paths"`
}

type apiOperation struct {
	ID         string            `json:"operationId"`
	Summary    string            `json:"summary"`
	Security   *[]map[string]any `json:"security"`
	Parameters []struct {
		Ref, Name, In string
	} `json:"parameters"`
	Responses map[string]apiResponse `json:"responses"`
}

type apiResponse struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Schema struct {
			Ref string `json:"$ref"`
		} `json:"schema"`
	} `json:"content"`
}

func readAPI(t *testing.T) (operations map[string]apiOperation) {
	t.Helper()
	var doc apiDoc
	if err := json.Unmarshal(httpd.OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi %q, want 3.1.0", doc.OpenAPI)
	}
	operations = map[string]apiOperation{}
	for path, item := range doc.Paths {
		_, hasParameters := item["parameters"]
		if strings.Contains(path, "{") != hasParameters {
			t.Errorf("%s: its parameters and its path differ", path)
		}
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op apiOperation
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			operations[strings.ToUpper(method)+" "+path] = op
		}
	}
	return operations
}

// TestOpenAPIListsEveryRoute keeps routes and description equal, also in which
// of them need the token.
func TestOpenAPIListsEveryRoute(t *testing.T) {
	described, ids := map[string]bool{}, map[string]string{}
	for route, op := range readAPI(t) {
		described[route] = op.Security != nil && len(*op.Security) == 0
		if other := ids[op.ID]; op.ID == "" || op.Summary == "" || other != "" {
			t.Errorf("%s: operationId %q (also %q), summary %q", route, op.ID, other, op.Summary)
		}
		ids[op.ID] = route
	}
	if d := cmp.Diff(httpd.Routes(), described); d != "" {
		t.Errorf("routes (-code +openapi.json; true: open):\n%s", d)
	}
}

// TestOpenAPIReferences looks for references to nothing, and for what nothing
// refers to.
func TestOpenAPIReferences(t *testing.T) {
	var doc any
	if err := json.Unmarshal(httpd.OpenAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	refs := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				refs[ref] = true
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(doc)
	defined := map[string]bool{}
	for kind, named := range doc.(map[string]any)["components"].(map[string]any) {
		for name := range named.(map[string]any) {
			if kind != "securitySchemes" {
				defined["#/components/"+kind+"/"+name] = true
			}
		}
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(defined)), slices.Sorted(maps.Keys(refs))); d != "" {
		t.Errorf("components (-defined +referred to):\n%s", d)
	}
}

// schemas returns a function that checks a response against openapi.json.
func schemas(t *testing.T) func(t *testing.T, method, path string, got reply) {
	t.Helper()
	operations := readAPI(t)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(httpd.OpenAPI()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	var compiling sync.Mutex
	return func(t *testing.T, method, path string, got reply) {
		t.Helper()
		ref := "#/components/schemas/Error"
		if got.StatusCode < 400 {
			response, ok := describedResponse(operations, method, path, fmt.Sprint(got.StatusCode))
			if !ok {
				t.Errorf("openapi.json has no %d for %s %s", got.StatusCode, method, path)
				return
			}
			if ref = response.Content["application/json"].Schema.Ref; ref == "" {
				return // no JSON of ours
			}
		}
		compiling.Lock()
		schema, err := c.Compile("openapi.json" + ref)
		compiling.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(got.body))
		if err != nil {
			t.Fatalf("%s: %v", got.body, err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s is not as %s says: %v", got.body, ref, err)
		}
	}
}

func describedResponse(operations map[string]apiOperation, method, path, code string) (apiResponse, bool) {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(path, "/")
	for route, op := range operations {
		m, pattern, _ := strings.Cut(route, " ")
		want := strings.Split(pattern, "/")
		if m != method || len(want) != len(parts) {
			continue
		}
		same := true
		for i := range want {
			same = same && (want[i] == parts[i] || strings.HasPrefix(want[i], "{") && parts[i] != "replay")
		}
		if same {
			r, ok := op.Responses[code]
			return r, ok
		}
	}
	return apiResponse{}, false
}
