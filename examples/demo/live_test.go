package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openccsp/gateway/examples/internal/agent"
)

// live is the demo's stage whose gateway.hcl is edited while chats run.
type live struct {
	*stage
	t    *testing.T
	text string // of gateway.hcl
}

// setting is how gateway.hcl stands, as the admin API says.
type setting struct {
	Problems []struct {
		File         string
		Line, Column int
		Summary      string
	}
	Restart []struct{ Setting string } `json:"restart_needed"`
}

// shown is a channel or integration, as the admin API says.
type shown struct {
	Name, State, Plugin string
	Draining            *struct {
		Counted         bool
		Chats, Commands int
	}
}

// save writes gateway.hcl as an editor does: a new file in the place of the old.
func (l *live) save(text string) {
	l.t.Helper()
	l.text = text
	tmp := l.home.Path("gateway.hcl.tmp")
	if err := errors.Join(os.WriteFile(tmp, []byte(text), 0o600), os.Rename(tmp, l.home.Path("gateway.hcl"))); err != nil {
		l.t.Fatal(err)
	}
}

// edit saves gateway.hcl with some of its text replaced.
func (l *live) edit(pairs ...string) {
	l.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(l.text, pairs[i]) {
			l.t.Fatalf("gateway.hcl has no %q", pairs[i])
		}
	}
	l.save(strings.NewReplacer(pairs...).Replace(l.text))
}

// until fails the test if f does not become true.
func (l *live) until(what string, f func(ctx context.Context) (bool, error)) {
	l.t.Helper()
	if err := agent.Until(l.t.Context(), what, f); err != nil {
		l.t.Fatalf("%v\n%s", err, l.home.LogTail())
	}
}

// instance returns a channel or integration, nil if there is none.
func (l *live) instance(ctx context.Context, name string) (*shown, error) {
	for _, kind := range []string{"channels", "integrations"} {
		var list struct{ Items []shown }
		if err := l.home.Get(ctx, "/v1/"+kind, &list); err != nil {
			return nil, err
		}
		for _, i := range list.Items {
			if i.Name == name {
				return &i, nil
			}
		}
	}
	return nil, nil
}

// draining waits until an instance drains and has so many chats left; gone
// waits until it is no more.
func (l *live) draining(name string, chats int) {
	l.t.Helper()
	l.until(fmt.Sprintf("%s drains with %d chats", name, chats), func(ctx context.Context) (bool, error) {
		i, err := l.instance(ctx, name)
		return i != nil && i.Draining != nil && i.Draining.Counted && i.Draining.Chats == chats, err
	})
}

func (l *live) gone(name string) {
	l.t.Helper()
	l.until(name+" is gone", func(ctx context.Context) (bool, error) {
		i, err := l.instance(ctx, name)
		return err == nil && i == nil, err
	})
}

func (l *live) open(name string) {
	l.t.Helper()
	l.until(name+" is open", func(ctx context.Context) (bool, error) {
		i, err := l.instance(ctx, name)
		return i != nil && i.State == "open" && i.Draining == nil, err
	})
}

// pids are the processes of the plugins.
func (l *live) pids() (pids string) {
	l.t.Helper()
	var list struct {
		Items []struct {
			ID  string
			PID int
		}
	}
	if err := l.home.Get(l.t.Context(), "/v1/plugins", &list); err != nil {
		l.t.Fatal(err)
	}
	for _, p := range list.Items {
		pids += fmt.Sprintf("%s %d\n", p.ID, p.PID)
	}
	return pids
}

