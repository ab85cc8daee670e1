package rules

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/openccsp/gateway/core/diag"
)

// aliases are the names that rules have for fields of stored messages.
var aliases = map[string]protoreflect.Name{"chatid": "ref", "messageid": "message_id", "flowparams": "params"}

// fill sets the fields of m from pairs; what says what m is.
func (s *source) fill(m protoreflect.Message, pairs []pair, what string) {
	fields := m.Descriptor().Fields()
	for _, p := range pairs {
		name := protoreflect.Name(p.key)
		if alias := aliases[p.key]; alias != "" && fields.ByName(alias) != nil {
			name = alias
		}
		f := fields.ByName(name)
		if f == nil {
			s.problem(p.pos, diag.DidYouMean(p.key, fieldsOf(fields)), "unknown field %q of %s", p.key, what)
			continue
		}
		s.field(m, f, p)
	}
}

func fieldsOf(fields protoreflect.FieldDescriptors) (list []string) {
	for i := range fields.Len() {
		list = append(list, string(fields.Get(i).Name()))
	}
	for alias, name := range aliases {
		if fields.ByName(name) != nil {
			list = append(list, alias)
		}
	}
	slices.Sort(list)
	return list
}

func (s *source) field(m protoreflect.Message, f protoreflect.FieldDescriptor, p pair) {
	switch {
	case p.value == nil || p.value.Type() == ast.NullType: // absent
	case f.IsMap():
		to := m.Mutable(f).Map()
		for k, v := range s.textMap(p) {
			to.Set(protoreflect.ValueOfString(k).MapKey(), protoreflect.ValueOfString(v))
		}
	case f.IsList():
		nodes, _ := s.sequence(p.value, p.key)
		to := m.Mutable(f).List()
		for _, n := range nodes {
			if pairs, ok := s.mapping(n, "each of "+p.key); ok && f.Message() != nil {
				v := to.NewElement()
				s.fill(v.Message(), pairs, p.key)
				to.Append(v)
			}
		}
	case f.Message() != nil:
		if _, isMap := p.value.(*ast.MappingNode); !isMap && f.Message().Fields().ByName("name") != nil {
			s.fill(m.Mutable(f).Message(), []pair{{"name", p.pos, p.value}}, p.key) // agent: Max
			return
		}
		if pairs, ok := s.mapping(p.value, p.key); ok {
			s.fill(m.Mutable(f).Message(), pairs, p.key)
		}
	case f.Kind() == protoreflect.BytesKind:
		if b, err := json.Marshal(s.value(p.value, 0)); err == nil {
			m.Set(f, protoreflect.ValueOfBytes(b))
		}
	default:
		s.plainField(m, f, p)
	}
}

// plainField sets a text, a number or a truth value.
func (s *source) plainField(m protoreflect.Message, f protoreflect.FieldDescriptor, p pair) {
	sc, ok := s.scalar(p.value, p.key)
	if !ok {
		return
	}
	var v protoreflect.Value
	var err error
	what := "a number"
	switch f.Kind() {
	case protoreflect.StringKind:
		v = protoreflect.ValueOfString(sc.text)
	case protoreflect.BoolKind:
		var b bool
		b, err = strconv.ParseBool(sc.text)
		v, what = protoreflect.ValueOfBool(b), "true or false"
	case protoreflect.DoubleKind:
		var n float64
		n, err = strconv.ParseFloat(sc.text, 64)
		v = protoreflect.ValueOfFloat64(n)
	case protoreflect.Int32Kind:
		var n int64
		n, err = strconv.ParseInt(sc.text, 10, 32)
		v = protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind:
		var n int64
		n, err = strconv.ParseInt(sc.text, 10, 64)
		v = protoreflect.ValueOfInt64(n)
	case protoreflect.Uint32Kind:
		var n uint64
		n, err = strconv.ParseUint(sc.text, 10, 32)
		v = protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind:
		var n uint64
		n, err = strconv.ParseUint(sc.text, 10, 64)
		v = protoreflect.ValueOfUint64(n)
	default:
		s.problem(sc.pos, "", "%s cannot be set here", p.key)
		return
	}
	if err != nil {
		s.problem(sc.pos, "", "%s is %s, not %.40q", p.key, what, sc.text)
		return
	}
	m.Set(f, v)
}

// value is n as JSON has it.
func (s *source) value(n ast.Node, depth int) any {
	if depth == 20 {
		s.problem(s.pos(n), "", "the value is nested deeper than 20 levels")
		return nil
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		m := map[string]any{}
		pairs, _ := s.mapping(n, "a value")
		for _, p := range pairs {
			m[p.key] = s.value(p.value, depth+1)
		}
		return m
	case *ast.SequenceNode:
		list := []any{}
		for _, v := range n.Values {
			list = append(list, s.value(v, depth+1))
		}
		return list
	case *ast.BoolNode:
		return n.Value
	case *ast.IntegerNode, *ast.FloatNode:
		if f, err := strconv.ParseFloat(n.GetToken().Value, 64); err == nil {
			return f
		}
	}
	sc, ok := s.scalar(n, "a value")
	if !ok {
		return nil
	}
	return sc.text
}
