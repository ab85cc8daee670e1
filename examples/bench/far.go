package main

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// far is the far side of all subjects: it takes messages and tells the load
// that they are there, by took.
type far struct {
	server *fasthttp.Server
	ln     net.Listener
	url    string
	took   func(id int64, at time.Time)
}

func newFar(took func(id int64, at time.Time)) (*far, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &far{ln: ln, took: took, url: "http://" + ln.Addr().String() + "/"}
	f.server = &fasthttp.Server{Handler: f.handle, Concurrency: 100_000, NoDefaultServerHeader: true}
	return f, nil
}

func (f *far) serve() { _ = f.server.Serve(f.ln) }

// handle finds the id in the text: "#<id>#", then padding.
func (f *far) handle(r *fasthttp.RequestCtx) {
	at := time.Now()
	if _, rest, ok := bytes.Cut(r.Request.Body(), []byte(`"text":"#`)); ok {
		digits, _, _ := bytes.Cut(rest, []byte("#"))
		if id, err := strconv.ParseInt(string(digits), 10, 64); err == nil {
			f.took(id, at)
		}
	}
	r.SetStatusCode(fasthttp.StatusOK)
}

// textBytes is the length of a message's text.
const textBytes = 100

var padding = bytes.Repeat([]byte("."), textBytes)

// message returns the body of a hook's request.
func message(b []byte, run, id int64, customer string) []byte {
	b = fmt.Appendf(b[:0], `{"id":"%d-%d","from":"%s","text":"#%d#`, run, id, customer, id)
	n := textBytes - 2 - len(strconv.FormatInt(id, 10))
	return append(append(b, padding[:n]...), `"}`...)
}
