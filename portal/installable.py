"""The portal on a telephone's home screen: its manifest, and icons drawn from the town's crest and colour.

No service worker: a planning that is shown without asking the server would offer places that are gone.
A crest that is a drawing (SVG) is given to browsers as it is, and its town's initials stand where only a
picture will do: nothing here draws SVG.
"""

import hashlib
import io
import re
from functools import lru_cache
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_not_required
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from portal import theme, town
from portal.files.handing_over import hand_over
from portal.french.spelling import bare

# What a home screen shows of a longer name ends in « … ».
SHORT = 12
SHORT_NAME = "Portail"
# Not of a name's initials: « Valmirelle-les-Prés » is VP.
SMALL_WORDS = set("a au aux d de des du en et l la le les lez lès s sous sur".split())
# A crest of more points than that is not unpacked for a request.
LARGEST_POINTS = 16_000_000


class Icon(NamedTuple):
    """`share`: how much of the square the crest or the initials fill. Systems cut a maskable icon to a circle
    of four fifths of it."""

    size: int
    share: float
    purpose: str = ""


ICONS = {
    "icone-192.png": Icon(192, 0.84, "any"),
    "icone-512.png": Icon(512, 0.84, "any"),
    "masque-192.png": Icon(192, 0.56, "maskable"),
    "masque-512.png": Icon(512, 0.56, "maskable"),
    # iOS asks for its own, and rounds its corners.
    "apple-180.png": Icon(180, 0.72),
}


def colour() -> str:
    """The town's colour, as the portal's own buttons have it."""
    return theme.nearest_readable(town.current().colour)


def version() -> str:
    """A short name for the icons as they are now: a crest that is replaced has another name."""
    here = town.current()
    return hashlib.sha256(f"{here.name} {here.colour} {here.crest.name}".encode()).hexdigest()[:10]


def icon_address(name: str) -> str:
    return f"{reverse('app_icon', args=[name])}?v={version()}"


def initials(name: str) -> str:
    """« VP » for « Valmirelle-les-Prés », « P » for « Paris »."""
    words = [word for word in re.findall(r"[a-z]+", bare(name)) if word not in SMALL_WORDS]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "P"


def _etag(request: HttpRequest, **named: str) -> str:
    return f'"{version()}"'


@login_not_required
@require_safe
@condition(etag_func=_etag)
@cache_control(public=True, max_age=theme.DAY)
def manifest(request: HttpRequest) -> HttpResponse:
    """What a browser asks for before it offers « Installer » or « Sur l'écran d'accueil »."""
    here = town.current()
    icons: list[dict[str, Any]] = [
        {
            "src": icon_address(name),
            "sizes": f"{icon.size}x{icon.size}",
            "type": "image/png",
            "purpose": icon.purpose,
        }
        for name, icon in ICONS.items()
        if icon.purpose
    ]
    crest = here.crest.name or ""
    if crest.lower().endswith(".svg"):
        address = reverse("town_crest", args=[crest])
        icons.insert(0, {"src": address, "sizes": "any", "type": "image/svg+xml", "purpose": "any"})
    return JsonResponse(
        {
            "id": "/",
            "name": f"Portail famille – {here.name}",
            "short_name": here.name if len(here.name) <= SHORT else SHORT_NAME,
            "lang": "fr",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "theme_color": colour(),
            "background_color": theme.WHITE,
            "icons": icons,
        },
        content_type="application/manifest+json",
        json_dumps_params={"ensure_ascii": False},
    )


@login_not_required
@require_safe
@condition(etag_func=_etag)
@cache_control(public=True, max_age=30 * theme.DAY)
def icon(request: HttpRequest, name: str) -> HttpResponse:
    """One of ICONS, drawn once for each town as it is."""
    if name not in ICONS:
        raise Http404("Cette icône n'existe pas.")
    here = town.current()
    return hand_over(
        _drawn(ICONS[name], here.name, colour(), here.crest.name or ""), name, "image/png", inline=True
    )


@lru_cache(maxsize=2 * len(ICONS))
def _drawn(icon: Icon, name: str, ground: str, crest: str) -> bytes:
    square = _of_crest(icon, crest) or _of_initials(icon, initials(name), ground)
    out = io.BytesIO()
    square.save(out, "PNG", optimize=True)
    return out.getvalue()


def _of_crest(icon: Icon, crest: str) -> Image.Image | None:
    """The crest in the midst of a white square; None where it is no picture that can be read."""
    if not crest:
        return None
    try:
        with default_storage.open(crest) as file:
            # What draws PDFs lets this process read a picture cut short: it is blank from there on.
            with Image.open(file) as picture:
                if picture.width * picture.height > LARGEST_POINTS:
                    return None
                picture.verify()
            file.seek(0)
            with Image.open(file) as picture:
                whole = picture.convert("RGBA")
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    room = round(icon.size * icon.share)
    scale = room / max(whole.size)
    fitted = whole.resize(
        (max(1, round(whole.width * scale)), max(1, round(whole.height * scale))), Image.Resampling.LANCZOS
    )
    square = Image.new("RGB", (icon.size, icon.size), theme.WHITE)
    square.paste(fitted, ((icon.size - fitted.width) // 2, (icon.size - fitted.height) // 2), fitted)
    return square


def _of_initials(icon: Icon, letters: str, ground: str) -> Image.Image:
    """White letters on the town's colour."""
    square = Image.new("RGB", (icon.size, icon.size), ground)
    drawing = ImageDraw.Draw(square)
    room = icon.size * icon.share * 0.75
    font = ImageFont.load_default(size=100)
    left, _, right, _ = drawing.textbbox((0, 0), letters, font=font, anchor="mm")
    font = ImageFont.load_default(size=min(room * 0.8, 100 * room / (right - left)))
    drawing.text((icon.size / 2, icon.size / 2), letters, fill=theme.WHITE, font=font, anchor="mm")
    return square
