package host

import "os"

// pipes are the three pipes of a plugin.
type pipes struct {
	childStdin, childStdout, childStderr *os.File
	stdin                                *os.File // held: its end tells the plugin that the gateway is gone
	stdout, stderr                       *os.File
}

func (p *pipes) open() (err error) {
	if p.childStdin, p.stdin, err = os.Pipe(); err == nil {
		if p.stdout, p.childStdout, err = os.Pipe(); err == nil {
			p.stderr, p.childStderr, err = os.Pipe()
		}
	}
	if err != nil {
		p.closeChild()
		p.closeOwn()
	}
	return err
}

func (p *pipes) closeChild() { closeAll(p.childStdin, p.childStdout, p.childStderr) }

func (p *pipes) closeOwn() { closeAll(p.stdin, p.stdout, p.stderr) }

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
