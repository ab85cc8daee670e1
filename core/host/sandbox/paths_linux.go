package sandbox

import "golang.org/x/sys/unix"

const accessDevice = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE

// systemPaths is what programs in Go, Node and Python need of the system.
// Those that do not exist are left out. A rule names a file, not its name:
// where one is replaced while plugins run, its folder is here, unless there
// are secrets in it.
var systemPaths = []struct {
	path   string
	access uint64
}{
	{"/usr", accessExec}, {"/bin", accessExec}, {"/sbin", accessExec},
	{"/lib", accessExec}, {"/lib32", accessExec}, {"/lib64", accessExec},
	{"/nix/store", accessExec}, {"/gnu/store", accessExec},

	{"/etc/ld.so.cache", accessRead}, {"/etc/ld.so.conf", accessRead}, {"/etc/ld.so.conf.d", accessRead},
	{"/etc/ld.so.preload", accessRead},

	// Certificates, not the private keys beside them.
	{"/etc/ssl/certs", accessRead}, {"/etc/ssl/cert.pem", accessRead}, {"/etc/ssl/ca-bundle.pem", accessRead},
	{"/etc/ssl/openssl.cnf", accessRead}, {"/etc/ca-certificates", accessRead},
	{"/etc/pki/tls/certs", accessRead}, {"/etc/pki/tls/cert.pem", accessRead},
	{"/etc/pki/tls/openssl.cnf", accessRead}, {"/etc/pki/ca-trust/extracted", accessRead},
	{"/etc/crypto-policies", accessRead},

	// Names. The folders are those that resolv.conf may be a link into.
	{"/etc/resolv.conf", accessRead}, {"/run/systemd/resolve", accessRead}, {"/run/resolvconf", accessRead},
	{"/etc/hosts", accessRead}, {"/etc/host.conf", accessRead}, {"/etc/hostname", accessRead},
	{"/etc/nsswitch.conf", accessRead}, {"/etc/gai.conf", accessRead}, {"/etc/services", accessRead},
	{"/etc/protocols", accessRead}, {"/etc/passwd", accessRead}, {"/etc/group", accessRead},

	{"/etc/localtime", accessRead}, {"/etc/timezone", accessRead}, {"/etc/mime.types", accessRead},
	{"/etc/os-release", accessRead}, {"/etc/alternatives", accessRead},

	// Of other processes only what anybody may see: Landlock denies what
	// ptrace would need, such as environ, mem and fd.
	{"/proc", accessRead},
	{"/sys/fs/cgroup", accessRead}, {"/sys/devices/system/cpu", accessRead},
	{"/sys/kernel/mm/transparent_hugepage", accessRead},

	{"/dev/null", accessDevice}, {"/dev/zero", accessDevice}, {"/dev/full", accessDevice},
	{"/dev/random", accessRead}, {"/dev/urandom", accessRead},
}
