"""The only module that knows WeasyPrint. Loaded by the first print (`pdf.draw`), not when the portal starts:
it takes 28 MB, and most processes serve pages all day without printing."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration


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


@contextmanager
def _no_collection() -> Iterator[None]:
    """A document lives for a moment, in a hundred thousand objects: looking in its midst for those that may
    go passes again and again over all that the process has loaded, a quarter of the time, for nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@_no_collection()
def pdf_of(html: str, styles: Sequence[Path], *, identifier: str) -> bytes:
    """The PDF (tagged, PDF/UA) of a page; the same page gives the same bytes."""
    return HTML(string=html, url_fetcher=_nothing).write_pdf(
        stylesheets=[_style(style) for style in styles],
        font_config=_fonts(),
        pdf_variant="pdf/ua-1",
        pdf_identifier=identifier.encode(),
        full_fonts=False,
    )
