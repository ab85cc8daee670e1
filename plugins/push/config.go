package main

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/openccsp/gateway/plugins/internal/ccsp"
)

const (
	defaultMaxTokens = 10
	mostTokens       = 50
	maxTTL           = 28 * 24 * time.Hour
)

var (
	projectPattern = regexp.MustCompile(`^[a-z0-9.:-]{1,64}$`)
	applePattern   = regexp.MustCompile(`^[A-Z0-9]{10}$`)
	topicPattern   = regexp.MustCompile(`^[A-Za-z0-9.-]{1,155}$`)
)

// config is Settings, checked, with defaults.
type config struct {
	Settings
	timeout time.Duration
	fcm     *fcmConfig
	apns    *apnsConfig
}

// Check implements sdk.Checker.
func (s Settings) Check() error {
	_, err := s.config()
	return err
}

// config checks s and reports all that is wrong at once.
func (s Settings) config() (config, error) {
	s.MaxTokens = cmp.Or(s.MaxTokens, defaultMaxTokens)
	c := config{Settings: s}
	var errs [5]error
	c.timeout, errs[0] = ccsp.Duration("timeout", cmp.Or(s.Timeout, "10s"), 100*time.Millisecond, time.Minute)
	c.fcm, errs[1] = s.checkFCM()
	c.apns, errs[2] = s.checkAPNs()
	if s.FCM == nil && s.APNs == nil {
		errs[3] = errors.New("fcm and apns are both missing; write one of them, or both")
	}
	if s.MaxTokens < 1 || s.MaxTokens > mostTokens {
		errs[4] = fmt.Errorf("max_tokens %d is not from 1 to %d", s.MaxTokens, mostTokens)
	}
	return c, errors.Join(errs[:]...)
}

// fcmConfig is FCMSettings, checked.
type fcmConfig struct {
	FCMSettings
	account  serviceAccount
	key      *rsa.PrivateKey
	base     string
	tokenURL string // where an access token is asked for
	audience string // as the assertion names that
	ttl      time.Duration
}

// checkFCM reads what belongs to fcm.
func (s Settings) checkFCM() (*fcmConfig, error) {
	switch {
	case s.FCM == nil && s.FCMServiceAccount == "":
		return nil, nil
	case s.FCM == nil:
		return nil, errors.New("fcm_service_account is there and no fcm; write fcm = {}")
	}
	c := &fcmConfig{FCMSettings: *s.FCM}
	var errs [6]error
	if c.account, c.key, errs[0] = parseAccount(s.FCMServiceAccount); errs[0] != nil {
		return nil, fmt.Errorf("fcm_service_account: %w", errs[0])
	}
	c.ProjectID, c.Target, c.Priority = cmp.Or(c.ProjectID, c.account.ProjectID), cmp.Or(c.Target, "token"), cmp.Or(c.Priority, "high")
	if !projectPattern.MatchString(c.ProjectID) {
		errs[1] = fmt.Errorf("fcm.project_id %q is not one", c.ProjectID)
	}
	if c.Target != "token" && c.Target != "fid" || c.Priority != "high" && c.Priority != "normal" {
		errs[2] = errors.New("fcm: target is token or fid, priority high or normal")
	}
	c.base, errs[3] = server("fcm.base_url", cmp.Or(c.BaseURL, "https://fcm.googleapis.com"))
	c.audience = cmp.Or(c.account.TokenURI, "https://oauth2.googleapis.com/token")
	c.tokenURL, errs[4] = server("fcm.token_url", cmp.Or(c.TokenURL, c.audience))
	c.ttl, errs[5] = ccsp.Duration("fcm.ttl", cmp.Or(c.TTL, "24h"), 0, maxTTL)
	return c, errors.Join(errs[:]...)
}

// apnsConfig is APNsSettings, checked.
type apnsConfig struct {
	APNsSettings
	key  *ecdsa.PrivateKey
	base string
	ttl  time.Duration
}

// checkAPNs reads what belongs to apns.
func (s Settings) checkAPNs() (*apnsConfig, error) {
	switch {
	case s.APNs == nil && s.APNsKey == "":
		return nil, nil
	case s.APNs == nil:
		return nil, errors.New("apns_key is there and no apns; write apns = { … } with key_id, team_id and topic")
	}
	c := &apnsConfig{APNsSettings: *s.APNs}
	c.BadToken, c.Sound = cmp.Or(c.BadToken, "keep"), cmp.Or(c.Sound, "default")
	var errs [6]error
	if c.key, errs[0] = jwt.ParseECPrivateKeyFromPEM([]byte(s.APNsKey)); errs[0] != nil || c.key.Curve.Params().BitSize != 256 {
		errs[0] = errors.New("apns_key is not Apple's .p8 file; copy it whole")
	}
	if !applePattern.MatchString(c.KeyID) || !applePattern.MatchString(c.TeamID) {
		errs[1] = errors.New("apns: key_id and team_id have 10 capital letters and digits each")
	}
	if !topicPattern.MatchString(c.Topic) {
		errs[2] = fmt.Errorf("apns.topic %q is not the bundle id of an app", c.Topic)
	}
	if c.BadToken != "keep" && c.BadToken != "retire" {
		errs[3] = fmt.Errorf("apns.bad_token %q is neither keep nor retire", c.BadToken)
	}
	apple := "https://api.push.apple.com"
	if c.Sandbox {
		apple = "https://api.sandbox.push.apple.com"
	}
	c.base, errs[4] = server("apns.base_url", cmp.Or(c.BaseURL, apple))
	c.ttl, errs[5] = ccsp.Duration("apns.ttl", cmp.Or(c.TTL, "24h"), 0, maxTTL)
	return c, errors.Join(errs[:]...)
}

// server reads an address of the settings.
func server(name, text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%s is not an http or https address", name)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}
