"""« Voir comme la famille »: what leads nowhere there is shown, and cannot be pressed.

The family's own templates are not written twice: of the page as it is, links to what is not shown lose their
address, and what would be posted is disabled.
"""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import unquote, urlsplit

TAGS = re.compile(r"<(/?)(a|form|button|input)\b([^>]*)>", re.IGNORECASE)
HREF = re.compile(r"""\shref=(["'])(.*?)\1""", re.IGNORECASE)
POSTS = re.compile(r"""\smethod=["']?post""", re.IGNORECASE)
SUBMITS = re.compile(r"""\stype=["']?(submit|image)""", re.IGNORECASE)
BUTTON = re.compile(r"""\stype=["']?(button|reset)""", re.IGNORECASE)


def only_shown(page: str, prefix: str, leads: Callable[[str], bool]) -> str:
    """The page with only what works there. `leads`: whether an address, as families know it and without the
    « / » before it, is shown under `prefix`."""
    posting = False

    def quiet(found: re.Match[str]) -> str:
        nonlocal posting
        closes, name, rest = found[1], found[2].lower(), found[3]
        if name == "form":
            posting = not closes and POSTS.search(rest) is not None
            return found[0]
        if closes:
            return found[0]
        if name == "a":
            href = HREF.search(rest)
            if href is None or _works(unescape(href[2]), prefix, leads):
                return found[0]
            return f'<a{rest[: href.start()]}{rest[href.end() :]} role="link" aria-disabled="true">'
        submits = SUBMITS.search(rest) or (name == "button" and BUTTON.search(rest) is None)
        if not posting or not submits or " disabled" in rest:
            return found[0]
        return f"<{name} disabled{rest}>"

    return TAGS.sub(quiet, page)


def _works(address: str, prefix: str, leads: Callable[[str], bool]) -> bool:
    path = unquote(urlsplit(address).path)
    return not path.startswith(prefix) or leads(path[len(prefix) :])
