# The gateway's configuration. Relative paths are relative to the folder of
# this file. Any value may be env("NAME") or file("path"); write secrets so.
# `gateway check` reads this file and says what is wrong with it.
#
# Saving it, or a file("path") in it, applies integrations, channels, services
# and endpoints at once, all or nothing; `gateway status` says what is wrong
# and what needs a restart. What is taken out finishes its open chats first.

listen      = "127.0.0.1:8080"               # hooks: what platforms and customers call
# public_url = "https://gw.example.com"      # how they reach it; drivers that need it say so
data_dir    = "data"                         # the store, the admin token, the admin socket
rules_dir   = "rules.d"                      # saved rules take effect at once
# rules_tests = "warn"                       # rules whose tests fail go live with a warning; default: "required"
plugin_dirs = ["plugins"]                    # beside those in plugins/ next to the program
# key_file  = "gateway.key"                  # encrypts secrets in the store; made at first start

# plugins {
#   trust     = "open"                       # all files in plugin_dirs may run. "pinned": those in the
#                                            # lock file; "signed": those with a signature by one of keys
#   lock_file = "plugins.lock"               # written by `gateway plugin approve`
#   keys      = ["…"]                        # public keys, as `gateway plugin keygen` prints them
#   sandbox   = true                         # plugins may do no more than they need
#   read      = ["certs"]                    # files and folders that they may read, beside their own; settings of
#                                            # plugins name files by their whole paths
#   memory    = "1GiB"                       # a plugin that uses more is ended; default: no ceiling
#
#   plugin "org.openccsp.enghouse" {         # narrower limits of one plugin, by its id. One that has
#                                            # never run is started once without them, to say its id
#     connect = [443]                        # TCP ports it may connect to; default: all; []: none
#     listen  = []                           # TCP ports of its own it may listen on; hooks need none
#     memory  = "256MiB"
#   }
# }

admin {
  listen = "127.0.0.1:8081"                  # API, metrics; its token is in data_dir/admin.token
}

store "badger" {
  retention = "30d"                          # of history, from when it is complete
  # watermark = "1GiB"                       # with less free space nothing new is accepted
  # ballast   = "256MiB"                     # a file to delete by hand when the disk is full
}

# media {                                    # files of messages, in data_dir/media
#   max_file      = "25MiB"
#   max_total     = "4GiB"                   # of all; over it no file is taken, and none is removed before its time
#   retention     = "30d"                    # default: the store's
#   link_ttl      = "24h"                    # how long a link to a file works; links need public_url
#   allow_private = false                    # true: files may be fetched from a private network, for laboratories
#   types         = ["image/*", "video/*", "audio/*", "application/pdf"] # default: all but what can do harm, such
#                                            # as HTML, SVG and programs: those are taken if named in full
# }

# log {
#   format = "json"                          # or "text"; default: text on a terminal
#   level  = "info"                          # debug, info, warn, error
# }

# limits {
#   body               = "1MiB"              # of a request
#   header             = "16KiB"
#   connections        = 10000               # per listener
#   connections_per_ip = 1000
#   read_timeout       = "5s"                # for a whole request
#   write_timeout      = "10s"
#   idle_timeout       = "60s"
#   queue              = 100000              # events that are not durable yet; over it: 503
#   instance_queue     = 20000               # the same of one instance; over it: 429
#   memory             = "512MiB"            # soft limit of the heap
# }

# Where the agents are. The labels are the driver and the name.
integration "enghouse" "ChatEngineEnghouse" {
  message_routing = true                     # rules see agents' messages too
  settings {
    base_url = "http://127.0.0.1:8082"       # the simulator that `make run` starts
    queue    = "retail"
  }
  # dispatch {
  #   ambiguous = "resend"                   # or "dead": messages that may or may not have arrived
  #   max_parts = 20                         # a message that needs more is a dead letter
  #   lane_age  = "24h"                      # how long the first command of a lane is retried
  #   text_limit = 1024                      # of one message, in place of the driver's limit
  #   text_unit  = "utf16"                   # what that counts: utf16, rune, byte, grapheme or gsm7
  #   overflow   = "split"                   # longer texts: "split", or "refuse": dropped, the author is told
  #   rate       = 0.5                       # messages per second, in place of the driver's; more wait: answers of
  #   burst      = 10                        # people go before what rules write. burst: at once within the rate
  # }
}

# A program that answers beside the agents, or before them: see plugins/bot.
# integration "bot" "helper" {
#   settings {
#     profile = "rasa"                       # or json, signed
#     url     = "http://127.0.0.1:8085"      # the simulator, examples/bot-sim
#   }
# }

# Where the customers are. Further drivers are sms, messenger, twitter, wechat, voice and push; the pages in
# plugins/<name>/README.md have a block of each.
channel "rtm" "webshop" {
  settings {
    app_id  = "webshop"
    origins = ["http://127.0.0.1:8083", "http://localhost:8083"] # pages that may use it: `make run`'s
    # secret      = env("WEBSHOP_SECRET")    # lets the app's own backend sign user ids
    # mqtt_listen = "127.0.0.1:1883"         # MQTT over TCP, beside WebSocket at the gateway's port
  }
  # media {                                  # narrower than the media block, for what comes in and what is sent
  #   types    = ["image/*"]                 # []: no files
  #   max_file = "5MiB"
  # }
}

# Where rules may send notifications.
# endpoint "ops" {
#   url             = "https://ops.example.com/hook"
#   secret          = env("OPS_SECRET")      # signs them (Standard Webhooks); of whsk_… it is an ed25519 key
#   previous_secret = env("OPS_OLD_SECRET")  # signs them, too, while receivers change over
#   bearer          = env("OPS_TOKEN")       # for the header Authorization
#   format          = "standard"             # or "cloudevents" (one JSON), "cloudevents_binary" (ce- headers)
#   validate        = false                  # true: CloudEvents go only once it has said that it wants them: it is sent
#                                            # OPTIONS and answers with WebHook-Allowed-Origin and -Rate, which is kept to
#   rate            = 50                     # requests per second; more wait. Default: no limit
#   timeout         = "15s"                  # of one attempt
#   disable_after   = "120h"                 # an endpoint that fails for so long gets nothing more, as one that
#                                            # says 410 does: `curl` /v1/endpoints/ops/enable, or another URL
#   allow_private   = false                  # true: the URL may be in a private network
# }

# Who serves whom. A channel belongs to one service.
service "demo" {
  integration      = "ChatEngineEnghouse"
  # bot            = "helper"                # another integration
  channels         = ["webshop"]
  forward          = "ccsp"                  # or bot, bot+ccsp, none
  # bot_resumes    = true                    # a bot that had the conversation has it again after a chat
  # copies         = "ccsp"                  # agents see what the bot says; or "bot": it sees what
  #                                          # agents say; bot+ccsp, none
  timezone         = "Europe/Zurich"
  # locale         = "de-CH"                 # of customers who have none, as rules see it
  idle_after       = "10m"                   # these timers run where the vendor has none
  unattended_after = ["1m", "15m"]
  close_after      = "2h"
  # transcript     = 20                      # lines of the talk so far that an agent is shown when a chat opens, at
                                             # most 100: 20 where there is a bot, else 0
  # reopen_within  = "30m"                   # a customer who writes so soon after the end opens the same chat again,
                                             # where the integration can; "0": never
}
