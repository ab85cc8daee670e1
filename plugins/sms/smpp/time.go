package smpp

import (
	"fmt"
	"time"
)

// RelativeTime writes a duration as validity_period has it: so long from now.
func RelativeTime(d time.Duration) string {
	s := int(d / time.Second)
	return fmt.Sprintf("0000%02d%02d%02d%02d000R", s/86400, s/3600%24, s/60%60, s%60)
}
