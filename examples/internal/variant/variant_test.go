package variant_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/internal/variant"
)

func TestVariant(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := variant.Read(program); ok || err != nil {
		t.Fatalf("the program itself: %+v, %v, %v", v, ok, err)
	}
	want := variant.Variant{ID: "org.example.a", Version: "1.0.7", Exclusive: true, Drivers: []string{"x"}, Fault: variant.Exit}
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	if err := (variant.Variant{Version: "1.0.6"}).Write(first, program); err != nil {
		t.Fatal(err)
	}
	if err := want.Write(second, first); err != nil { // of a variant
		t.Fatal(err)
	}
	got, ok, err := variant.Read(second)
	if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
		t.Errorf("%v, %v: %s", ok, err, diff)
	}
	if err := want.Write(second, program); err == nil {
		t.Error("it was written over a file")
	}
}
