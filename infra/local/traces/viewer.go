package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"slices"
	"sort"
	"time"

	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	maxRequest = 8 << 20 // bytes of a request with spans
	listed     = 200     // traces on the list
)

//go:embed pages.html
var pages string

var templates = template.Must(template.New("").Parse(pages))

// viewer serves the pages, and takes the spans.
type viewer struct{ store *store }

func newViewer(limit int) http.Handler {
	v := viewer{newStore(limit)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", v.take)
	mux.HandleFunc("GET /{$}", v.list)
	mux.HandleFunc("GET /trace/{id}", v.show)
	mux.HandleFunc("GET /api/traces/{id}", v.answer)
	return local(mux)
}

// local refuses what a page from elsewhere has a browser ask, by its own name for this machine.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this is for this machine alone", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func (v viewer) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "the request is larger than 8 MB", http.StatusRequestEntityTooLarge)
		return
	}
	var of tracepb.TracesData // has the same bytes as an ExportTraceServiceRequest
	if r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, &of) != nil {
		http.Error(w, "expected OTLP as application/x-protobuf", http.StatusBadRequest)
		return
	}
	v.store.add(&of)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (v viewer) answer(w http.ResponseWriter, r *http.Request) {
	spans, linked := v.store.trace(r.PathValue("id"))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string][]span{"spans": spans, "linked": linked})
}

func (v viewer) list(w http.ResponseWriter, r *http.Request) {
	of := r.FormValue("of")
	render(w, "list", map[string]any{"Of": of, "Traces": v.store.newest(of, listed)})
}

func (v viewer) show(w http.ResponseWriter, r *http.Request) {
	spans, linked := v.store.trace(r.PathValue("id"))
	if len(spans) == 0 {
		http.Error(w, "no such trace: it is none, or made room for newer ones", http.StatusNotFound)
		return
	}
	of := summarize(spans)
	render(w, "trace", map[string]any{"Summary": of, "Rows": rows(spans, of), "Linked": linked})
}

func render(w http.ResponseWriter, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := templates.ExecuteTemplate(w, name, data); err != nil {
		_, _ = fmt.Fprintln(w, "error:", err)
	}
}

// row is a span in the waterfall.
type row struct {
	span
	Indent      int
	Left, Width float64 // percent of the trace
	After, Took string
	Fields      []field
}

type field struct{ Name, Value string }

// rows are the spans as a tree: each below its parent, siblings by their starts. What has a parent
// that isn't there stands at the top.
func rows(spans []span, of summary) (all []row) {
	children, known := map[string][]span{}, map[string]bool{}
	for _, one := range spans {
		known[one.SpanID] = true
	}
	for _, one := range spans {
		parent := one.ParentID
		if !known[parent] || parent == one.SpanID {
			parent = ""
		}
		children[parent] = append(children[parent], one)
	}
	var place func(parent string, indent int)
	place = func(parent string, indent int) {
		for _, one := range children[parent] {
			if !known[one.SpanID] {
				continue // twice the same id: it stands there
			}
			known[one.SpanID] = false
			all = append(all, rowOf(one, indent, of))
			place(one.SpanID, indent+1)
		}
	}
	place("", 0)
	return all
}

func rowOf(one span, indent int, of summary) row {
	whole := max(float64(of.Took), 1)
	r := row{
		span: one, Indent: indent, Left: 100 * float64(one.Start.Sub(of.Start)) / whole,
		Width: max(100*float64(one.End.Sub(one.Start))/whole, 0.15),
		After: one.Start.Sub(of.Start).Round(100 * time.Microsecond).String(),
		Took:  one.End.Sub(one.Start).Round(10 * time.Microsecond).String(),
	}
	r.Left = min(r.Left, 100-r.Width)
	for name, value := range one.Attributes {
		r.Fields = append(r.Fields, field{name, value})
	}
	sort.Slice(r.Fields, func(i, j int) bool { return r.Fields[i].Name < r.Fields[j].Name })
	r.Links = slices.Clone(one.Links)
	return r
}
