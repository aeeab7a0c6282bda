"""On the home screen: the town's name, crest and colour, and nothing kept that could grow stale."""

import io
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from PIL import Image

from portal import installable, theme
from portal.models import Town
from portal.settings import BASE_DIR
from tests.factories import TownFactory

ORANGE = (200, 80, 20)


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    installable._drawn.cache_clear()
    return tmp_path


def town(crest: bytes = b"", file: str = "blason.png", **given) -> Town:
    made = TownFactory()
    for field, value in given.items():
        setattr(made, field, value)
    made.save()
    if crest:
        made.crest.save(file, ContentFile(crest))
    return made


def picture(width: int = 300, height: int = 200, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), ORANGE).save(out, form)
    return out.getvalue()


def drawn(address: str) -> Image.Image:
    answer = Client().get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def test_the_manifest_names_the_town(db):
    town(name="Valmirelle-les-Prés", colour="#1d4f91")
    answer = Client().get("/manifest.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    said = answer.json()
    assert said["name"] == "Portail famille – Valmirelle-les-Prés"
    assert said["short_name"] == "Portail"
    assert (said["lang"], said["start_url"], said["display"]) == ("fr", "/", "standalone")
    assert said["theme_color"] == "#1d4f91"
    wanted = {(icon["sizes"], icon["purpose"]) for icon in said["icons"]}
    assert wanted == {(f"{size}x{size}", use) for size in (192, 512) for use in ("any", "maskable")}
    for icon in said["icons"]:
        size = int(icon["sizes"].partition("x")[0])
        assert drawn(icon["src"]).size == (size, size)


def test_a_short_name_of_a_town_is_its_own(db):
    town(name="Cancale")
    assert Client().get("/manifest.webmanifest").json()["short_name"] == "Cancale"


def test_a_drawn_crest_is_given_as_it_is(db):
    town(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "blason.svg")
    first = Client().get("/manifest.webmanifest").json()["icons"][0]
    assert (first["type"], first["sizes"]) == ("image/svg+xml", "any")
    assert Client().get(first["src"]).status_code == 200


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Valmirelle-les-Prés", "VP"),
        ("L'Haÿ-les-Roses", "HR"),
        ("Paris", "P"),
        ("Écully", "E"),
        ("Saint-Jean-de-la-Ruelle", "SR"),
        ("Œuilly", "O"),
        ("Aÿ-Champagne", "AC"),
        ("10", "P"),
    ],
)
def test_initials_leave_small_words_out(name, letters):
    assert installable.initials(name) == letters


def test_without_a_crest_initials_stand_on_the_towns_colour(db):
    town(name="Paris", colour="#7a1f1f")
    square = drawn("/icones/icone-512.png")
    assert square.getpixel((3, 3)) == (0x7A, 0x1F, 0x1F)
    assert (255, 255, 255) in {colour for _, colour in square.getcolors(100_000)}


def test_a_crest_stands_whole_on_white_within_what_systems_leave_of_it(db):
    town(picture())
    square = drawn("/icones/masque-512.png")
    assert square.getpixel((256, 256)) == ORANGE
    for x in range(0, 512, 8):
        for y in range(0, 512, 8):
            if (x - 256) ** 2 + (y - 256) ** 2 > (0.4 * 512) ** 2:
                assert square.getpixel((x, y)) == (255, 255, 255)


@pytest.mark.parametrize(
    "crest", [b"no picture", picture()[:60], picture(8000, 2001)], ids=["text", "cut", "large"]
)
def test_a_crest_that_cannot_be_drawn_gives_way_to_initials(db, crest):
    town(crest, colour="#1d4f91")
    assert drawn("/icones/icone-192.png").getpixel((2, 2)) == (0x1D, 0x4F, 0x91)


def test_a_crest_that_is_no_longer_there_gives_way_too(db, media):
    made = town(picture())
    (media / made.crest.name).unlink()
    assert drawn("/icones/apple-180.png").size == (180, 180)


def test_icons_are_kept_until_the_town_changes(db):
    made = town(name="Paris")
    answer = Client().get("/icones/icone-192.png")
    assert "max-age=2592000" in answer["Cache-Control"] and "public" in answer["Cache-Control"]
    same = Client().get("/icones/icone-192.png", headers={"If-None-Match": answer["ETag"]})
    assert same.status_code == 304
    made.colour = "#7a1f1f"
    made.save()
    changed = Client().get("/icones/icone-192.png", headers={"If-None-Match": answer["ETag"]})
    assert changed.status_code == 200


def test_another_icon_does_not_exist(db):
    assert Client().get("/icones/icone-4096.png").status_code == 404


def test_pages_name_manifest_icon_and_colour(db):
    town(colour="#ffe08a")
    page = Client().get("/connexion/").content.decode()
    assert '<link rel="manifest" href="/manifest.webmanifest">' in page
    assert 'rel="apple-touch-icon" href="/icones/apple-180.png?v=' in page
    # As the portal shows that colour: readable.
    assert f'content="{theme.nearest_readable("#ffe08a")}"' in page


def test_no_service_worker_shows_places_that_are_gone(db):
    scripts = "".join(path.read_text() for path in (BASE_DIR / "static/js").glob("*.js"))
    assert "serviceWorker" not in scripts
    assert "manifest-src" in Client().get("/sante/")["Content-Security-Policy"]
