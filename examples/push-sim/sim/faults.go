package sim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openccsp/gateway/examples/internal/faults"
)

// Fault is one way to misbehave.
//
//	{"verb":"fcm","kind":"hang","count":1,"after":true}
//
// Verb is oauth, fcm or apns, "" for all. Kind can also be a code or reason of the
// service's with its status, such as 429 QUOTA_EXCEEDED or 403 ExpiredProviderToken.
type Fault = faults.Fault

func misbehaviour() *faults.List {
	return &faults.List{Half: `{"name":"proj`, More: []string{"STATUS CODE"}, Refuse: refuse, Own: func(kind string) bool {
		status, _ := coded(kind)
		return status != 0
	}}
}

// SetFault adds a fault. The oldest that fits a call is used up first.
func (s *Sim) SetFault(f Fault) error { return s.faults.Add(f) }

// ClearFaults ends all misbehaviour.
func (s *Sim) ClearFaults() { s.faults.Clear() }

// coded splits a kind that is a status and a code; 0: it is none.
func coded(kind string) (status int, code string) {
	before, code, _ := strings.Cut(kind, " ")
	n, err := strconv.Atoi(before)
	if err != nil || n < 200 || n > 599 {
		return 0, ""
	}
	return n, code
}

// refuse writes a status, and the code if there is one as the service writes it.
func refuse(w http.ResponseWriter, r *http.Request, f Fault) {
	status, code := coded(f.Kind)
	switch {
	case code == "":
		w.WriteHeader(status)
	case strings.HasPrefix(r.URL.Path, "/3/"):
		apnsRefuse(w, status, code, time.Time{})
	default:
		fcmRefuse(w, status, "REFUSED", fcmCode(code))
	}
}
