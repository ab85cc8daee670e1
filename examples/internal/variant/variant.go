// Package variant makes many plugins, and many versions of one, of one
// program: what tells them apart is written behind its end, where a program may
// have anything. So a test that replaces plugins needs no compiler.
package variant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Variant is what a copy of a program is to be.
type Variant struct {
	ID        string   `json:"id"`
	Version   string   `json:"version"`
	Exclusive bool     `json:"exclusive,omitempty"`
	Drivers   []string `json:"drivers,omitempty"` // of those it has
	Fault     string   `json:"fault,omitempty"`   // "", Exit or Garbage
}

// Faults at start.
const (
	Exit    = "exit"    // it ends at once
	Garbage = "garbage" // it writes anything but a handshake to standard output
)

// mark is before the variant, which is JSON and the program's end.
const mark = "\x00\nvariant of a plugin: "

// most is how long mark and variant may be, in bytes.
const most = 4 << 10

// Write copies the program from to the new file to, as v.
func (v Variant) Write(to, from string) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.MultiReader(in, bytes.NewReader(append([]byte(mark), b...))))
	return errors.Join(err, out.Close())
}

// Read returns what the program in a file is. ok is false if it is none but
// itself.
func Read(file string) (v Variant, ok bool, err error) {
	f, err := os.Open(file)
	if err != nil {
		return v, false, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return v, false, err
	}
	end := make([]byte, min(size, most))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil {
		return v, false, err
	}
	at := bytes.LastIndex(end, []byte(mark))
	if at < 0 {
		return v, false, nil
	}
	if err := json.Unmarshal(end[at+len(mark):], &v); err != nil {
		return v, false, fmt.Errorf("%s: variant: %w", file, err)
	}
	return v, true, nil
}
