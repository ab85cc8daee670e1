package scaffold

import (
	"path/filepath"
	"strings"
)

// Next returns what the author may type now, and what a gateway.hcl of their
// own needs.
func (p *Project) Next() string {
	var b strings.Builder
	b.WriteString("\nnext:\n  cd " + p.Dir + "\n")
	for _, line := range p.commands() {
		b.WriteString("  " + line[0] + strings.Repeat(" ", max(1, 42-len(line[0]))) + "# " + line[1] + "\n")
	}
	b.WriteString("\nIn a gateway.hcl of your own, as in " + filepath.Join(p.Dir, "demo", "gateway.hcl") + ":\n\n")
	b.WriteString(p.block())
	return b.String()
}

func (p *Project) commands() [][2]string {
	run := [2]string{"gateway run --config demo/gateway.hcl", "a gateway to try it with"}
	if p.Lang == "node" {
		return [][2]string{
			{"npm install", "the gRPC library, once"},
			{"npm test", "its own tests"},
			{"gateway plugin conform .", "the tests of every plugin"},
			{"npm run drop", "copy it into demo/plugins"},
			run,
			{`npm run demo "Hello"`, "in another terminal: one chat"},
		}
	}
	lines := [][2]string{
		{"go test ./...", "its own tests, and those of every plugin"},
		{"go build -o demo/plugins/" + p.Name + " .", "drop it"},
		run,
		{`go run ./demo "Hello"`, "in another terminal: one chat"},
	}
	if p.SDK == "" {
		lines = append([][2]string{{"go mod tidy", "get the SDK, once"}}, lines...)
	}
	return lines
}

// block is the instance of the plugin in a gateway.hcl.
func (p *Project) block() string {
	if p.Kind == "channel" {
		return "  channel \"" + p.Driver + "\" \"shop\" {\n" +
			"    settings {\n      url = \"https://api.example.com/messages\"\n    }\n  }\n\n" +
			"and \"shop\" among the channels of a service.\n"
	}
	return "  integration \"" + p.Driver + "\" \"desk\" {\n" +
		"    settings {\n      url = \"https://desk.example.com/chats\"\n    }\n  }\n\n" +
		"and integration = \"desk\" in a service.\n"
}
