// Command wechat is the channel of customers who write to an Official Account of
// WeChat. README.md is the operator's page.
package main

import (
	"time"

	"github.com/openccsp/gateway/sdk"
)

func main() { sdk.Main(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		ID:      "org.openccsp.wechat",
		Version: "1.0.0",
		Drivers: []sdk.Driver{sdk.NewChannel("wechat", capabilities(), open)},
	}
}

// What WeChat allows since June 2023, see
// developers.weixin.qq.com/doc/service/en/api/customer/message/api_sendcustommessage.html
// and developers.weixin.qq.com/doc/service/en/guide/product/kf/intro.html.
const (
	replyWindow    = 48 * time.Hour // after a message
	replyMessages  = 5
	actionWindow   = time.Minute // after a click in a menu, a scan, a subscription
	actionMessages = 3
	mostMessages   = 100  // that the settings can say
	maxText        = 2047 // bytes of UTF-8; 2048 are too many in practice
	maxFile        = 10 << 20
)

func capabilities() sdk.Capabilities {
	return sdk.Capabilities{
		ChannelType:   "wechat",
		Text:          sdk.TextLimit{Limit: maxText, Unit: sdk.Byte},
		MediaTypes:    mediaTypes(),
		QuickReplies:  true,
		TypingOut:     true,
		DedupFor:      time.Hour, // WeChat repeats for 15 s
		MaxAttachment: maxFile,
		Window:        sdk.ReplyWindow{Open: replyWindow, Messages: replyMessages},
	}
}
