package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

const (
	secret = "canary-7f3a91"
	older  = "canary-old-55"
)

func settingsFor(url string) settings {
	return settings{InstanceURL: url, TeamSecret: secret, routing: routing{TeamID: 17}}
}

// dial opens a connector to h and hands over its host.
func dial(t testing.TB, h http.Handler, change ...func(*settings)) (*connector, *plugintest.Host) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := settingsFor(srv.URL)
	for _, f := range change {
		f(&s)
	}
	return connect(t, s)
}

func connect(t testing.TB, s settings) (*connector, *plugintest.Host) {
	t.Helper()
	host := new(plugintest.Host)
	c, err := open(t.Context(), s, limited{host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c, host
}

// limited is a gateway that splits by the limit of the driver.
type limited struct{ *plugintest.Host }

func (limited) TextLimit() sdk.TextLimit { return capabilities().Text }

// receiver is a connector that only takes webhooks.
func receiver(t testing.TB, change ...func(*settings)) (*connector, *plugintest.Host) {
	t.Helper()
	s := settingsFor("https://acme.imi.chat")
	for _, f := range change {
		f(&s)
	}
	return connect(t, s)
}

var (
	ada  = sdk.Customer{Address: "+4179", FirstName: "Ada", LastName: "Lovelace", Locale: "de-CH"}
	chat = sdk.Chat{Ref: "CSR1", Conversation: "0123", Number: 2, Customer: ada, Channel: "shop", ChannelType: "sms",
		Service: "retail", Attributes: map[string]string{"vip": "yes"}}
)

// keyDesk takes some secrets only, and says so by HTTP's status or in the
// envelope.
type keyDesk struct {
	plugintest.Far
	valid    map[string]bool
	envelope bool
}

func (d *keyDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !d.valid[r.Header.Get("key")] {
		if !d.envelope {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, `{"status_code":401}`)
		w = httptest.NewRecorder()
	}
	d.Far.ServeHTTP(w, r)
}
