package console

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets
var assets embed.FS

// served are the assets that browsers ask for. The licences lie beside them in the source.
var served = []string{"pico/pico.min.css", "console.css", "htmx/htmx.min.js", "console.js", "icon.svg"}

// kinds are the media types of assets: a machine's own list may have others.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// assetFile is an asset as it is sent.
type assetFile struct {
	plain, zipped []byte
	kind          string
}

var assetFiles = sync.OnceValue(func() map[string]assetFile {
	files := map[string]assetFile{}
	for _, name := range served {
		text, err := fs.ReadFile(assets, "assets/"+name)
		if err != nil {
			panic(err) // it is embedded
		}
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, _ = w.Write(text) // into a buffer
		_ = w.Close()
		files[name] = assetFile{text, zipped.Bytes(), kinds[path.Ext(name)]}
	}
	return files
})

// assetVersion names all assets together: an address holds it, and its content never changes.
var assetVersion = sync.OnceValue(func() string {
	sum := sha256.New()
	for _, name := range served {
		sum.Write(assetFiles()[name].plain)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
})

// asset serves a file. Browsers keep it for a year, under an address of its version; of another
// version there is none, so that a browser never keeps a file under the wrong one.
func (c Console) asset(w http.ResponseWriter, r *http.Request) {
	file, ok := assetFiles()[r.PathValue("name")]
	if !ok || r.PathValue("version") != assetVersion() {
		c.page(notFound, false)(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(file.zipped)
		return
	}
	_, _ = w.Write(file.plain)
}

// pages are the templates by name: each in the layout of all.
var pages = sync.OnceValue(func() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(funcs).ParseFS(
		templates, "templates/layout.html", "templates/parts.html",
	))
	all := map[string]*template.Template{}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		panic(err) // of a pattern that is written out
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(templates, file))
	}
	return all
})

var funcs = template.FuncMap{
	"short": short, "when": when, "instant": instant, "words": words, "indented": indented, "asset": assetPath,
	"key": rand.Text, "add": add, "address": addressLines, "link": linkTo,
	"tips": func() []string { return tips },
}

// view is what a template works with: the page's own content, and what all pages have.
type view struct {
	Title   string
	Root    string // leads to the console's own address
	Section string // of the navigation
	Who     string // the operator; "" for nobody
	Left    string // of the session
	Now     time.Time
	Page    any
}

// render answers with a page.
func (x *exchange) render(name, title string, content any) error {
	return x.execute(name, "layout.html", title, content)
}

// renderPart answers with a part of a page, which a script asks for.
func (x *exchange) renderPart(name, part string, content any) error {
	return x.execute(name, part, "", content)
}

func (x *exchange) execute(name, part, title string, content any) error {
	now := x.console.Clock.Now()
	v := view{Title: title, Root: x.root(), Now: now.UTC(), Page: content}
	v.Section, _, _ = strings.Cut(strings.TrimPrefix(x.URL.Path, "/"), "/")
	if x.session.lives(now) {
		v.Who, v.Left = x.session.who, strconv.Itoa(int(x.session.expiresIn(now).Minutes()))
	}
	x.body.Reset()
	if err := pages()[name].ExecuteTemplate(&x.body, part, v); err != nil {
		return fmt.Errorf("console: %s: %w", name, err)
	}
	x.header.Set("Content-Type", "text/html; charset=utf-8")
	return nil
}

// link is one of the navigation's.
type link struct {
	Root, To, Text string
	Here           bool
}

func linkTo(v view, to, text string) link { return link{v.Root, to, text, v.Section == to} }

// add is of the templates, which reckon with places in a drawing and with versions.
func add(a, b any) (int64, error) {
	var sum int64
	for _, n := range []any{a, b} {
		switch n := n.(type) {
		case int:
			sum += int64(n)
		case int64:
			sum += n
		default:
			return 0, fmt.Errorf("add: %T is no whole number", n)
		}
	}
	return sum, nil
}

// addressParts are the lines of an address, in the order in which people write them.
var addressParts = []string{"recipient", "line1", "line2", "postalCode", "city", "state", "country", "phone"}

func addressLines(of map[string]string) (lines []string) {
	for _, part := range addressParts {
		if of[part] != "" {
			lines = append(lines, of[part])
		}
	}
	return lines
}

// assetPath is an asset's address, from the console's own.
func assetPath(name string) string { return "assets/" + assetVersion() + "/" + name }

// short is as much of an id as tells it from others on a page.
func short(id string) string {
	if len(id) == 36 && strings.Count(id, "-") == 4 {
		return id[:8]
	}
	return id
}

// when is a time for people. All pages show UTC, and say so.
func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// instant is a time for programs.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// words writes a name of the API's in words: payment-required is payment required.
func words(name string) string { return strings.ReplaceAll(name, "-", " ") }

// maxDepth is how deep what is shown over several lines may be nested: each level is two characters
// more on each line of it.
const maxDepth = 50

// indented shows JSON over several lines, and what is none, or nested too deep for it, as it is.
func indented(text json.RawMessage) string {
	var out bytes.Buffer
	if depth(text) > maxDepth || json.Indent(&out, text, "", "  ") != nil {
		return string(text)
	}
	return out.String()
}

// depth is how deep JSON is nested. Brackets in its strings are text.
func depth(text []byte) (deepest int) {
	now, quoted, escaped := 0, false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']', c == '}':
			now--
		}
	}
	return deepest
}
