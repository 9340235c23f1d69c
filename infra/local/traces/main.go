// Traces keeps the spans that functions send while make run or make test has them running, and
// shows them: a list of traces, and each as a waterfall with its links.
//
//	traces --address 127.0.0.1:0 --address-file FILE --until-pid PID
//
// Spans come by OTLP over HTTP (POST /v1/traces). It keeps the newest in memory and nothing on
// disk, and ends when the process with that id has ended.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// watchEvery is how often it looks whether the process lives that it ends with.
const watchEvery = time.Second

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen, on this machine alone; port 0 takes a free one")
	file := flag.String("address-file", "", "a file that gets the address once it listens")
	until := flag.Int("until-pid", 0, "the process that it ends with")
	flag.Parse()
	if err := serve(*address, *file, *until); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func serve(address, file string, until int) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("address: expected 127.0.0.1:PORT, got %q", address)
	}
	if until <= 0 {
		return fmt.Errorf("until-pid: expected the id of a process, got %d", until)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	if file != "" {
		if err := os.WriteFile(file, []byte(listener.Addr().String()), 0o600); err != nil {
			return err
		}
	}
	server := &http.Server{Handler: newViewer(maxSpans), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer func() { _ = server.Close() }()
		for ticks := time.NewTicker(watchEvery); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				if errors.Is(syscall.Kill(until, 0), syscall.ESRCH) {
					return
				}
			}
		}
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
