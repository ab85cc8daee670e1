package httpd

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/openccsp/gateway/core"
	"github.com/openccsp/gateway/core/store"
)

// Bounds on parameters.
const (
	maxLimit     = 200
	defaultLimit = 50
	maxParam     = 1024 // bytes
)

// param returns the path parameter name, unescaped.
func param(r *fasthttp.RequestCtx, name string) (string, error) {
	raw, _ := r.UserValue(name).(string)
	s, err := url.PathUnescape(raw)
	if err != nil || s == "" || len(s) > maxParam || !utf8.ValidString(s) {
		return "", core.Errorf(core.Invalid, "the %s in the path is not valid", name)
	}
	return s, nil
}

// conversationID returns the path parameter id.
func conversationID(r *fasthttp.RequestCtx) (core.ConversationID, error) {
	s, err := param(r, "id")
	if err != nil {
		return core.ConversationID{}, err
	}
	return core.ParseConversationID(s)
}

// query checks the query's parameters: each at most once, none but known.
func query(r *fasthttp.RequestCtx, known ...string) (map[string]string, error) {
	values := map[string]string{}
	for k, v := range r.QueryArgs().All() {
		name := string(k)
		_, twice := values[name]
		switch {
		case !slices.Contains(known, name):
			return nil, core.Errorf(core.Invalid, "unknown parameter %.40q; known are %s", name, strings.Join(known, ", "))
		case twice:
			return nil, core.Errorf(core.Invalid, "parameter %s is given twice", name)
		case len(v) > maxParam || !utf8.Valid(v):
			return nil, core.Errorf(core.Invalid, "parameter %s is not valid", name)
		}
		values[name] = string(v)
	}
	return values, nil
}

// window is the part of a list that is asked for.
type window struct {
	after string
	limit int
}

// listQuery returns the window and the other known parameters.
func listQuery(r *fasthttp.RequestCtx, known ...string) (window, map[string]string, error) {
	values, err := query(r, append(known, "limit", "after")...)
	if err != nil {
		return window{}, nil, err
	}
	w := window{after: values["after"], limit: defaultLimit}
	if s := values["limit"]; s != "" {
		if w.limit, err = strconv.Atoi(s); err != nil || w.limit < 1 || w.limit > maxLimit {
			return window{}, nil, core.Errorf(core.Invalid, "limit %.20q is not a number from 1 to %d", s, maxLimit)
		}
	}
	return w, values, nil
}

// listBody is every list's response.
type listBody[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // what to give as after
}

func writeList[T, U any](r *fasthttp.RequestCtx, p store.Page[T], show func(T) U) error {
	b := listBody[U]{Items: make([]U, 0, len(p.Items)), Next: p.Next}
	for _, item := range p.Items {
		b.Items = append(b.Items, show(item))
	}
	writeJSON(r, fasthttp.StatusOK, b)
	return nil
}

// decode reads the body, one JSON value without unknown fields, into v.
func decode(r *fasthttp.RequestCtx, v any) error {
	kind, _, err := mime.ParseMediaType(string(r.Request.Header.ContentType()))
	if err != nil || kind != "application/json" {
		return core.Errorf(unsupported, "the body must be application/json")
	}
	body, _ := r.UserValue(bodyKey{}).([]byte)
	if !utf8.Valid(body) {
		return core.Errorf(core.Invalid, "the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return jsonProblem(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return core.Errorf(core.Invalid, "the body has more than one JSON value")
	}
	return nil
}

// jsonProblem says what is wrong with a body in our own words.
func jsonProblem(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return core.Errorf(core.Invalid, "the body is not JSON: problem at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field == "" {
			return core.Errorf(core.Invalid, "the body must be a JSON object")
		}
		return core.Errorf(core.Invalid, "field %q must be a %s, not a %s", e.Field, e.Type, e.Value)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return core.Errorf(core.Invalid, "unknown field %.60s", field)
	}
	return core.Errorf(core.Invalid, "the body is not a complete JSON value")
}

func hasBody(r *fasthttp.RequestCtx) bool {
	body, _ := r.UserValue(bodyKey{}).([]byte)
	return len(body) > 0
}
