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
	"runtime"
	"syscall"
)

const welcome = `
  customer   http://127.0.0.1:8083/   write here
  agent      http://127.0.0.1:8082/   take the chat and answer here
  admin API  http://127.0.0.1:8081/   its token is in data/admin.token
  rules      rules.d                  save a file there and it applies at once

  Ctrl-C stops everything.

`

func main() {
	// Linux ends the children with the thread that started them: see childAttr.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends this process, and with it the children

	config := flag.String("config", "gateway.hcl", "configuration `file` of the gateway")
	flag.Parse()
	self, err := os.Executable()
	if err == nil {
		dir := filepath.Dir(self)
		err = runAll(ctx, os.Stdout, welcome, []program{
			{name: "agent", argv: []string{filepath.Join(dir, "enghouse-sim"), "-listen", "127.0.0.1:8082"}, ready: "listening on"},
			{name: "customer", argv: []string{filepath.Join(dir, "webchat"), "-listen", "127.0.0.1:8083"}, ready: "listening on"},
			{name: "gateway", argv: []string{filepath.Join(dir, "..", "gateway"), "run", "--config", *config}, ready: "gateway ready"},
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}
