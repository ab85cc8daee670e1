package host_test

func runHostProcess(string) {}