// cli runs the gateway's command line.
func (l *live) cli(args ...string) string {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), filepath.Join(built, "..", "gateway"), append([]string{"--config", l.home.Path("gateway.hcl")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("gateway %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// arrives has a customer register and connect.
func (l *live) arrives(channel, name string) *customer {
	l.t.Helper()
	c := newCustomer(l.home.Hook(channel), "http://"+l.page)
	if err := errors.Join(c.register(l.t.Context(), name), c.connect(l.t.Context())); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.disconnect)
	return c
}

// chat has a customer write and an agent take the chat and answer.
func (l *live) chat(c *customer, name string) *agent.Agent {
	l.t.Helper()
	if _, err := c.write(l.t.Context(), "hello from "+name); err != nil {
		l.t.Fatal(err)
	}
	a := &agent.Agent{Base: "http://" + l.desk}
	l.until("the chat of "+name+" rings", func(ctx context.Context) (bool, error) {
		chats, err := a.Chats(ctx)
		for _, ch := range chats {
			if ch.Name == name && ch.State == "queued" {
				a.ID = ch.ID
			}
		}
		return a.ID != "", err
	})
	if err := a.Act(l.t.Context(), "take", map[string]any{"agent": "Bea"}); err != nil {
		l.t.Fatal(err)
	}
	l.talk(a, c, "hello "+name)
	return a
}

// talk has the agent write and the customer get it, and the other way round.
func (l *live) talk(a *agent.Agent, c *customer, text string) {
	l.t.Helper()
	ctx, seen := l.t.Context(), c.count()
	if err := a.Say(ctx, text); err != nil {
		l.t.Fatal(err)
	}
	list, err := c.next(ctx, seen, 1)
	if err != nil || list[0].Message != text {
		l.t.Fatalf("the customer got %v, %v; want %q", list, err, text)
	}
	if _, err := c.write(ctx, "re: "+text); err != nil {
		l.t.Fatal(err)
	}
	l.until("the answer at the agent's", func(ctx context.Context) (bool, error) {
		_, texts, err := a.Log(ctx)
		for _, e := range texts {
			if e.Text == "re: "+text {
				return true, err
			}
		}
		return false, err
	})
}

// signed registers a user whom the app's backend vouches for.
func (l *live) signed(channel, secret, user string) error {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s\n%s\n%s", channel, user, now)
	return agent.Call(l.t.Context(), http.MethodPost, l.home.Hook(channel)+"/register", http.Header{"Origin": {"http://" + l.page}},
		map[string]any{"deviceId": "d", "userId": user, "timestamp": now, "signature": hex.EncodeToString(mac.Sum(nil))}, nil)
}

func status(err error) int {
	if r, ok := errors.AsType[*agent.Refusal](err); ok {
		return r.Status
	}
	return 0
}

const shop2 = `
channel "rtm" "shop2" {
  settings {
    app_id  = "shop2"
    origins = ["http://%s"]
    secret  = file("shop2.secret")
  }
}
`

// gateway.hcl is edited while a chat is open: what it says is so at once, and
// the chat goes on through all of it.
func TestLiveConfiguration(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, err := newStage(t.TempDir(), built)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.home.Path("gateway.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	l := &live{stage: s, t: t, text: string(b)}
	ada := l.arrives("webshop", "Ada")
	bea := l.chat(ada, "Ada")
	pids := l.pids()

	// A channel more, with a secret in a file.
	secrets := []string{"0123456789abcdef-one", "0123456789abcdef-two"}
	if err := os.WriteFile(l.home.Path("shop2.secret"), []byte(secrets[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	saved := time.Now()
	l.edit(`["webshop"]`, `["webshop", "shop2"]`, "service \"demo\"", fmt.Sprintf(shop2, l.page)+"\nservice \"demo\"")
	l.open("shop2")
	t.Logf("a channel was open %v after it was saved", time.Since(saved).Round(time.Millisecond))
	bob := l.arrives("shop2", "Bob")
	bobs := l.chat(bob, "Bob")
	if err := bobs.Act(t.Context(), "close", nil); err != nil {
		t.Fatal(err)
	}
	l.talk(bea, ada, "one")

	// The secret is replaced: nothing is restarted, the old one is good no more.
	if err := l.signed("shop2", secrets[0], "u1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.home.Path("shop2.secret"), []byte(secrets[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 1
	l.until("the new secret counts", func(context.Context) (bool, error) {
		n++ // a signature counts once
		err := l.signed("shop2", secrets[1], fmt.Sprint("u", n))
		return err == nil, err
	})
	if got := status(l.signed("shop2", secrets[0], "u0")); got != http.StatusUnauthorized {
		t.Errorf("the old secret: status %d, want %d", got, http.StatusUnauthorized)
	}

	// Settings of the integration change: new chats are in another queue.
	l.edit(`queue    = "retail"`, `queue    = "vip"`)
	eli := l.arrives("webshop", "Eli")
	l.until("new chats are in the queue vip", func(ctx context.Context) (bool, error) {
		elis := l.chat(eli, "Eli")
		queue, err := l.queue(elis)
		return queue == "vip", errors.Join(err, elis.Act(ctx, "close", nil))
	})
	l.talk(bea, ada, "two")

	// A mistake applies nothing, and says where; what needs a restart is named,
	// the rest of that save applies.
	good := l.text
	l.edit(`channels    = ["webshop", "shop2"]`, `channels    = ["webshop", "shop3"]`)
	var now setting
	l.until("the mistake is told", func(ctx context.Context) (bool, error) {
		now = setting{}
		err := l.home.Get(ctx, "/v1/config", &now)
		return len(now.Problems) > 0, err
	})
	if p := now.Problems[0]; !strings.HasSuffix(p.File, "gateway.hcl") || p.Line == 0 || p.Summary != `channel "shop3" is not known` {
		t.Errorf("problem %+v, want that of shop3, with its place", p)
	}
	if out := l.cli("status"); !strings.Contains(out, "gateway.hcl: 1 problem, the configuration before stays") || !strings.Contains(out, `channel "shop3" is not known`) {
		t.Errorf("status does not tell the mistake:\n%s", out)
	}
	l.talk(bea, ada, "three")
	l.save(strings.Replace(good, `rules_dir   = "rules.d"`, `rules_dir   = "rules2.d"`, 1))
	l.until("restart needed", func(ctx context.Context) (bool, error) {
		now = setting{}
		err := l.home.Get(ctx, "/v1/config", &now)
		return len(now.Problems) == 0 && len(now.Restart) == 1 && now.Restart[0].Setting == "rules_dir", err
	})
	if out := l.cli("status"); !strings.Contains(out, ": rules_dir: restart needed") {
		t.Errorf("status does not tell what needs a restart:\n%s", out)
	}
	l.save(good)
	l.until("no restart needed", func(ctx context.Context) (bool, error) {
		now = setting{}
		err := l.home.Get(ctx, "/v1/config", &now)
		return err == nil && len(now.Restart) == 0, err
	})

	// The integration goes while a chat is open on it, and another one comes.
	l.edit(`integration "enghouse" "desk"`, `integration "enghouse" "desk2"`, `integration = "desk"`, `integration = "desk2"`)
	l.open("desk2")
	l.draining("desk", 1)
	l.talk(bea, ada, "four")
	cleo := l.arrives("webshop", "Cleo")
	cleos := l.chat(cleo, "Cleo")
	l.draining("desk", 1)
	if got := l.pids(); got != pids {
		t.Errorf("plugins were restarted:\n%swant\n%s", got, pids)
	}

	// It goes on draining after the gateway was killed.
	s.procs["gateway"].Kill()
	<-s.procs["gateway"].Done()
	if err := s.startGateway(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*customer{ada, cleo} {
		if err := c.connect(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.draining("desk", 1)
	l.talk(bea, ada, "five")
	if out := l.cli("status"); !strings.Contains(out, "integration desk: removed: 1 open chat and ") {
		t.Errorf("status does not tell what drains:\n%s", out)
	}
	if err := bea.Act(t.Context(), "close", nil); err != nil {
		t.Fatal(err)
	}
	l.gone("desk")

	// A channel goes: what is new is refused, then it is not there.
	dan := l.arrives("shop2", "Dan")
	dans := l.chat(dan, "Dan")
	l.edit(`["webshop", "shop2"]`, `["webshop"]`, fmt.Sprintf(shop2, l.page), "")
	l.draining("shop2", 1)
	l.talk(dans, dan, "six")
	eve := newCustomer(l.home.Hook("shop2"), "http://"+l.page)
	if err := eve.register(t.Context(), "Eve"); err != nil {
		t.Fatal(err)
	}
	late := map[string]any{"tid": "late", "message": "anybody there?"}
	if got := status(eve.post(t.Context(), "/mo", late, nil)); got != http.StatusServiceUnavailable {
		t.Errorf("a new chat on a removed channel: status %d, want 503", got)
	}
	if out := l.cli("instance", "remove", "--force", "shop2"); !strings.Contains(out, "channel shop2: its chats are being closed") {
		t.Errorf("remove: %s", out)
	}
	l.gone("shop2")
	l.until("the desk knows that the chat is closed", func(ctx context.Context) (bool, error) {
		ch, _, err := dans.Log(ctx)
		return ch.State == "closed", err
	})
	l.until("the hook of what is no more says 404", func(ctx context.Context) (bool, error) {
		err := eve.post(ctx, "/mo", late, nil)
		return status(err) == http.StatusNotFound, err
	})
	l.talk(cleos, cleo, "seven")
	dead, err := l.home.DeadLetters(t.Context())
	if err != nil || len(dead) > 0 {
		t.Errorf("dead letters %v, %v; want none", dead, err)
	}
}

// queue returns the queue that an agent's chat came in by.
func (l *live) queue(a *agent.Agent) (string, error) {
	var answer struct{ Chats []struct{ ID, Queue string } }
	err := agent.Call(l.t.Context(), http.MethodGet, a.Base+"/agent/chats", nil, nil, &answer)
	for _, c := range answer.Chats {
		if c.ID == a.ID {
			return c.Queue, err
		}
	}
	return "", err
}
