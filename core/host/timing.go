package host

import "time"

// timing holds the waits of the host. Tests shorten them.
type timing struct {
	start    time.Duration // until the handshake is done
	describe time.Duration // also of the other quick control calls
	open     time.Duration // OpenInstance
	ping     time.Duration
	health   time.Duration
	sweep    time.Duration // how often deadlines of frames are checked
	grace    time.Duration // beyond a frame's deadline
	shutdown time.Duration // after Shutdown, until SIGTERM
	term     time.Duration // after SIGTERM, until SIGKILL
	stop     time.Duration // all of Run's end
	healthy  time.Duration // up so long, the restart waits begin anew
	boot     time.Duration // of Open
	gather   time.Duration // plugins that start later do not hold up the others
	hook     time.Duration // a webhook waits for a live plugin
	prepare  time.Duration // until all instances are open on a successor
	drain    time.Duration // of a generation that has a successor, or no file any more

	again     time.Duration // after a successor that could not take over yet; doubled each time
	trial     time.Duration // the first quarantine; doubled each time
	probation time.Duration
	judge     time.Duration // how often a version on probation is looked at
	served    time.Duration // who kills a process that served so long is no plugin

	stuck time.Duration // see link.stuck

	quiet, absent time.Duration // of stage; 0: its defaults
}

var defaultTiming = timing{
	start: 10 * time.Second, describe: 5 * time.Second, open: 20 * time.Second,
	ping: 5 * time.Second, health: 10 * time.Second,
	sweep: 50 * time.Millisecond, grace: 250 * time.Millisecond,
	shutdown: 2 * time.Second, term: time.Second, stop: 10 * time.Second,
	healthy: time.Minute, boot: 10 * time.Second, gather: 2 * time.Second, hook: 4 * time.Second,
	prepare: 45 * time.Second, drain: 30 * time.Second,
	again: time.Minute, trial: time.Minute, probation: time.Minute, judge: time.Second, served: time.Second, stuck: 10 * time.Second,
}
