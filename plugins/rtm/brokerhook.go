package main

import (
	"context"
	"crypto/subtle"
	"maps"
	"net/http"
	"strings"
)

// brokerQuestion is what an external broker asks about a client of it. These are
// the names that EMQX and others use, see the README.
type brokerQuestion struct {
	Username string   `json:"username"`
	Password string   `json:"password"`
	ClientID string   `json:"clientid"`
	Topic    string   `json:"topic"`
	Action   string   `json:"action"` // publish or subscribe
	Acc      flexible `json:"acc"`    // 1 read, 2 write, 3 both, 4 subscribe
}

// brokerAuth says whether a client may connect to the external broker.
//
//	POST /broker/auth {"username":"webshop/u-1","password":"eyJ…","clientid":"webshop/u-1/web"}
//	200 {"result":"allow","ok":true,"is_superuser":false,"expire_at":1772442000}
func (c *channel) brokerAuth(_ context.Context, r *request) (reply, error) {
	q, err := c.question(r)
	if err != nil {
		return reply{}, err
	}
	if c.isGateway(q.Username) {
		return verdict(same(q.Password, c.cfg.BrokerPassword), map[string]any{"is_superuser": true})
	}
	token, err := c.mayConnect(q.Username, q.Password, q.ClientID)
	if err != nil {
		return verdict(false, nil)
	}
	return verdict(true, map[string]any{"is_superuser": false, "expire_at": token.ExpiresAt.Unix()})
}

// brokerACL says whether a client that has connected may use a topic.
//
//	POST /broker/acl {"username":"webshop/u-1","topic":"webshop/u-1/mo","action":"publish"}
//	200 {"result":"allow","ok":true}
func (c *channel) brokerACL(_ context.Context, r *request) (reply, error) {
	q, err := c.question(r)
	if err != nil {
		return reply{}, err
	}
	if c.isGateway(q.Username) {
		return verdict(strings.HasPrefix(q.Topic, c.cfg.AppID+"/"), nil)
	}
	user, ok := strings.CutPrefix(q.Username, c.cfg.AppID+"/")
	if !ok || !idPattern.MatchString(user) {
		return verdict(false, nil)
	}
	switch {
	case q.Action == "publish" || q.Acc == "2":
		return verdict(c.mayPublish(q.Topic, user), nil)
	case q.Action == "subscribe" || q.Acc == "1" || q.Acc == "4":
		return verdict(c.mayRead(q.Topic, user), nil)
	}
	return verdict(false, nil)
}

// mayConnect checks a client's credentials: the password is an access token of
// the user in the user name. The client id must begin with the user name, or one
// user could take over another's connection.
func (c *channel) mayConnect(user, password, clientID string) (claims, error) {
	token, err := c.signer.access(password)
	if err != nil {
		return claims{}, err
	}
	name := c.topic(token.Subject)
	if user != name || !strings.HasPrefix(clientID, name+"/") || len(clientID) > maxClientID {
		return claims{}, errToken
	}
	return token, nil
}

// question reads what a broker asks. It proves itself by the broker_hook_secret.
func (c *channel) question(r *request) (q brokerQuestion, err error) {
	if c.cfg.BrokerHookSecret == "" {
		return q, &apiError{http.StatusNotFound, "not_found", "there is nothing at this address"}
	}
	secret, err := bearer(r.Header)
	if err != nil || !same(secret, c.cfg.BrokerHookSecret) {
		return q, unauthorized("the broker's secret is wrong; it is the broker_hook_secret of the channel")
	}
	if err := decode(r.Body, &q); err != nil {
		return q, invalid("%s", err)
	}
	return q, nil
}

func (c *channel) isGateway(user string) bool {
	return c.cfg.BrokerUser != "" && user == c.cfg.BrokerUser
}

func same(a, b string) bool { return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// verdict is always 200: to brokers another status means that they should ask
// somebody else.
func verdict(allow bool, more map[string]any) (reply, error) {
	if !allow {
		return reply{body: map[string]any{"result": "deny", "ok": false, "error": "denied"}}, nil
	}
	body := map[string]any{"result": "allow", "ok": true}
	maps.Copy(body, more)
	return reply{body: body}, nil
}
