"""Adds pages outside ``docs/`` to the site: the experiments with their figures, and the project's own pages.

Links between pages are those of the repository, so they also work where the files are read without the site.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "mlmd/systems/SOURCES.md", "experiments/**/README.md")
_BESIDE_PAGES = ("experiments/**/*.png", "experiments/**/*.csv", "experiments/**/*.xyz")
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site with the pages, figures and tables outside ``docs/``."""
    root = Path(config.config_file_path).parent
    for pattern in (*_PAGES, *_BESIDE_PAGES):
        for path in sorted(root.glob(pattern)):
            source = path.relative_to(root).as_posix()
            files.append(File.generated(config, source, abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """The text of a page, with links of the repository as links of the site."""
    docs = Path(config.docs_dir).relative_to(Path(config.config_file_path).parent).as_posix()
    in_site = page.file.src_uri
    folder = posixpath.dirname(in_site if page.file.generated_by else f"{docs}/{in_site}")

    def site_link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, found[1])).removeprefix(f"{docs}/")
        return posixpath.relpath(target, posixpath.dirname(in_site) or ".")

    return _LINK.sub(site_link, markdown)
