package sim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
)

// openMany opens n chats without a port and returns their ids.
func openMany(tb testing.TB, s *sim.Sim, n int) []string {
	tb.Helper()
	const body = `{"API_Version":"1.0","Call_Center_Address":"","Call_Center_Port":"2324","Call_Center_QueueName":"",
		"Calling_User_HardMessage":"Hello","Calling_User_FirstName":"Ada","Calling_User_LastName":"","Calling_User_URL":"",
		"Calling_User_Skills":"","Calling_User_Priority":"-1","TQOS":"0","Routing_Priority":"0","AccountID":"0",
		"ApplicationID":"","TenantID":"","OptionalParameterCount":""}`
	for range n {
		r := httptest.NewRequest("POST", dll+"?joinchat", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != http.StatusOK {
			tb.Fatalf("joinchat: %d %s", w.Code, w.Body)
		}
	}
	var ids []string
	for _, c := range s.Chats() {
		ids = append(ids, c.ID)
	}
	return ids
}

// blank throws an answer away.
type blank struct{ header http.Header }

func (b *blank) Header() http.Header         { return b.header }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}

// BenchmarkPolls: a poll costs the same however many chats are open.
func BenchmarkPolls(b *testing.B) {
	for _, chats := range []int{1, 5000} {
		b.Run(fmt.Sprintf("%d chats", chats), func(b *testing.B) {
			s := sim.New(sim.Options{})
			defer s.Close()
			var requests []*http.Request
			for _, id := range openMany(b, s, chats) {
				requests = append(requests, httptest.NewRequest("GET", dll+"?command=getevents&Connection_ID="+id+"&Last_Event_ID=3", nil))
			}
			w := &blank{http.Header{}}
			for i := 0; b.Loop(); i++ {
				s.ServeHTTP(w, requests[i%len(requests)])
			}
		})
	}
}

// TestPollsCostTheSame: what a poll allocates does not grow with the chats that
// are open, nor with what was said in its own.
func TestPollsCostTheSame(t *testing.T) {
	cost := func(chats, texts int) float64 {
		s := sim.New(sim.Options{})
		defer s.Close()
		id := openMany(t, s, chats)[0]
		act(t, s, id, "take", sim.Args{})
		for range texts {
			act(t, s, id, "say", sim.Args{Text: "Hi"})
		}
		r := httptest.NewRequest("GET", fmt.Sprintf("%s?command=getevents&Connection_ID=%s&Last_Event_ID=%d", dll, id, 5+texts), nil)
		w := &blank{http.Header{}}
		return testing.AllocsPerRun(100, func() { s.ServeHTTP(w, r) })
	}
	if one, many := cost(1, 0), cost(2000, 500); many > one+1 {
		t.Errorf("%.0f allocations with 2,000 chats and 500 texts, %.0f with one", many, one)
	}
}
