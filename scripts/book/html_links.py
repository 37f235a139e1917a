"""Checks the book as it was built: each relative link leads to a file and an anchor of the book, and no page loads anything
from another host."""

import os.path
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

OUTSIDE = re.compile(r"^([a-z][a-z0-9+.-]*:|//)")
LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}


class Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.links: list[tuple[int, str]] = []
        self.loaded: list[tuple[int, str]] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append((self.getpos()[0], value))
                if (tag, name) in LOADED:
                    self.loaded.append((self.getpos()[0], value))


def check(folder: Path) -> tuple[list[str], str]:
    paths = sorted(folder.rglob("*.html"))
    # 404.html is for any address, so its links begin at the root of a web server. toc.html is a frame of all pages.
    paths = [path for path in paths if path.name not in ("404.html", "toc.html")]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in paths}
    problems = []
    links = 0
    for path, page in pages.items():
        problems += [f"{path}:{line}: loads {value} from another host" for line, value in page.loaded if OUTSIDE.match(value)]
        for line, value in page.links:
            if OUTSIDE.match(value):
                continue
            links += 1
            target, _, anchor = value.partition("#")
            target = target.partition("?")[0]
            file = Path(os.path.normpath(path.parent / unquote(target))) if target else path
            if file.is_dir():
                file = file / "index.html"
            if not file.is_file():
                problems.append(f"{path}:{line}: the link {value} is broken: there is no {file}")
            elif anchor and file in pages and unquote(anchor) not in pages[file].anchors:
                problems.append(f"{path}:{line}: the link {value} is broken: {file} has no such anchor")
    return problems, f"{len(pages)} pages of the book: {links} links checked"
