package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
	"github.com/openccsp/gateway/sdk"
)

// needed are the fields of the subscription without which customers are not heard.
var needed = []string{"messages", "messaging_postbacks"}

// Validate implements sdk.Validator: the token is asked for its page, and the page
// for the apps that hear of it.
func (s settings) Validate(ctx context.Context) error {
	cfg, err := s.check()
	if err != nil {
		return err
	}
	g := newGraph(cfg, plainHTTP(), nil)
	var page struct {
		ID text `json:"id"`
	}
	if err := g.get(ctx, cfg.PageID, "id,name", &page); err != nil {
		return trouble("access_token", err)
	}
	if string(page.ID) != cfg.PageID {
		return fmt.Errorf("base_url: what answers is not the Graph API, or does not know the page %s", cfg.PageID)
	}
	var subscribed struct {
		Data []struct {
			ID     text     `json:"id"`
			Fields []string `json:"subscribed_fields"`
		} `json:"data"`
	}
	if err := g.get(ctx, cfg.PageID+"/subscribed_apps", "", &subscribed); err != nil {
		return trouble("subscribed_apps", err)
	}
	fields := []string{}
	for _, app := range subscribed.Data {
		if cfg.AppID == "" || string(app.ID) == cfg.AppID {
			fields = append(fields, app.Fields...)
		}
	}
	for _, name := range needed {
		if !slices.Contains(fields, name) {
			return fmt.Errorf("the page does not tell the app of %s; post to /%s/subscribed_apps as the README says", name, cfg.PageID)
		}
	}
	return nil
}

// trouble says what to look at.
func trouble(what string, err error) error {
	if errors.Is(err, sdk.ErrAuthConfig) {
		return fmt.Errorf("%s: refused by Meta: %s", what, strings.TrimPrefix(err.Error(), sdk.ErrAuthConfig.Error()+": "))
	}
	return fmt.Errorf("%s: Meta could not be asked: %w", what, ccsp.AsRetry(err))
}
