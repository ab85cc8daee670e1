package httpd

import "github.com/valyala/fasthttp"

// Routes lists the admin API as "METHOD path", and whether it is open.
func Routes() map[string]bool {
	list := map[string]bool{}
	for _, op := range new(Admin).routes() {
		list[op.method+" "+op.path] = op.open
	}
	return list
}

// OpenAPI is the embedded description.
func OpenAPI() []byte { return openAPI }

// SplitHook is splitHook.
var SplitHook = splitHook

// Decode runs decode on a body, as a handler would.
func Decode(body []byte, v any) error {
	var r fasthttp.RequestCtx
	r.Request.Header.SetContentType("application/json")
	r.SetUserValue(bodyKey{}, body)
	return decode(&r, v)
}

// HeadOK says whether a request's head is read and let through.
func HeadOK(h *fasthttp.RequestHeader) bool { return checkHead(h, 100) == nil }
