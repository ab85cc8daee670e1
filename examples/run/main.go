// Command run is `make run`: it starts the gateway, a contact center to answer
// in, and a web page to write from, prints where to look, and stops them all.
//
//	run -config gateway.hcl
//
// The programs are those that lie beside it: ../gateway, enghouse-sim, webchat.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
)

func main() {
	// Linux ends the children with the thread that started them: see childAttr.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends this process, and with it the children

	config := flag.String("config", "gateway.hcl", "configuration `file` of the gateway")
	agent := flag.String("agent", "127.0.0.1:8082", "`address` of the agent's page, base_url in the configuration")
	customer := flag.String("customer", "127.0.0.1:8083", "`address` of the customer's page, origins in the configuration")
	flag.Parse()
	err := runAll(ctx, os.Stdout, programs(*config, *agent, *customer), func(said map[string]string) string {
		return welcome(said["gateway"], *agent, *customer)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// programs are what make run starts, in this order. Where the gateway is, the
// page learns from the gateway's ready line.
func programs(config, agent, customer string) []program {
	return []program{
		{
			name: "agent", ready: "listening on",
			argv:  func(map[string]string) []string { return []string{beside("enghouse-sim"), "-listen", agent} },
			early: "for another address: make run AGENT=host:port, with base_url in " + config + " the same",
		},
		{
			name: "gateway", ready: "gateway ready", stderr: os.Stderr, // on a terminal its log is text
			argv: func(map[string]string) []string {
				return []string{beside("../gateway"), "run", "--config", config}
			},
		},
		{
			name: "customer", ready: "listening on",
			argv: func(said map[string]string) []string {
				return []string{beside("webchat"), "-listen", customer, "-gateway", readyLine.ReplaceAllString(said["gateway"], "$1")}
			},
			early: "for another address: make run CUSTOMER=host:port, with origins in " + config + " the same",
		},
	}
}

// beside returns the path of a program, from the folder of this one.
func beside(name string) string {
	self, err := os.Executable()
	if err != nil {
		return name // its start fails, and says so
	}
	return filepath.Join(filepath.Dir(self), name)
}

// readyLine takes the gateway's ready line apart: hooks, admin API, data_dir.
var readyLine = regexp.MustCompile(`^gateway ready: hooks at (.*)/hooks/, admin at (.*), data in (.*)$`)

// welcome says where to look.
func welcome(ready, agent, customer string) string {
	return fmt.Sprintf(`
  customer   %-23s write here
  agent      %-23s take the chat and answer here
  admin API  %-23s its token is in %s
  rules      %-23s save a file there and it applies at once

  Ctrl-C stops everything.

`, "http://"+customer+"/", "http://"+agent+"/", readyLine.ReplaceAllString(ready, "$2"),
		filepath.Join(readyLine.ReplaceAllString(ready, "$3"), "admin.token"), "rules.d")
}
