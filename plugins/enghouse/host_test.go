package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/openccsp/gateway/plugins/internal/plugintest"
	"github.com/openccsp/gateway/sdk"
)

// dial opens a connector to h and hands over its host.
func dial(t *testing.T, h http.Handler, change ...func(*settings)) (*connector, *plugintest.Host) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s := settings{BaseURL: srv.URL, Queue: "retail"}
	for _, f := range change {
		f(&s)
	}
	host := &plugintest.Host{Limit: capabilities().Text}
	c, err := open(t.Context(), s, host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseInstance(context.Background()) })
	return c, host
}

var (
	ada  = sdk.Customer{Address: "+4179", FirstName: "Ada", LastName: "Lovelace"}
	chat = sdk.Chat{Ref: "C1", Conversation: "0123", Number: 2, Customer: ada, Channel: "shop", ChannelType: "sms"}
)
