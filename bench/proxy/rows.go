package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"bartizan/bench/rig"
)

// The rows of the table.
const (
	rowDirect       = "direct"
	rowNginx        = "nginx"
	rowNginxLarge   = "nginx64k"
	rowReverseProxy = "rp"
	rowHandler      = "nh"
	rowBartizan     = "bartizan"
)

func allRows() []string {
	return []string{rowDirect, rowNginx, rowNginxLarge, rowReverseProxy, rowHandler, rowBartizan}
}

// controls are the rows whose cost should be the same in every round.
func controls() []string { return []string{rowNginx, rowHandler} }

// row is one way from the client to the upstream.
type row struct {
	name     string
	addr     string
	keys     []string
	expected rig.Expectation
	process  *rig.Process // nil for direct
	gateway  *rig.Bartizan
	absent   string // why it cannot be measured
}

// start starts every row that can be started; the others are marked absent.
func (b *bench) start(ctx context.Context) {
	for _, name := range b.o.rows {
		r := &row{name: name, keys: []string{strings.Repeat("k", 54)}}
		if err := b.startRow(ctx, r); err != nil {
			r.absent, _, _ = strings.Cut(err.Error(), "\n")
			fmt.Fprintf(b.progress, "row %s absent: %v\n", name, err)
		}
		b.rows = append(b.rows, r)
	}
}

func (b *bench) stop() {
	for _, r := range b.rows {
		if r.process != nil {
			r.process.Stop()
		}
	}
}

func (b *bench) startRow(ctx context.Context, r *row) error {
	switch r.name {
	case rowDirect:
		r.addr = b.upstream.Addr()
		return nil
	case rowNginx:
		return b.startNginx(ctx, r, "")
	case rowNginxLarge:
		return b.startNginx(ctx, r, nginxLargeBuffers)
	case rowBartizan:
		return b.startBartizan(ctx, r)
	default:
		return b.startChild(ctx, r)
	}
}

func (b *bench) startChild(ctx context.Context, r *row) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	addr, err := rig.FreeAddr(ctx)
	if err != nil {
		return err
	}
	command := b.command(ctx, self, childWord, "-kind", r.name, "-listen", addr, "-upstream", b.upstream.Addr())
	return b.startProcess(ctx, r, command, addr)
}

func (b *bench) startProcess(ctx context.Context, r *row, command *exec.Cmd, addr string) error {
	process, err := rig.Start(ctx, command, addr, filepath.Join(b.dir, r.name+".log"))
	if err != nil {
		return err
	}
	r.process, r.addr = process, addr
	return nil
}

func (b *bench) startBartizan(ctx context.Context, r *row) error {
	program := b.o.program
	if program == "" {
		built, err := rig.BuildBartizan(ctx, b.moduleDir, b.dir)
		if err != nil {
			return err
		}
		program = built
	}
	gateway, err := rig.StartBartizan(ctx, program, b.dir, b.upstream.Addr(), b.o.accounts, b.prefix())
	if err != nil {
		return err
	}
	r.gateway, r.process, r.addr, r.keys = gateway, gateway.Process, gateway.Addr, gateway.Keys
	r.expected = rig.Stripped
	return nil
}

// nginxLargeBuffers lets nginx move a large answer in few reads and writes. Its
// default of one or two pages costs it several times as much there.
const nginxLargeBuffers = "proxy_buffer_size 64k; proxy_buffers 4 64k; proxy_busy_buffers_size 128k;"

const nginxConfig = `daemon off;
%[1]s
worker_processes 1;
pid %[2]s/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	keepalive_requests 100000000;
	client_max_body_size 32m;
	client_body_buffer_size 128k;
	upstream model { server %[4]s; keepalive 256; keepalive_requests 100000000; }
	server {
		listen %[3]s;
		location / {
			proxy_pass http://model;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffering off;
			%[5]s
		}
	}
}
`

func (b *bench) startNginx(ctx context.Context, r *row, buffers string) error {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return fmt.Errorf("no nginx on PATH: %w", rig.ErrAbsent)
	}
	addr, err := rig.FreeAddr(ctx)
	if err != nil {
		return err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // its worker must write below our folder
	}
	dir := filepath.Join(b.dir, r.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make a folder for nginx: %w", err)
	}
	file := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, user, dir, addr, b.upstream.Addr(), buffers)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write nginx.conf: %w", err)
	}
	command := b.command(ctx, nginx, "-e", "stderr", "-p", dir, "-c", file)
	return b.startProcess(ctx, r, command, addr)
}

// prefix is what a proxy's command line begins with when it gets a core of its own.
func (b *bench) prefix() []string {
	if !b.o.pin {
		return nil
	}
	return []string{"taskset", "-c", "0", "env", "GOMAXPROCS=1"}
}

// command builds a command with the prefix. Each program of the prefix becomes the
// next one, so that the process to measure is the one that was started.
func (b *bench) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	words := slices.Concat(b.prefix(), []string{program}, args)
	return exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // nginx, this program or what it built
}

// pinHarness keeps this process, which is client and upstream, off core 0.
func pinHarness(ctx context.Context) error {
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("-pin needs two cores; this machine has %d", runtime.NumCPU())
	}
	runtime.GOMAXPROCS(runtime.NumCPU() - 1)
	cores := fmt.Sprintf("1-%d", runtime.NumCPU()-1)
	command := exec.CommandContext(ctx, "taskset", "-a", "-p", "-c", cores, strconv.Itoa(os.Getpid())) //nolint:gosec // numbers
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("leave core 0 to the proxies: %w: %s", err, output)
	}
	return nil
}
