package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ID names a process for ever: numbers are given again, their start is not.
type ID struct {
	PID   int
	start string
}

// Alive says whether the process still runs. One that has ended and was not
// waited for does not.
func (id ID) Alive() bool {
	f, err := stat(id.PID)
	return err == nil && f[fieldStart] == id.start && f[fieldState] != "Z"
}

// Children returns the processes that pid has started.
func Children(pid int) []ID {
	var all []ID
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		n, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		f, err := stat(n)
		if err == nil && f[fieldParent] == strconv.Itoa(pid) && f[fieldState] != "Z" {
			all = append(all, ID{n, f[fieldStart]})
		}
	}
	return all
}

// Fields of /proc/<pid>/stat after the name: proc_pid_stat(5), less 3.
const (
	fieldState  = 0
	fieldParent = 1
	fieldUser   = 11
	fieldSystem = 12
	fieldStart  = 19
)

// stat returns the fields of /proc/<pid>/stat after the name.
func stat(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) <= fieldStart {
		return nil, fmt.Errorf("process %d: stat is too short", pid)
	}
	return f, nil
}

// tick is the unit of times in /proc.
const tick = 10 * time.Millisecond

// CPU returns the processor time that a process and its children have used.
func CPU(pid int) time.Duration {
	total := OwnCPU(pid)
	for _, c := range Children(pid) {
		total += OwnCPU(c.PID)
	}
	return total
}

// OwnCPU returns the processor time that one process has used.
func OwnCPU(pid int) time.Duration {
	f, err := stat(pid)
	if err != nil {
		return 0
	}
	user, _ := strconv.ParseInt(f[fieldUser], 10, 64)
	system, _ := strconv.ParseInt(f[fieldSystem], 10, 64)
	return time.Duration(user+system) * tick
}

// Memory is what /proc/<pid>/status says, in MB of 2^20 bytes.
type Memory struct{ RSS, Anon float64 }

// MemoryOf returns the memory of one process.
func MemoryOf(pid int) Memory {
	return Memory{statusMB(pid, "VmRSS:"), statusMB(pid, "RssAnon:")}
}

func statusMB(pid int, key string) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// Name returns the name of a process's program.
func Name(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
