package ccsp

import (
	"errors"
	"fmt"
	"net/textproto"
	"net/url"
	"strings"
	"time"
)

// Server reads the setting name: scheme and host of a server, such as example.
// rest names the settings for what else an address may hold.
func Server(name, text, example, rest string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s is not an http or https address; write one such as %q", name, example)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%s has more than scheme and host; the rest goes to %s", name, rest)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// Duration reads the setting name.
func Duration(name, text string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf(`%s %q is not a duration from %v to %v; write one such as "5s"`, name, text, least, most)
	}
	return d, nil
}

// InBlock says of each line of err, if there is one, that it is about a block of settings.
func InBlock(name string, err error) error {
	if err == nil {
		return nil
	}
	return errors.New(name + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+name+": "))
}

// HeaderName reports whether name is that of a header which does not belong to
// the HTTP client.
func HeaderName(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "", "Content-Length", "Transfer-Encoding", "Connection", "Host":
		return false
	}
	return true
}
