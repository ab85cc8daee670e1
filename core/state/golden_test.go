package state_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/openccsp/gateway/core/state"
	"github.com/openccsp/gateway/sdk/pluginv1"
)

// The files in testdata/format<n> are what gateways of format n have written:
// each message as it was stored, and beside it as JSON. Those of a released
// format are never written again. A test that fails here has broken somebody's
// store: change the code, not the files.
//
// -update writes the files that are missing, such as those of a new message.
var update = flag.Bool("update", false, "write the golden files that are missing")

// stored are the messages that stand in the store by themselves.
var stored = []proto.Message{
	&state.Document{}, &state.Mail{}, &state.Pending{}, &state.Entry{}, &state.DeadLetter{}, &state.Quarantined{},
	&state.StoredDocument{}, &state.StoredIndex{}, &state.StoredTimer{}, &state.StoredBinding{}, &state.StoredHead{},
	&state.StoredBlob{}, &pluginv1.Message{}, &state.Counter{},
}

// vt is what the store uses of a message.
type vt interface {
	proto.Message
	UnmarshalVT([]byte) error
	MarshalVT() ([]byte, error)
}

func TestGolden(t *testing.T) {
	for _, empty := range stored {
		for name, full := range variants(empty) {
			for format := max(1, state.Format-1); format <= state.Format; format++ {
				t.Run(fmt.Sprintf("format %d/%s", format, name), func(t *testing.T) {
					path := filepath.Join("testdata", fmt.Sprintf("format%d", format), name)
					if *update && format == state.Format {
						write(t, path, full)
					}
					compare(t, path, empty)
				})
			}
		}
	}
}

func compare(t *testing.T, path string, empty proto.Message) {
	t.Helper()
	text, err := os.ReadFile(path + ".json")
	if err != nil {
		t.Fatal(err)
	}
	want := proto.Clone(empty)
	if err := protojson.Unmarshal(text, want); err != nil {
		t.Fatalf("%s.json: %v", path, err)
	}
	bin, err := os.ReadFile(path + ".bin")
	if err != nil {
		t.Fatal(err)
	}
	got := proto.Clone(empty).(vt)
	if err := got.UnmarshalVT(bin); err != nil {
		t.Fatalf("%s.bin: %v", path, err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("%s.bin is read as\n%v\nand was\n%v", path, got, want)
	}
	again, err := got.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	if slow := proto.Clone(empty); proto.Unmarshal(again, slow) != nil || !proto.Equal(slow, want) {
		t.Errorf("%s.bin is written as\n%v\nand was\n%v", path, slow, want)
	}
}

func write(t *testing.T, path string, m proto.Message) {
	t.Helper()
	if _, err := os.Stat(path + ".bin"); err == nil {
		return
	}
	bin, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.MarshalOptions{Multiline: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	for suffix, b := range map[string][]byte{".bin": bin, ".json": append(bytes.TrimSpace(text), '\n')} {
		if err := os.WriteFile(path+suffix, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// variants returns a message with every field set, by its file's name; one with
// a choice of bodies as often as there are bodies.
func variants(m proto.Message) map[string]proto.Message {
	d := m.ProtoReflect().Descriptor()
	name := strings.ToLower(string(d.Name()))
	all := map[string]proto.Message{}
	if d.Oneofs().Len() == 0 {
		all[name] = filled(m, 0)
		return all
	}
	for i := range d.Oneofs().Get(0).Fields().Len() {
		all[name+"_"+string(d.Oneofs().Get(0).Fields().Get(i).Name())] = filled(m, i)
	}
	return all
}

// filled returns a message of m's type with fixed values; of a choice it has the
// given one.
func filled(m proto.Message, choice int) proto.Message {
	out := m.ProtoReflect().New()
	fill(out, choice, 0)
	return out.Interface()
}

func fill(m protoreflect.Message, choice, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() && o.Fields().Get(choice) != f {
			continue
		}
		if f.Message() != nil && !f.IsMap() && depth > 4 {
			continue // a mail in a command in a mail
		}
		set(m, f, depth)
	}
}

func set(m protoreflect.Message, f protoreflect.FieldDescriptor, depth int) {
	value := func(n int) protoreflect.Value { return scalar(f, n) }
	switch {
	case f.IsMap():
		table := m.Mutable(f).Map()
		for _, k := range []string{"a", "ключ"} {
			table.Set(protoreflect.ValueOfString(k).MapKey(), protoreflect.ValueOfString(k+" of "+string(f.Name())))
		}
	case f.IsList() && f.Message() != nil:
		fill(m.Mutable(f).List().AppendMutable().Message(), 0, depth+1)
	case f.IsList():
		m.Mutable(f).List().Append(value(1))
		m.Mutable(f).List().Append(value(2))
	case f.Message() != nil:
		fill(m.Mutable(f).Message(), 0, depth+1)
	default:
		m.Set(f, value(1))
	}
}

// scalar is a value that no other field of the message has.
func scalar(f protoreflect.FieldDescriptor, n int) protoreflect.Value {
	v := int(f.Number())*1000 + n
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(int(f.Number())%(values.Len()-1) + 1).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(-v))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(v))
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(1_700_000_000_000 + int64(v))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(1<<63 + uint64(v))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(v) / 7)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprintf("%s %d ž客😀", f.Name(), n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{0, 0xff, byte(f.Number()), byte(n)})
	}
	panic("no value for a " + f.Kind().String())
}
