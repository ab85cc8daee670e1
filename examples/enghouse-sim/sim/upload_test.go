package sim_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/openccsp/gateway/examples/enghouse-sim/sim"
	"github.com/openccsp/gateway/examples/internal/desk"
	"github.com/openccsp/gateway/examples/internal/desk/desktest"
)

const savePath = "/SocialConnectorHelperAPI/api/helper/saveFile"

// save uploads a file as a browser's form does.
func save(t *testing.T, base, field, name string, data []byte) (int, string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	if err := form.WriteField("comment", "a field beside it"); err != nil {
		t.Fatal(err)
	}
	part, err := form.CreateFormFile(field, name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(data)
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", base+savePath, &b)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	return desktest.Do(t, r)
}

// TestFileOfACustomer: it is uploaded, an event tells of it, the agent sees it.
func TestFileOfACustomer(t *testing.T) {
	s, base := start(t, sim.Options{})
	id := join(t, base, "Hello")
	const gif = "GIF89a\x01\x00\x01\x00"
	status, body := save(t, base, "file", "my parcel.gif", []byte(gif))
	var saved struct{ FilePath string }
	if err := json.Unmarshal([]byte(body), &saved); err != nil || status != 200 || !strings.HasPrefix(saved.FilePath, base+"/") {
		t.Fatalf("saveFile: %d %s, want an address at the server", status, body)
	}
	if status, got := do(t, "GET", saved.FilePath, ""); status != 200 || got != gif {
		t.Errorf("%s: %d %q", saved.FilePath, status, got)
	}
	post(t, base, "fireevent", `{"Connection_ID":"`+id+`","Fire_Event_Name":"SC_ATTACHMENT","OptionalParameterCount":[{"key":"SC_URL","value":"`+saved.FilePath+`"}]}`)
	_, list, err := s.Messages(id, 1)
	if err != nil || len(list) != 1 || len(list[0].Attachments) != 1 || list[0].Attachments[0].URL != saved.FilePath {
		t.Errorf("the agent sees %+v (%v), want the file", list, err)
	}
}

func TestSaveFileRefuses(t *testing.T) {
	s, base := start(t, sim.Options{})
	for _, tt := range []struct {
		name, field, file string
		size, want        int
	}{
		{"another field", "upload", "a.txt", 1, 400},
		{"no name", "file", "", 1, 400},
		{"nothing in it", "file", "a.txt", 0, 400},
		{"too large", "file", "a.txt", desk.MaxFile + 1, 413},
		{"much too large", "file", "a.txt", desk.MaxFile + 1<<20, 413},
		{"as large as can be", "file", "a.txt", desk.MaxFile, 200},
	} {
		if status, body := save(t, base, tt.field, tt.file, bytes.Repeat([]byte("x"), tt.size)); status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, body, tt.want)
		}
	}
	if n := len(s.Refused(false)); n != 5 {
		t.Errorf("%d refusals are remembered, want 5", n)
	}
	for method, want := range map[string]int{"GET": 405, "POST": 415} { // do posts JSON
		if status, _ := do(t, method, base+savePath, ""); status != want {
			t.Errorf("%s: %d, want %d", method, status, want)
		}
	}
	if err := s.SetFault(sim.Fault{Verb: "saveFile", Kind: "500", Count: 1}); err != nil {
		t.Fatal(err)
	}
	if status, _ := save(t, base, "file", "a.txt", []byte("x")); status != 500 {
		t.Errorf("with a fault: %d, want 500", status)
	}
}
