package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openccsp/gateway/core/config"
)

func TestParseProblems(t *testing.T) {
	const base = `integration "enghouse" "tenant" {}
channel "rtm" "webshop" {}
`
	tests := []struct{ name, src, want string }{
		{"syntax", "admin {", `gateway.hcl:1:7: there is no closing brace for this block before the end of the file; this may be caused by incorrect brace nesting elsewhere in this file`},
		{"typo", `listn = ":1"`, `gateway.hcl:1:1: an argument named "listn" is not expected here; did you mean "listen"?`},
		{"block typo", `chanel "a" "b" {}`, `gateway.hcl:1:1: blocks of type "chanel" are not expected here; did you mean "channel"?`},
		{"label missing", `channel "rtm" {}`, `gateway.hcl:1:15: all channel blocks must have 2 labels (driver, name)`},
		{"port", `listen = "8080"`, `gateway.hcl:1:10: listen "8080" is not an address; write host:port, such as "127.0.0.1:8080" or ":8080"`},
		{"big port", `listen = ":99999"`, `gateway.hcl:1:10: listen ":99999" is not an address; write host:port, such as "127.0.0.1:8080" or ":8080"`},
		{"same port", "listen = \":1\"\nadmin {\n  listen = \":1\"\n}", `gateway.hcl:3:12: admin listens at :1, like "listen"; give it a port of its own`},
		{"proxies", `trusted_proxies = ["10.0.0.0/8", "10.0.0.1", "ten"]`, `gateway.hcl:1:46: trusted_proxies "ten" is not a network; write one such as "10.0.0.0/8" or "127.0.0.1"`},
		{"public url", `public_url = "gw.example.com"`, `gateway.hcl:1:14: public_url "gw.example.com" is not an http or https URL; write one such as "https://ops.example.com/hook"`},
		{"empty", `data_dir = ""`, `gateway.hcl:1:12: data_dir is empty`},
		{"not a list", `plugin_dirs = "plugins"`, `gateway.hcl:1:15: plugin_dirs is not a list; write it as [ … ]`},
		{"trust", "plugins {\n  trust = \"pined\"\n}", `gateway.hcl:2:11: trust "pined" is not known; did you mean "pinned"?`},
		{"signed by nobody", "plugins {\n  trust = \"signed\"\n}",
			`gateway.hcl:2:11: trust "signed" needs keys; add the public key that "gateway plugin keygen" printed`},
		{"key", "plugins {\n  trust = \"signed\"\n  keys = [\"AAAA\"]\n}",
			`gateway.hcl:3:11: a key is not the base64 of 32 bytes; write what "gateway plugin keygen" printed`},
		{"plugins twice", "plugins {}\nplugins {}", `gateway.hcl:2:1: a second plugins block; the first is at line 1`},
		{"a plugin's id", "plugins {\n  plugin \"enghouse\" {}\n}",
			`gateway.hcl:2:10: "enghouse" is not the id of a plugin; write one such as "org.openccsp.rtm", as "gateway plugin list" shows it`},
		{"a plugin twice", "plugins {\n  plugin \"a.b\" {}\n  plugin \"a.b\" {}\n}", `gateway.hcl:3:10: plugin "a.b" is already at line 2`},
		{"a plugin's key", "plugins {\n  plugin \"a.b\" {\n    conect = [443]\n  }\n}",
			`gateway.hcl:3:5: an argument named "conect" is not expected here; did you mean "connect"?`},
		{"a plugin's block", "plugins {\n  plugn \"a.b\" {}\n}", `gateway.hcl:2:3: blocks of type "plugn" are not expected here; did you mean "plugin"?`},
		{"a plugin without id", "plugins {\n  plugin {}\n}", `gateway.hcl:2:10: all plugin blocks must have 1 labels (id)`},
		{"no list of ports", "plugins {\n  plugin \"a.b\" {\n    connect = 443\n  }\n}", `gateway.hcl:3:15: connect is not a list; write it as [ … ]`},
		{"ports", "plugins {\n  plugin \"a.b\" {\n    connect = [443, 0, 65536, 1.5, 443]\n    listen = [0, -1, \"x\"]\n    memory = \"1\"\n  }\n}", strings.Join([]string{
			`gateway.hcl:3:21: connect has 0, which is not a port from 1 to 65535`,
			`gateway.hcl:3:24: connect has 65536, which is not a port from 1 to 65535`,
			`gateway.hcl:3:31: connect has 1.5, which is not a port from 1 to 65535`,
			`gateway.hcl:3:36: connect has port 443 twice`,
			`gateway.hcl:4:18: listen has -1, which is not a port from 0 to 65535`,
			`gateway.hcl:4:22: listen is not a number`,
		}, "\n")},
		{"not a bool", "endpoint \"a\" {\n  url = \"http://a.example\"\n  allow_private = \"maybe\"\n}",
			`gateway.hcl:3:19: allow_private is not a bool`},
		{"validated webhooks", "endpoint \"a\" {\n  url = \"http://a.example\"\n  validate = true\n}",
			`gateway.hcl:3:14: validate is of CloudEvents; set format = "cloudevents" or "cloudevents_binary"`},
		{"types", "media {\n  types = [\"image/*\", \"image\", \"*/png\", \"a b/c\"]\n}", strings.Join([]string{
			`gateway.hcl:2:23: types "image" is not a MIME type; write one such as "image/png" or "image/*"`,
			`gateway.hcl:2:32: types "*/png" is not a MIME type; write one such as "image/png" or "image/*"`,
			`gateway.hcl:2:41: types "a b/c" is not a MIME type; write one such as "image/png" or "image/*"`,
		}, "\n")},
		{"larger than all", "media {\n  max_file = \"2GiB\"\n  max_total = \"1GiB\"\n}", `gateway.hcl:2:14: max_file is more than max_total: no such file could be kept`},
		{"short links", "media {\n  link_ttl = \"5s\"\n}", `gateway.hcl:2:14: link_ttl is less than a minute; a platform needs longer to fetch a file`},
		{"larger than the media block's", base + "channel \"x\" \"y\" {\n  media {\n    max_file = \"26MiB\"\n  }\n}\nservice \"s\" {\n  channels = [\"y\"]\n}",
			`gateway.hcl:5:16: max_file of channel "y" is more than that of the media block; raise that one, or lower this one`},
		{"media typo", base + "channel \"x\" \"y\" {\n  media {\n    retention = \"1d\"\n  }\n}\nservice \"s\" {\n  channels = [\"y\"]\n}",
			`gateway.hcl:5:5: an argument named "retention" is not expected here`},
		{"second block", "admin {}\nadmin {}", `gateway.hcl:2:1: a second admin block; the first is at line 1`},
		{"engine", `store "nats" {}`, `gateway.hcl:1:7: store engine "nats" is not known; this version has "badger" only`},
		{"retention", "store \"badger\" {\n  retention = \"30\"\n}", `gateway.hcl:2:15: retention "30" is not a duration; write a positive one, such as "90s", "10m", "36h" or "30d"`},
		{"level", "log {\n  level = \"inf\"\n}", `gateway.hcl:2:11: level "inf" is not known; did you mean "info"?`},
		{"format", "log {\n  format = \"protobuf\"\n}", `gateway.hcl:2:12: format "protobuf" is not known; want one of text, json`},
		{"size", "limits {\n  body = \"1 elephant\"\n}", `gateway.hcl:2:10: body "1 elephant" is not a size; write a positive one, such as "16KiB", "1MiB" or "2GiB"`},
		{"count", "limits {\n  queue = 0.5\n}", `gateway.hcl:2:11: queue is not a whole number from 1 to 2147483647`},
		{"huge number", `data_dir = "${1e999999999}"`, `gateway.hcl:1:15: number 1e999999999 is too long`},
		{"ambiguous", base + "integration \"x\" \"y\" {\n  dispatch {\n    ambiguous = \"retry\"\n  }\n}",
			`gateway.hcl:5:17: ambiguous "retry" is not known; want one of resend, dead`},
		{"text limit", base + "integration \"x\" \"y\" {\n  dispatch {\n    text_limit = 0\n  }\n}",
			`gateway.hcl:5:18: text_limit is not a whole number from 1 to 2147483647`},
		{"text unit", base + "integration \"x\" \"y\" {\n  dispatch {\n    text_limit = 5\n    text_unit = \"utf-16\"\n  }\n}",
			`gateway.hcl:6:17: text_unit "utf-16" is not known; did you mean "utf16"?`},
		{"rate", base + "integration \"x\" \"y\" {\n  dispatch {\n    rate = 0\n  }\n}",
			`gateway.hcl:5:12: rate is not a number above 0, at most 1000000`},
		{"burst", base + "integration \"x\" \"y\" {\n  dispatch {\n    burst = 1.5\n  }\n}",
			`gateway.hcl:5:13: burst is not a whole number from 1 to 2147483647`},
		{"text unit alone", base + "integration \"x\" \"y\" {\n  dispatch {\n    text_unit = \"byte\"\n  }\n}",
			`gateway.hcl:5:17: text_unit says what text_limit counts; there is no text_limit`},
		{"overflow", base + "integration \"x\" \"y\" {\n  dispatch {\n    overflow = \"cut\"\n  }\n}",
			`gateway.hcl:5:16: overflow "cut" is not known; want one of split, refuse`},
		{"env", `data_dir = env("TEST_NOT_SET")`, `gateway.hcl:1:12: environment variable "TEST_NOT_SET" is not set`},
		{"env in settings", "channel \"rtm\" \"a\" {\n  settings {\n    secret = env(\"TEST_NOT_SET\")\n  }\n}",
			`gateway.hcl:3:14: environment variable "TEST_NOT_SET" is not set`},
		{"file", `data_dir = file("none.txt")`, `gateway.hcl:1:12: stat none.txt: no such file or directory`},
		{"device", `data_dir = file("/dev/zero")`, `gateway.hcl:1:12: /dev/zero is not a file`},
		{"function", `data_dir = enw("A")`, `gateway.hcl:1:12: there is no function named "enw"; did you mean "env"?`},
		{"variable", `data_dir = home`, `gateway.hcl:1:12: variables may not be used here`},
		{"name", `channel "rtm" "a/b" {}`, `gateway.hcl:1:15: channel name "a/b" is not a name; use up to 64 letters, digits, dots, dashes and underscores`},
		{"name twice", base + `channel "sms" "tenant" {}`, `gateway.hcl:3:15: channel "tenant": the name is taken at line 1; channels and integrations share their names`},
		{"message_routing", "channel \"rtm\" \"a\" {\n  message_routing = true\n}", `gateway.hcl:2:3: an argument named "message_routing" is not expected here`},
		{"settings block", "channel \"rtm\" \"a\" {\n  settings {\n    tls {}\n  }\n}", `gateway.hcl:3:5: blocks are not allowed here`},
		{"endpoint url missing", `endpoint "ops" {}`, `gateway.hcl:1:16: the argument "url" is required, but no definition was found`},
		{"endpoint url", "endpoint \"ops\" {\n  url = \"ftp://a.example\"\n}",
			`gateway.hcl:2:9: url "ftp://a.example" is not an http or https URL; write one such as "https://ops.example.com/hook"`},
		{"endpoint user", "endpoint \"ops\" {\n  url = \"https://u:p@a.example\"\n}",
			`gateway.hcl:2:9: url has a user name in it; credentials do not belong into a URL`},
		{"endpoint twice", "endpoint \"a\" {\n  url = \"https://a.example\"\n}\nendpoint \"a\" {\n  url = \"https://a.example\"\n}",
			`gateway.hcl:4:1: endpoint "a" is already at line 1`},
		{"unknown integration", base + "service \"s\" {\n  integration = \"tennant\"\n}",
			`gateway.hcl:4:17: integration "tennant" is not known; did you mean "tenant"?`},
		{"unknown channel", base + "service \"s\" {\n  channels = [\n    \"webshop\",\n    \"webshp\",\n  ]\n}",
			`gateway.hcl:6:5: channel "webshp" is not known; did you mean "webshop"?`},
		{"kind", base + "service \"s\" {\n  integration = \"webshop\"\n  forward = \"none\"\n}",
			`gateway.hcl:4:17: integration "webshop" is not known; there is a channel of that name`},
		{"no integrations", "service \"s\" {\n  bot = \"x\"\n}", `gateway.hcl:2:9: bot "x" is not known; there is none`},
		{"two services", base + "service \"a\" {\n  channels = [\"webshop\"]\n}\nservice \"b\" {\n  channels = [\"webshop\"]\n}",
			`gateway.hcl:7:15: channel "webshop" already belongs to service "a" at line 3; a channel has one service`},
		{"service twice", "service \"a\" {}\nservice \"a\" {}", `gateway.hcl:2:9: service "a" is already at line 1`},
		{"forward", base + "service \"s\" {\n  integration = \"tenant\"\n  forward = \"cssp\"\n}",
			`gateway.hcl:5:13: forward "cssp" is not known; did you mean "ccsp"?`},
		{"forward without", "service \"s\" {\n  forward = \"ccsp\"\n}", `gateway.hcl:2:13: forward "ccsp" needs an integration; the service names none`},
		{"bot without", base + "service \"s\" {\n  integration = \"tenant\"\n  forward = \"bot+ccsp\"\n}",
			`gateway.hcl:5:13: forward "bot+ccsp" needs a bot; the service names none`},
		{"copies without", base + "service \"s\" {\n  integration = \"tenant\"\n  copies = \"bot\"\n}",
			`gateway.hcl:5:12: copies "bot" needs a bot; the service names none`},
		{"bot is integration", base + "service \"s\" {\n  integration = \"tenant\"\n  bot = \"tenant\"\n}",
			`gateway.hcl:5:9: bot "tenant" is the service's integration too; name another one`},
		{"timezone", "service \"s\" {\n  timezone = \"Europe/Zuric\"\n}", `gateway.hcl:2:14: timezone "Europe/Zuric" is not known; write one such as "Europe/Zurich"`},
		{"local zone", "service \"s\" {\n  timezone = \"Local\"\n}", `gateway.hcl:2:14: timezone "Local" is not known; write one such as "Europe/Zurich"`},
		{"locale", "service \"s\" {\n  locale = \"german\\n\"\n}", `gateway.hcl:2:12: locale "german\n" is not one; write one such as "de-CH"`},
		{"negative", "service \"s\" {\n  idle_after = \"-1m\"\n}",
			`gateway.hcl:2:16: idle_after "-1m" is not a duration; write a positive one, such as "90s", "10m", "36h" or "30d"`},
		{"transcript", "service \"s\" {\n  transcript = 101\n}", `gateway.hcl:2:16: transcript is not a whole number from 0 to 100`},
		{"reopen_within", "service \"s\" {\n  reopen_within = \"0s\"\n}",
			`gateway.hcl:2:19: reopen_within "0s" is not a duration; write a positive one, such as "90s", "10m", "36h" or "30d"`},
		{"in a list", "service \"s\" {\n  unattended_after = [\"15m\", \"0s\"]\n}",
			`gateway.hcl:2:30: unattended_after "0s" is not a duration; write a positive one, such as "90s", "10m", "36h" or "30d"`},
		{"all at once", "listn = 1\nstore \"nats\" {}\nservice \"s\" {\n  bot = \"x\"\n}", strings.Join([]string{
			`gateway.hcl:1:1: an argument named "listn" is not expected here; did you mean "listen"?`,
			`gateway.hcl:2:7: store engine "nats" is not known; this version has "badger" only`,
			`gateway.hcl:4:9: bot "x" is not known; there is none`,
		}, "\n")},
		{"too large", strings.Repeat("#", config.MaxBytes+1), `gateway.hcl:1:1: the file has 262145 bytes, at most 262144 are read`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ps := config.Parse([]byte(tt.src), "gateway.hcl")
			if err := ps.Err(); err == nil || err.Error() != tt.want {
				t.Errorf("Parse:\n got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestParseWarnings(t *testing.T) {
	t.Setenv("TEST_KEY", "k")
	src := `channel "rtm" "webshop" {
  settings {
    app_secret = "hunter2"
    auth       = { user = "u", password = "hunter3" }
    apiKey     = env("TEST_KEY")
    pin        = "1234"
  }
}
endpoint "ops" {
  url    = "https://ops.example.com"
  secret = "hunter4"
}
plugins {
  sandbox = false
  memory  = "64MiB"
  plugin "a.b" {
    connect = []
    memory  = "1GiB"
  }
}
`
	want := `gateway.hcl:1:15: channel "webshop" is in no service; its messages reach nobody; add it to "channels" of one
gateway.hcl:3:18: app_secret is a secret and stands here in clear; use env("NAME") or file("path")
gateway.hcl:4:18: auth.password is a secret and stands here in clear; use env("NAME") or file("path")
gateway.hcl:11:12: secret is a secret and stands here in clear; use env("NAME") or file("path")
gateway.hcl:17:15: connect has no effect with sandbox = false; leave that out
gateway.hcl:18:15: memory is more than the 64 MiB of all plugins, which stay; it can only be less`
	c, ps := config.Parse([]byte(src), "gateway.hcl")
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	if got := c.Warnings.Error(); got != want {
		t.Errorf("warnings:\n got %s\nwant %s", got, want)
	}
	s := c.Channels[0].Settings
	got := s.LiteralSecrets([]string{"pin", "apiKey", "app_secret", "absent"}).Error()
	if want := `gateway.hcl:6:18: pin is a secret and stands here in clear; use env("NAME") or file("path")`; got != want {
		t.Errorf("declared:\n got %s\nwant %s", got, want)
	}
	for key, want := range map[string]string{"pin": "gateway.hcl:6:18", "auth.password": "gateway.hcl:4:18", "/auth/password": "gateway.hcl:4:18", "absent": "gateway.hcl:2:3"} {
		if got := s.At(key).String(); got != want {
			t.Errorf("At(%s) = %s, want %s", key, got, want)
		}
	}
}

func TestSettingsSplit(t *testing.T) {
	t.Setenv("TEST_KEY", "k")
	c, ps := config.Parse([]byte(`channel "rtm" "a" {
  settings {
    plain  = "p"
    apiKey = env("TEST_KEY")
    pin    = "1234"
    auth   = { password = env("TEST_KEY") }
  }
}
channel "rtm" "b" {}
`), "gateway.hcl")
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	public, secrets := c.Channels[0].Settings.Split([]string{"pin", "absent"})
	if got, want := string(public), `{"auth":{"password":"k"},"plain":"p"}`; got != want {
		t.Errorf("public = %s, want %s", got, want)
	}
	if diff := cmp.Diff(map[string][]byte{"apiKey": []byte("k"), "pin": []byte("1234")}, secrets); diff != "" {
		t.Errorf("secrets: want -, got +:\n%s", diff)
	}
	if public, secrets := c.Channels[1].Settings.Split(nil); string(public) != "{}" || len(secrets) != 0 {
		t.Errorf("no settings = %s, %v", public, secrets)
	}
}
