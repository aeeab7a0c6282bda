"""The only module that knows WeasyPrint. Loaded by the first print (`pdf.draw`), not when the portal starts:
it takes 28 MB, and most processes serve pages all day without printing."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration

from portal.database.garbage_collection import uncollected


@cache
def _fonts() -> FontConfiguration:
    return FontConfiguration()


@cache
def _style(path: Path) -> CSS:
    """Parsed once a process."""
    return CSS(string=path.read_text(encoding="utf-8"), font_config=_fonts())


def _nothing(url: str, *args: Any, **kwargs: Any) -> Any:
    """A document fetches nothing: no image of elsewhere, no file of the server."""
    raise ValueError(f"A document has no outside resource: {url}")


@uncollected()
def pdf_of(html: str, styles: Sequence[Path], *, identifier: str) -> bytes:
    """The PDF (tagged, PDF/UA) of a page; the same page gives the same bytes."""
    content: bytes = HTML(string=html, url_fetcher=_nothing).write_pdf(
        stylesheets=[_style(style) for style in styles],
        font_config=_fonts(),
        pdf_variant="pdf/ua-1",
        pdf_identifier=identifier.encode(),
        full_fonts=False,
    )
    return content
