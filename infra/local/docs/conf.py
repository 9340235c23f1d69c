"""Settings of the documentation's site, for Sphinx. build.sh says what the source is."""

import os
import pathlib
import posixpath
import re
import shutil

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes

project = "orderflow"
project_copyright = ""
html_title = "orderflow"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False

extensions = ["myst_parser"]
source_suffix = {".md": "markdown", ".mdx": "markdown"}
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "findings/*.md", "catalogue/domains/**.mdx"]
# Folders without pages need not be walked.
exclude_patterns = ["cmd", "e2e", "events", "functions", "infra", "shared", "statemachines"]
nitpicky = True

myst_enable_extensions = []
myst_heading_anchors = 6
myst_fence_as_directive = ["mermaid"]

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
mermaid = pathlib.Path(__file__).parents[3] / ".tools/docs/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"

# A block without a language, or in one that the highlighter doesn't know by this name, is plain text.
highlight_language = "none"

INDEX = "docs/README"
DECISIONS = "docs/decisions/README"
CATALOGUE = "catalogue/domains/orderflow"

code = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
link = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s:#]+)\)")


def outside_code(change, text):
    """Changes a text, but for the code in it."""
    parts, at = [], 0
    for found in code.finditer(text):
        parts += [change(text[at : found.start()]), found.group()]
        at = found.end()
    return "".join([*parts, change(text[at:])])


def folders(app, docname, text):
    """Has a link to a folder lead to the folder's page. One that has none is no page of the site: the link is its text."""
    here = pathlib.Path(app.srcdir, docname).parent

    def to(found):
        target = here / found[2]
        if not target.is_dir():
            return found[0]
        return f"[{found[1]}]({posixpath.join(found[2], 'README.md')})" if (target / "README.md").is_file() else found[1]

    # A link's own text may be code, so that only blocks are left out.
    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if i % 2 else link.sub(to, part) for i, part in enumerate(parts))


def linked(text, docname):
    """The pages that a text links to, each once, by their names."""
    pages = []

    def look(part):
        for found in re.finditer(r"\]\(([^()\s:#]+)\.md(?:#[^()\s]*)?\)", part):
            page = posixpath.normpath(posixpath.join(posixpath.dirname(docname), found[1]))
            if page not in pages:
                pages.append(page)
        return part

    outside_code(look, text)
    return pages


def toctree(pages, caption="", hidden=True, titles=()):
    """A block that lists pages, for the sidebar unless it is shown. A page has its own title where titles has none for it."""
    options = [f":caption: {caption}"] if caption else []
    if hidden:
        options.append(":hidden:")
    return "\n\n```{toctree}\n" + "\n".join([*options, ":titlesonly:", "", *(f"{titles[page]} </{page}>" if page in titles else "/" + page for page in pages)]) + "\n```\n"


def front(app, text):
    """The sidebar: what docs/README.md links to, by its headings, each page once. A page that nothing lists is an orphan, which fails."""
    index = pathlib.Path(app.srcdir, INDEX + ".md").read_text(encoding="utf-8")
    seen = {INDEX, DECISIONS, root_doc}
    for section in re.split(r"^## ", folders(app, INDEX, index), flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        pages = [page for page in linked(body, INDEX) if page not in seen and not page.startswith("..")]
        seen.update(pages)
        if pages:
            text += toctree(pages, heading)
    titles = {f"{CATALOGUE}/index": "Events"} if pathlib.Path(app.srcdir, CATALOGUE).is_dir() else {}
    return text + toctree([*titles, DECISIONS, INDEX], "More", titles=titles)


def event_page(app, docname, text):
    """A page of the catalogue: with its name as the title, without EventCatalog's components, and with what is below it."""
    _, head, body = text.split("---\n", 2)
    name = re.search(r"^name: (.*)$", head, re.MULTILINE)[1]
    version = re.search(r"^version: \"?(\d+)\.", head, re.MULTILINE)
    title = f"{name} v{version[1]}" if "/events/" in docname or "/commands/" in docname else name
    body = re.sub(r"^<\w[^\n]*/>\n*", "", body, flags=re.MULTILINE)
    here = pathlib.Path(app.srcdir, docname).parent
    if (here / "schema.json").is_file():
        body += "\n[The JSON Schema](schema.json) of `data`.\n"
    below = sorted(here.glob("subdomains/*")) + sorted(here.glob("services/*")) + sorted(here.glob("events/*")) + sorted(here.glob("commands/*")) + sorted(here.glob("versioned/*"))
    pages = [(path / "index").relative_to(app.srcdir).as_posix() for path in below]
    return f"# {title}\n{body}" + (toctree(pages, hidden=False) if pages else "")


def read(app, docname, source):
    text = source[0]
    if docname.startswith("catalogue/"):
        text = event_page(app, docname, text)
    else:
        text = folders(app, docname, text)
        if docname == root_doc:
            text = front(app, text)
        elif docname == DECISIONS:
            text += toctree(sorted(page for page in linked(text, docname) if page.startswith("docs/decisions/")))
    source[0] = text


def files(app, doctree):
    """Has a link to a file lead to the file's copy, which is at the same place as in the source."""
    docname = app.env.docname
    for node in list(doctree.findall(addnodes.download_reference)):
        name = posixpath.normpath(posixpath.join(posixpath.dirname(docname), node["reftarget"]))
        copy = pathlib.Path(app.outdir, name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pathlib.Path(app.srcdir, name), copy)
        to = nodes.reference("", "", *node.children, refuri=posixpath.relpath(name, posixpath.dirname(docname) or "."))
        node.replace_self(to)


class Mermaid(Directive):
    """A diagram, which the browser draws. Without JavaScript its text stays."""

    has_content = True

    def run(self):
        text = nodes.Text("\n".join(self.content)).astext()
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return [nodes.raw("", f'<div class="diagram"><pre class="mermaid">\n{escaped}\n</pre></div>', format="html")]


def scripts(app, pagename, templatename, context, doctree):
    """Only a page with a diagram loads what draws it."""
    if '<pre class="mermaid">' in context.get("body", ""):
        app.add_js_file("mermaid.tiny.js")
        app.add_js_file("diagrams.js")


def finish(app, exception):
    """Adds what no page links to by itself: the script of the diagrams, what the page of the events links to, and the way in."""
    if exception is not None:
        return
    out = pathlib.Path(app.outdir)
    shutil.copyfile(mermaid, out / "_static" / mermaid.name)
    for name in ("schemas", "samples"):
        if (events := pathlib.Path(app.srcdir, "events", name)).is_dir():
            shutil.copytree(events, out / "events" / name, dirs_exist_ok=True)
    (out / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><title>orderflow</title><meta http-equiv="refresh" content="0; url=README.html">\n'
        '<a href="README.html">orderflow</a>\n',
        encoding="utf-8",
    )


def setup(app):
    app.add_directive("mermaid", Mermaid)
    app.connect("source-read", read)
    app.connect("doctree-read", files, priority=100)  # before Sphinx collects what to copy
    app.connect("html-page-context", scripts)
    app.connect("build-finished", finish)
