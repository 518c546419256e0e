"""Reads the links and anchors of built pages."""

from collections import deque
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Links, anchors and loaded files of one page."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.anchors, self.loaded, self.body_links = path, [], set(), [], []
        self._in_article = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self._in_article |= tag == "article"
        if values.get("id"):
            self.anchors.add(values["id"])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
            if self._in_article:
                self.body_links.append(values["href"])
        if tag in ("img", "script", "iframe") and values.get("src"):
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "shortcut icon"):
            self.loaded.append(values["href"])

    def handle_endtag(self, tag):
        self._in_article &= tag != "article"

    def target(self, link):
        """File and anchor of a link within the site; None for an address elsewhere."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return None
        file = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return (file / "index.html" if file.is_dir() else file), unquote(parts.fragment)


def read_site(folder):
    return {path: Page(path) for path in (file.resolve() for file in Path(folder).rglob("*.html"))}


def dead_links(pages):
    """Links whose file or anchor does not exist. The page for a missing address has links from the root of a server."""
    dead = []
    for page in (page for page in pages.values() if page.path.name != "404.html"):
        for link in [*page.links, *page.loaded]:
            target = page.target(link)
            if target is None:
                continue
            file, anchor = target
            if not file.is_file() or (anchor and file in pages and anchor not in pages[file].anchors):
                dead.append(f"{page.path.name}: {link}")
    return dead


def clicks(pages, start):
    """Least number of links in texts, menus aside, from one page to every other."""
    found, waiting = {start: 0}, deque([start])
    while waiting:
        page = waiting.popleft()
        for file in (target[0] for link in pages[page].body_links if (target := pages[page].target(link))):
            if file in pages and file not in found:
                found[file] = found[page] + 1
                waiting.append(file)
    return found
