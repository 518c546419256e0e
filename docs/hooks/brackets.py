"""Shows square brackets of docstrings, such as the axes ``[atom][xyz]``, as they are: they refer to no object."""

import re
from typing import Any

_REFERENCE = re.compile(
    r"<autoref\b(?=[^>]*\bidentifier=\"(?!mlmd\b)([^\"]*)\")(?![^>]*\boptional\b)[^>]*>(.*?)</autoref>"
)


def on_page_content(content: str, **_: Any) -> str:
    """The page with references to anything but mlmd as text."""
    return _REFERENCE.sub(lambda found: f"[{found[2]}]" + (f"[{found[1]}]" if found[1] != found[2] else ""), content)
