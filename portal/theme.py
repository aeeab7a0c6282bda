"""The town's colour and crest: /ville.css and /media/ville/…

One colour is set by the town. Everything else is derived from it here, so that text on it and links
of it stay readable on white and on the dark ground (WCAG 2.2, 1.4.3: contrast of 4.5 at least).
"""

import colorsys
import hashlib
from functools import cache
from pathlib import PurePosixPath

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe

from portal import town
from portal.files.handing_over import hand_over

WHITE = "#ffffff"
NIGHT = "#14181f"  # the dark ground, as in portal.css
READABLE = 4.5
DAY = 24 * 3600
CREST_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}


def _channels(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of « #rrggbb », each from 0 to 1."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _hex(channels: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(min(max(channel, 0), 1) * 255):02x}" for channel in channels)


def luminance(colour: str) -> float:
    """Relative luminance of « #rrggbb », from 0 (black) to 1 (white), as WCAG defines it."""
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two colours « #rrggbb », from 1 (same) to 21 (black on white)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def mix(colour: str, other: str, share: float) -> str:
    """`share` (0 to 1) of `other` in `colour`."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    red, green, blue = (a + (b - a) * share for a, b in pairs)
    return _hex((red, green, blue))


def with_contrast(colour: str, ground: str, wanted: float) -> str:
    """`colour`, made lighter on a dark ground or darker on a light one until it reads at `wanted`."""
    lighter = luminance(ground) < 0.18
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    for _ in range(100):
        candidate = _hex(colorsys.hls_to_rgb(hue, lightness, saturation))
        if contrast(candidate, ground) >= wanted:
            return candidate
        lightness += 0.01 if lighter else -0.01
    return WHITE if lighter else "#000000"


def is_readable(colour: str) -> bool:
    """Whether white text on `colour`, and `colour` on white, can be read by all."""
    return contrast(colour, WHITE) >= READABLE


def nearest_readable(colour: str) -> str:
    """`colour` itself, or the same hue darker until it is readable on white."""
    return with_contrast(colour, WHITE, READABLE)


def _variables(main: str, ground: str) -> str:
    on_main = max((WHITE, "#10141a"), key=lambda text: contrast(text, main))
    strong = mix(main, "#000000" if on_main == WHITE else WHITE, 0.18)
    rgb = ", ".join(str(round(channel * 255)) for channel in _channels(main))
    return (
        f"--town:{main};--town-rgb:{rgb};--town-strong:{strong};--town-on:{on_main};"
        f"--town-tint:{mix(ground, main, 0.08)};--town-line:{mix(ground, main, 0.28)}"
    )


@cache
def stylesheet(colour: str) -> str:
    """The CSS variables of a town's colour, by day and by night."""
    light = nearest_readable(colour)
    dark = with_contrast(light, NIGHT, 6.5)
    return (
        f":root{{{_variables(light, WHITE)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(dark, NIGHT)}}}}}\n"
    )


@cache
def version(colour: str) -> str:
    """A short name for the stylesheet of this colour."""
    return hashlib.sha256(stylesheet(colour).encode()).hexdigest()[:10]


def _etag(request: HttpRequest) -> str:
    return f'"{version(town.current().colour)}"'


@login_not_required
@require_safe
@condition(etag_func=_etag)
@cache_control(public=True, max_age=30 * DAY)
def town_stylesheet(request: HttpRequest) -> HttpResponse:
    return HttpResponse(stylesheet(town.current().colour), content_type="text/css; charset=utf-8")


@login_not_required
@require_safe
@cache_control(public=True, max_age=30 * DAY)
def town_crest(request: HttpRequest, name: str) -> HttpResponse:
    """The crest in use and no other file; an SVG from outside may not run anything."""
    crest = town.current().crest
    if not crest or crest.name != name:
        raise Http404("Ce fichier n'existe pas.")
    try:
        with default_storage.open(name) as file:
            content: bytes = file.read()
    except (FileNotFoundError, SuspiciousFileOperation) as missing:
        raise Http404("Ce fichier n'existe pas.") from missing
    kind = CREST_TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")
    response = hand_over(content, PurePosixPath(name).name, kind, inline=True)
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response
