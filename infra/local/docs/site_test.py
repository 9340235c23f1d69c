"""Tests of the site: what it takes for a fault, and that it loads nothing from elsewhere."""

import pathlib
import re
import subprocess
import tempfile
import unittest

here = pathlib.Path(__file__).parent

WHOLE = {
    "README.md": "# Program\n\n[Docs](docs/README.md), [code](cmd/), [a file](cmd/main.go).\n",
    "cmd/main.go": "package main\n",
    "docs/README.md": "# Docs\n\n## Guides\n\n[one](one.md#a-heading), [decisions](decisions/)\n",
    "docs/one.md": "# One\n\n## A heading\n\n[up](README.md)\n\n```mermaid\nflowchart LR\n  a[\"<b>\"] --> b\n```\n",
    "docs/decisions/README.md": "# Decisions\n\n[1](0001-one.md)\n",
    "docs/decisions/0001-one.md": "# 1. One\n\nText.\n",
}


class Site(unittest.TestCase):
    def build(self, change):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder, "root")
            for name, text in {**WHOLE, **change}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            run = subprocess.run([here / "build.sh", root, pathlib.Path(folder, "out")], capture_output=True, text=True, check=False)
            html = pathlib.Path(folder, "out", "html")
            pages = {path.relative_to(html).as_posix(): path.read_text(encoding="utf-8") for path in html.rglob("*.html")}
            pages |= {path.relative_to(html).as_posix(): "" for path in html.rglob("*.go")}
            return run.returncode, run.stderr, pages

    def test_whole(self):
        status, said, pages = self.build({})
        self.assertEqual((status, said), (0, ""))
        self.assertIn('href="one.html#a-heading"', pages["docs/README.html"])
        self.assertIn('href="decisions/README.html"', pages["docs/README.html"])
        self.assertIn('href="cmd/main.go"', pages["README.html"])
        self.assertIn("cmd/main.go", pages)
        self.assertIn("README.html", pages["index.html"])
        self.assertIn("[&quot;&lt;b&gt;&quot;]", pages["docs/one.html"].replace('"', "&quot;"))
        for name, page in pages.items():
            self.assertEqual("mermaid.tiny.js" in page, name == "docs/one.html", name)
            self.assertEqual(re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', page), [], name)

    def test_faults(self):
        for name, change, want in (
            ("no such page", {"docs/one.md": "# One\n\n## A heading\n\n[x](two.md)\n"}, "two.md"),
            ("no such file", {"docs/one.md": "# One\n\n## A heading\n\n[x](../cmd/two.go)\n"}, "two.go"),
            ("no such folder", {"docs/one.md": "# One\n\n## A heading\n\n[x](../lib/)\n"}, "lib"),
            ("no such heading", {"docs/README.md": WHOLE["docs/README.md"].replace("#a-heading", "#another")}, "another"),
            ("none in this page", {"docs/one.md": "# One\n\n## A heading\n\n[x](#two)\n"}, "two"),
            ("an orphan", {"docs/two.md": "# Two\n"}, "docs/two.md"),
            ("a decision that is not listed", {"docs/decisions/0002-two.md": "# 2. Two\n"}, "0002-two.md"),
        ):
            with self.subTest(name):
                status, said, _ = self.build(change)
                self.assertNotEqual(status, 0)
                self.assertIn(want, said)


if __name__ == "__main__":
    unittest.main()
