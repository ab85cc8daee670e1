package main

import "github.com/openccsp/gateway/plugins/internal/pemfile"

// settings are the connection parameters that Enghouse hands to a customer.
// Durations are written as in "1s".
type settings struct {
	BaseURL            string                     `json:"base_url" jsonschema:"required,title=Server" jsonschema_description:"Scheme and host of the contact center, such as https://ccsp.example.com."`
	Path               string                     `json:"path,omitempty" jsonschema:"title=Path of the chat API,default=/scripts/ChatExtension.DLL"`
	APIVersion         string                     `json:"api_version,omitempty" jsonschema:"title=Version of the chat API,type=string,default=1.0"`
	CallCenterAddress  string                     `json:"call_center_address,omitempty" jsonschema:"title=Call center address" jsonschema_description:"Address of the Internet Connection Server behind the web server."`
	Port               string                     `json:"port,omitempty" jsonschema:"title=Call center port,type=string,default=2324"`
	CallCenterName     string                     `json:"call_center_name,omitempty" jsonschema:"title=Call center name" jsonschema_description:"Some installations want it. Empty: not sent."`
	TenantID           string                     `json:"tenant_id,omitempty" jsonschema:"title=Tenant"`
	TenantName         string                     `json:"tenant_name,omitempty" jsonschema:"title=Name of the tenant" jsonschema_description:"For installations that go by it. Empty: not sent."`
	ApplicationID      string                     `json:"application_id,omitempty" jsonschema:"title=Application"`
	AccountID          string                     `json:"account_id,omitempty" jsonschema:"title=Account,default=0"`
	Queue              string                     `json:"queue,omitempty" jsonschema:"title=Queue"`
	Skills             string                     `json:"skills,omitempty" jsonschema:"title=Skills"`
	Priority           string                     `json:"priority,omitempty" jsonschema:"title=Priority of the caller,default=-1"`
	RoutingPriority    string                     `json:"routing_priority,omitempty" jsonschema:"title=Routing priority,default=0"`
	TQOS               string                     `json:"tqos,omitempty" jsonschema:"title=TQOS,default=0"`
	Services           map[string]serviceSettings `json:"services,omitempty" jsonschema:"title=Queues of the services" jsonschema_description:"By the service's name. What is empty is as above."`
	PhoneType          string                     `json:"phone_type,omitempty" jsonschema:"title=Phone type" jsonschema_description:"Some installations want CHAT. Empty: not sent."`
	SourceTag          string                     `json:"source_tag,omitempty" jsonschema:"title=Source" jsonschema_description:"Where the chat comes from, as the agent sees it. Empty: the type of the channel."`
	OptionalParameters map[string]string          `json:"optional_parameters,omitempty" jsonschema:"title=Further parameters" jsonschema_description:"Sent with each new chat."`
	UpdateEvent        string                     `json:"update_event,omitempty" jsonschema:"title=Event of a changed profile,default=profile_updated"`
	Attachments        string                     `json:"attachments,omitempty" jsonschema:"title=Customers' files,enum=link,enum=upload,default=link" jsonschema_description:"link: the agent gets the file's address. upload: the file goes to the contact center."`
	Upload             uploadSettings             `json:"upload,omitempty" jsonschema:"title=Upload of files"`
	LeftGrace          string                     `json:"left_grace,omitempty" jsonschema:"title=Time for another agent when one has left,default=0s" jsonschema_description:"0s: the chat is over at once."`
	Poll               pollSettings               `json:"poll,omitempty" jsonschema:"title=Polling"`
	Timeout            string                     `json:"timeout,omitempty" jsonschema:"title=Time limit of a call,default=30s"`
	BasicAuth          string                     `json:"basic_auth,omitempty" jsonschema:"title=Basic authentication" jsonschema_description:"user:password, if a proxy in front of the server asks for it." jsonschema_extras:"x-secret=true"`
	ExtraHeaders       map[string]string          `json:"extra_headers,omitempty" jsonschema:"title=Further HTTP headers"`
	TLS                tlsSettings                `json:"tls,omitempty" jsonschema:"title=TLS"`
}

// pollSettings say how often an open chat is asked for news.
type pollSettings struct {
	Active       string `json:"active,omitempty" jsonschema:"title=While somebody writes,default=1s"`
	Idle         string `json:"idle,omitempty" jsonschema:"title=In a quiet chat,default=5s"`
	MaxErrors    int    `json:"max_errors,omitempty" jsonschema:"title=Bad answers in a row that end a chat,default=3,minimum=1"`
	MaxPerSecond int    `json:"max_per_second,omitempty" jsonschema:"title=Polls per second of all chats,minimum=1" jsonschema_description:"Chats are asked less often where they would be more. Empty: as many as there are."`
	Connections  int    `json:"connections,omitempty" jsonschema:"title=Connections for polls,default=256,minimum=1,maximum=4096"`
}

// uploadSettings say how a customer's file gets to the agent.
type uploadSettings struct {
	URL       string `json:"url,omitempty" jsonschema:"title=Address,default=/SocialConnectorHelperAPI/api/helper/saveFile" jsonschema_description:"Of the upload; a path is one at the server."`
	Event     string `json:"event,omitempty" jsonschema:"title=Event that tells of a file,default=SC_ATTACHMENT"`
	Parameter string `json:"parameter,omitempty" jsonschema:"title=Its parameter with the address,default=SC_URL"`
	MaxBytes  int64  `json:"max_bytes,omitempty" jsonschema:"title=Largest file in bytes,default=26214400,minimum=1,maximum=104857600"`
}

// tlsSettings name PEM files.
type tlsSettings struct{ pemfile.TLS }
