package otlp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// maxRequest bounds a request to a collector, in bytes. Collectors take 20 MB and more.
const maxRequest = 4 << 20

// maxAnswer is what of a collector's answer is read, so that the connection can serve again.
const maxAnswer = 64 << 10

// protobuf is the media type of requests and answers.
const protobuf = "application/x-protobuf"

// Collector sends by HTTP: OTLP with Protobuf.
type Collector struct {
	address string
	client  *http.Client
}

// NewCollector makes a Collector of the address of its traces, such as
// https://collector.example.com/v1/traces. Without TLS it has to be on this machine, where a Lambda
// extension listens.
func NewCollector(address string, client *http.Client) (*Collector, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("otlp: endpoint: expected https://HOST/PATH, or http:// on localhost, got %q", address)
	}
	return &Collector{address: address, client: client}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Size implements Sender.
func (c *Collector) Size() int { return maxRequest }

// Send implements Sender, with one try: nobody waits for a trace as long as for an order.
func (c *Collector) Send(ctx context.Context, request []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, bytes.NewReader(request))
	if err != nil {
		return fmt.Errorf("otlp: %w", err)
	}
	r.Header.Set("Content-Type", protobuf)
	r.Header["Idempotency-Key"] = []string{} // not sent; a connection that was closed while frozen is made anew
	answer, err := c.client.Do(r)
	if err != nil {
		return fmt.Errorf("otlp: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // one that breaks off says nothing
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("otlp: the collector answers %s", answer.Status)
	}
	if answer.Header.Get("Content-Type") == protobuf {
		return rejection(text)
	}
	return nil
}

// RejectedError says that a collector took a request and rejects spans of it.
type RejectedError struct {
	Spans int64  // more than 0
	Why   string // the collector's own words
}

// Error implements error.
func (e *RejectedError) Error() string {
	return fmt.Sprintf("otlp: the collector rejects %d: %s", e.Spans, e.Why)
}

// rejection is what an ExportTraceServiceResponse says of spans that are rejected: the number 1 and
// the text 2 of its message 1. It is nil where it says nothing of any.
func rejection(response []byte) error {
	var is RejectedError
	fields(response, func(field int, _ uint64, partial []byte) {
		if field != 1 {
			return
		}
		fields(partial, func(field int, number uint64, text []byte) {
			switch field {
			case 1:
				is.Spans = int64(number) //nolint:gosec // Protobuf's int64 is its two's complement
			case 2:
				is.Why = string(text[:min(len(text), maxText)])
			}
		})
	})
	if is.Spans <= 0 {
		return nil
	}
	return &is
}

// fields reads the numbers, texts and messages of a Protobuf message, up to where it is malformed.
func fields(m []byte, see func(field int, number uint64, text []byte)) {
	for len(m) > 0 {
		tag, n := binary.Uvarint(m)
		if m = m[max(n, 0):]; n <= 0 || tag>>3 > math.MaxInt32 {
			return
		}
		field, number, text := int(tag>>3), uint64(0), []byte(nil)
		switch tag & 7 {
		case varint:
			if number, n = binary.Uvarint(m); n <= 0 {
				return
			}
			m = m[n:]
		case length:
			size, n := binary.Uvarint(m)
			if m = m[max(n, 0):]; n <= 0 || size > uint64(len(m)) {
				return
			}
			text, m = m[:size], m[size:]
		default: // fixed64, fixed32 and groups, which the response has none of
			return
		}
		see(field, number, text)
	}
}

// The form in which X-Ray's daemon takes OTLP: a line that says the format, a mark for spans that
// are sampled, and the request in base64.
const daemonHead = `{"format":"json","version":1}` + "\nT1S"

// maxDatagram is what UDP carries over IPv4, in bytes.
const maxDatagram = 65_507

// Daemon sends by UDP to X-Ray's daemon. It takes no answer: what is sent may still be lost. It is
// safe for concurrent use.
type Daemon struct {
	address string
	dialer  net.Dialer

	mu         sync.Mutex
	connection net.Conn // nil before the first datagram, and after one that failed
}

// NewDaemon makes a Daemon of a host and port, as Lambda names them in AWS_XRAY_DAEMON_ADDRESS.
func NewDaemon(address string) (*Daemon, error) {
	if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("otlp: X-Ray's daemon: expected HOST:PORT, got %q", address)
	}
	return &Daemon{address: address, dialer: net.Dialer{Timeout: time.Second}}, nil
}

// Size implements Sender.
func (d *Daemon) Size() int { return base64.StdEncoding.DecodedLen(maxDatagram-len(daemonHead)) - 2 }

// Send implements Sender.
func (d *Daemon) Send(ctx context.Context, request []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.connection == nil {
		connection, err := d.dialer.DialContext(ctx, "udp", d.address)
		if err != nil {
			return fmt.Errorf("otlp: X-Ray's daemon: %w", err)
		}
		d.connection = connection
	}
	datagram := make([]byte, 0, len(daemonHead)+base64.StdEncoding.EncodedLen(len(request)))
	datagram = base64.StdEncoding.AppendEncode(append(datagram, daemonHead...), request)
	if _, err := d.connection.Write(datagram); err != nil {
		_ = d.connection.Close()
		d.connection = nil
		return fmt.Errorf("otlp: X-Ray's daemon: %w", err)
	}
	return nil
}
