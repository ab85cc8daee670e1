package conform

import "testing"

// A process that is given up before it was started is not started later: nobody
// would end it.
func TestKilledBeforeStart(t *testing.T) {
	p := newProcess([]string{"/bin/sleep", "60"}, t.TempDir())
	p.kill()
	if err := p.Start(t.Context()); err == nil {
		t.Error("it was started")
		p.kill()
	}
}
