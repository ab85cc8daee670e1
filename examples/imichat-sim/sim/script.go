package sim

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/openccsp/gateway/examples/internal/desk"
)

// commands are what a script can do: !hold, !resume, !close [STATUS], !transfer
// [TEAM], !typing, !note TEXT, !file URL, !event NAME, !flow NAME=VALUE …, !idle
// MINUTES and !unattended MINUTES.
var commands = desk.Commands[Args]{
	Names: []string{"hold", "resume", "close", "transfer", "typing", "note", "file", "event", "flow", "idle", "unattended"},
	Read:  readCommand,
}

// ReadScript reads the automatic agent's answers; bot.txt is an example.
func ReadScript(r io.Reader, name string) (desk.Script, error) {
	return desk.ReadScript(r, name, commands)
}

func readCommand(act, arg string) (_ string, a Args, err error) {
	switch act {
	case "file":
		return "say", Args{URL: arg}, nil
	case "transfer":
		if arg != "" {
			a.Team, err = strconv.ParseInt(arg, 10, 64)
		}
	case "idle", "unattended":
		a.Minutes, err = strconv.Atoi(arg)
	case "flow":
		a.Params = map[string]string{}
		for pair := range strings.FieldsSeq(arg) {
			k, v, _ := strings.Cut(pair, "=")
			a.Params[k] = v
		}
	default:
		a.Agent, a.Text, a.Name, a.Status, a.On = arg, arg, arg, arg, true
	}
	if err != nil {
		err = fmt.Errorf("!%s %s: no number", act, arg)
	}
	return act, a, err
}
