package main

import (
	"context"
	"time"

	"github.com/openccsp/gateway/sdk"
)

// Settings is the settings block of a channel "push" in gateway.hcl. Durations
// are written as in "10s".
type Settings struct {
	FCM  *FCMSettings  `json:"fcm,omitempty" jsonschema:"title=Firebase Cloud Messaging"`
	APNs *APNsSettings `json:"apns,omitempty" jsonschema:"title=Apple push notification service"`

	FCMServiceAccount string `json:"fcm_service_account,omitempty" jsonschema:"title=Service account of FCM" jsonschema_description:"The JSON file that Google gives out, whole." jsonschema_extras:"x-secret=true"`
	APNsKey           string `json:"apns_key,omitempty" jsonschema:"title=Key of APNs" jsonschema_description:"The .p8 file that Apple gives out, whole." jsonschema_extras:"x-secret=true"`

	Background bool   `json:"background,omitempty" jsonschema:"title=For the app only" jsonschema_description:"Notices are shown by the app, or not at all; the system shows none."`
	Truncate   bool   `json:"truncate,omitempty" jsonschema:"title=Shorten long texts" jsonschema_description:"A notice over 4096 bytes is shortened, and ends in …. Otherwise it is refused."`
	MaxTokens  int    `json:"max_tokens,omitempty" jsonschema:"title=Apps of one customer,minimum=1,maximum=50,default=10" jsonschema_description:"One more takes the place of the one that was registered first."`
	Timeout    string `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=10s"`
	CA         string `json:"ca,omitempty" jsonschema:"title=Certificates of a proxy" jsonschema_description:"In PEM form, or the name of a file that the plugin can read; believed in place of the system's."`
}

// FCMSettings are those of fcm.
type FCMSettings struct {
	ProjectID string `json:"project_id,omitempty" jsonschema:"title=Project" jsonschema_description:"Empty: that of the service account."`
	Target    string `json:"target,omitempty" jsonschema:"title=What apps register,enum=token,enum=fid,default=token" jsonschema_description:"Registration tokens, or installation ids."`
	Priority  string `json:"priority,omitempty" jsonschema:"title=Priority on Android,enum=high,enum=normal,default=high"`
	TTL       string `json:"ttl,omitempty" jsonschema:"title=How long FCM tries,default=24h"`
	ChannelID string `json:"channel_id,omitempty" jsonschema:"title=Notification channel on Android"`
	BaseURL   string `json:"base_url,omitempty" jsonschema:"title=Server of FCM,default=https://fcm.googleapis.com"`
	TokenURL  string `json:"token_url,omitempty" jsonschema:"title=Server of OAuth" jsonschema_description:"Empty: that of the service account."`
}

// APNsSettings are those of apns.
type APNsSettings struct {
	KeyID    string `json:"key_id" jsonschema:"required,title=Key id"`
	TeamID   string `json:"team_id" jsonschema:"required,title=Team id"`
	Topic    string `json:"topic" jsonschema:"required,title=Bundle id of the app"`
	Sandbox  bool   `json:"sandbox,omitempty" jsonschema:"title=Development environment"`
	BadToken string `json:"bad_token,omitempty" jsonschema:"title=What becomes of a bad device token,enum=keep,enum=retire,default=keep" jsonschema_description:"keep: it may only be of the other environment."`
	TTL      string `json:"ttl,omitempty" jsonschema:"title=How long APNs tries,default=24h"`
	Sound    string `json:"sound,omitempty" jsonschema:"title=Sound,default=default"`
	BaseURL  string `json:"base_url,omitempty" jsonschema:"title=Server of APNs" jsonschema_description:"Empty: Apple's, of the environment."`
}

// Capabilities implements sdk.Capable: what is shortened may be of any length.
func (s Settings) Capabilities(of sdk.Capabilities) sdk.Capabilities {
	if s.Truncate {
		of.Text = sdk.TextLimit{}
	}
	return of
}

// Validate implements sdk.Validator: it has the service account prove itself.
// Apple has no call that would do that.
func (s Settings) Validate(ctx context.Context) error {
	cfg, err := s.config()
	if err != nil || cfg.fcm == nil {
		return err
	}
	client, err := newHTTP(cfg.CA)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	f := newFCM(cfg, client, time.Now)
	defer f.close()
	_, err = f.tokens.get(ctx)
	return err
}
