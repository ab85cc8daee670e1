package desk

import (
	"net/http"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Fault is one way to misbehave: its verb is a call of the vendor's protocol.
type Fault = faults.Fault

// SetFault adds a fault. The oldest that fits a call is used up first.
func (d *Desk[C, V, A]) SetFault(f Fault) error { return d.faults.Add(f) }

// ClearFaults ends all misbehaviour.
func (d *Desk[C, V, A]) ClearFaults() { d.faults.Clear() }

// refuse answers with the status that a fault is.
func (d *Desk[C, V, A]) refuse(w http.ResponseWriter, _ *http.Request, f Fault) {
	wire := d.vendor.Wire
	if wire.Refuse != nil {
		wire.Refuse(w, f)
		return
	}
	wire.Write(w, f.Status(), "made to fail", nil)
}
