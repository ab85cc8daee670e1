package sim_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"net/http"
	"net/http/httptest"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk"
)

const script = `
# a comment
hello, hi => Hello {name}. => !push https://example.com/a
wait      => !hold
back      => !resume => Here I am.
bye       => Goodbye! => !close
*         => You wrote: {text}
`

// send calls the handler without a port, so that time can be synthetic.
func send(t *testing.T, s *sim.Sim, verb, body string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", dll+"?"+verb, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", verb, w.Code, w.Body)
	}
	return w.Body.String()
}

func TestAuto(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules, err := sim.ReadScript(strings.NewReader(script), "s.txt")
		if err != nil {
			t.Fatal(err)
		}
		s := sim.New(sim.Options{Options: desk.Options{Auto: &desk.Auto{Delay: time.Second, Script: rules}}})
		defer s.Close()
		send(t, s, "joinchat", joinBody(t, map[string]any{"Calling_User_HardMessage": "Hi there"}))
		id := s.Chats()[0].ID
		synctest.Wait()
		if got := s.Chats()[0].State; got != "queued" {
			t.Errorf("before the delay: %s, want queued", got)
		}
		for _, text := range []string{"wait", "back", "what?", "bye"} {
			send(t, s, "sendmsg", `{"Connection_ID":"`+id+`","Message_Text":"`+text+`"}`)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		_, list, err := s.Messages(id, 5)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			got = append(got, e.From+": "+strings.TrimSpace(e.Text))
		}
		want := []string{"system: Robin took the chat.", "agent: Hello Ada.", "agent: https://example.com/a",
			"system: On hold.", "system: Resumed.", "agent: Here I am.", "agent: You wrote: what?", "agent: Goodbye!",
			"system: Closed."}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("transcript (-want +got):\n%s", diff)
		}
	})
}
