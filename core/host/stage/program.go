package stage

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
)

// errIncomplete marks a program of which a part is missing. It may yet come.
var errIncomplete = errors.New("incomplete")

// inspect says what keeps a program of size bytes from running on the system
// goos/goarch. It returns errIncomplete if its parts do not lie within it: such
// a program may start and serve all the same, until it needs what is missing.
func inspect(r io.ReaderAt, size int64, goos, goarch string) (err error) {
	defer func() {
		if p := recover(); p != nil { // the readers of foreign formats
			err = fmt.Errorf("its headers cannot be read: %v", p)
		}
	}()
	var magic [4]byte
	if n, err := r.ReadAt(magic[:], 0); n < 4 || err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it has %d bytes", errIncomplete, size)
	}
	switch {
	case bytes.HasPrefix(magic[:], []byte("#!")):
		return nil
	case string(magic[:]) == elf.ELFMAG:
		if goos == "darwin" || goos == "windows" {
			return fmt.Errorf("it is a program for Linux or the like, this is %s", goos)
		}
		return inspectELF(r, size, goarch)
	case isMachO(magic):
		if goos != "darwin" {
			return fmt.Errorf("it is a program for macOS, this is %s", goos)
		}
		return inspectMachO(r, size)
	case bytes.HasPrefix(magic[:], []byte("MZ")):
		if goos != "windows" {
			return fmt.Errorf("it is a program for Windows, this is %s", goos)
		}
		return inspectPE(r, size)
	case magic == [4]byte{}:
		return fmt.Errorf("%w: it begins with zeros", errIncomplete)
	}
	return errors.New("it is neither a program nor a script that begins with #! and its interpreter")
}

// within returns errIncomplete if the part does not lie within size bytes.
func within(part string, offset, length uint64, size int64) error {
	if offset > uint64(size) || length > uint64(size)-offset {
		return fmt.Errorf("%w: %s ends at byte %d of %d", errIncomplete, part, offset+length, size)
	}
	return nil
}

// machines are the processors that a system can run.
var machines = map[string][]elf.Machine{
	"amd64": {elf.EM_X86_64, elf.EM_386},
	"arm64": {elf.EM_AARCH64, elf.EM_ARM},
	"386":   {elf.EM_386},
	"arm":   {elf.EM_ARM},
}

func inspectELF(r io.ReaderAt, size int64, goarch string) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("%w: ELF: %w", errIncomplete, err)
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL {
			continue
		}
		if err := within("section "+printable(clip(s.Name)), s.Offset, s.FileSize, size); err != nil {
			return err
		}
	}
	for _, p := range f.Progs {
		if err := within("segment "+p.Type.String(), p.Off, p.Filesz, size); err != nil {
			return err
		}
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("it is no program but %s", f.Type)
	}
	if known := machines[goarch]; known != nil && !slices.Contains(known, f.Machine) {
		return fmt.Errorf("it is for the processor %s, this is %s", f.Machine, goarch)
	}
	return nil
}

func isMachO(magic [4]byte) bool {
	switch string(magic[:]) {
	case "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xfe\xed\xfa\xcf", "\xfe\xed\xfa\xce", "\xca\xfe\xba\xbe":
		return true
	}
	return false
}

func inspectMachO(r io.ReaderAt, size int64) error {
	f, err := macho.NewFile(r)
	if err == nil {
		return machoParts(f, size)
	}
	fat, fatErr := macho.NewFatFile(r)
	if fatErr != nil {
		return fmt.Errorf("%w: Mach-O: %w", errIncomplete, err)
	}
	for _, a := range fat.Arches {
		if err := within("part "+a.Cpu.String(), uint64(a.Offset), uint64(a.Size), size); err != nil {
			return err
		}
		if err := machoParts(a.File, int64(a.Size)); err != nil {
			return err
		}
	}
	return nil
}

func machoParts(f *macho.File, size int64) error {
	for _, l := range f.Loads {
		if s, ok := l.(*macho.Segment); ok {
			if err := within("segment "+printable(clip(s.Name)), s.Offset, s.Filesz, size); err != nil {
				return err
			}
		}
	}
	return nil
}

func inspectPE(r io.ReaderAt, size int64) error {
	f, err := pe.NewFile(r)
	if err != nil {
		return fmt.Errorf("%w: PE: %w", errIncomplete, err)
	}
	for _, s := range f.Sections {
		if err := within("section "+printable(clip(s.Name)), uint64(s.Offset), uint64(s.Size), size); err != nil {
			return err
		}
	}
	return nil
}

// inspectHere is inspect for this system.
func inspectHere(r io.ReaderAt, size int64) error {
	return inspect(r, size, runtime.GOOS, runtime.GOARCH)
}
