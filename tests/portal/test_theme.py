"""The town's colour and crest: readable by day and by night, kept by browsers, harmless."""

import gzip
import re
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from portal import theme
from portal.admin import CREST_MAX_BYTES, TownForm
from portal.models import Town
from portal.reservations.states import BookingState, CellState, EnrolmentState, Outcome, ReservationState
from portal.reservations.templatetags.reservations import LEGENDS
from portal.settings import BASE_DIR, STATICFILES_DIRS

CSS = (BASE_DIR / "static/css/portal.css").read_text()
SPRITE = (BASE_DIR / "static/icons/states.svg").read_text()
STATES = sorted(
    {
        value or "draft"
        for states in (BookingState, CellState, EnrolmentState, Outcome, ReservationState)
        for value in states.values
    }
)


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


# Colours ----------------------------------------------------------------------------------------------


def test_contrast_is_that_of_wcag():
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert theme.contrast("#1d4f91", "#1d4f91") == 1


def variables(css: str) -> dict[str, str]:
    return dict(re.findall(r"(--[a-z-]+):([^;}]+)", css))


@pytest.mark.parametrize(
    "colour", ["#1d4f91", "#b3001b", "#00695c", "#5b2d8e", "#000000", "#ffe600", "#ffffff"]
)
def test_any_colour_reads_on_white_and_at_night(colour: str):
    day, night = theme.stylesheet(colour).split("@media")
    for css, ground in ((day, theme.WHITE), (night, theme.NIGHT)):
        shown = variables(css)
        assert theme.contrast(shown["--town"], ground) >= 4.5
        assert theme.contrast(shown["--town-on"], shown["--town"]) >= 4.5
        assert theme.contrast(shown["--town-on"], shown["--town-strong"]) >= 4.5
        assert theme.contrast(shown["--town"], shown["--town-tint"]) >= 4.0


def test_a_readable_colour_is_kept_as_the_town_chose_it():
    assert variables(theme.stylesheet("#1d4f91").split("@media")[0])["--town"] == "#1d4f91"


def test_stylesheet_is_public_and_answers_304_to_whoever_has_it(town: Town):
    client = Client()
    first = client.get("/ville.css")
    assert first.status_code == 200
    assert first["Content-Type"].startswith("text/css")
    assert "public" in first["Cache-Control"]
    again = client.get("/ville.css", headers={"if-none-match": first["ETag"]})
    assert again.status_code == 304


def test_a_new_colour_gives_the_stylesheet_a_new_address(town: Town):
    def address() -> str:
        found = re.search(r"/ville\.css\?v=\w+", Client().get("/connexion/").content.decode())
        assert found
        return found[0]

    before = address()
    town.colour = "#7a1f5c"
    town.save()
    assert address() != before
    assert "#7a1f5c" in Client().get("/ville.css").content.decode()


def town_form(town: Town, **changes: str) -> TownForm:
    asked = set(TownForm(instance=town).fields) - {"crest", "clock_seen"}
    data = {name: getattr(town, name) for name in asked}
    return TownForm(data | changes, instance=town)


def test_desk_refuses_a_pale_colour_and_names_a_readable_one(town: Town):
    form = town_form(town, colour="#f5c400")
    assert not form.is_valid()
    (sentence,) = form.errors["colour"]
    proposed = re.findall(r"#[0-9a-f]{6}", sentence)[0]
    assert town_form(town, colour=proposed).is_valid()


# Crest --------------------------------------------------------------------------------------------------


def test_without_a_crest_the_portal_shows_its_own_drawing(town: Town):
    assert "icons/crest.svg" in Client().get("/connexion/").content.decode()


def test_uploaded_drawing_is_public_but_may_not_run_anything(town: Town):
    town.crest.save(
        "blason.svg", ContentFile(b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")
    )
    answer = Client().get(reverse("town_crest", args=[town.crest.name]))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["X-Content-Type-Options"] == "nosniff"
    policy = answer["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_no_other_file_is_served_beside_the_crest(town: Town, media: Path):
    (media / "secret.txt").write_text("secret")
    town.crest.save("blason.svg", ContentFile(b"<svg/>"))
    for name in ("secret.txt", "ville/../secret.txt", "ville/autre.svg"):
        assert Client().get(f"/media/{name}").status_code == 404


def test_crest_that_vanished_from_the_disk_is_not_found(town: Town, media: Path):
    town.crest.save("blason.svg", ContentFile(b"<svg/>"))
    (media / town.crest.name).unlink()
    assert Client().get(reverse("town_crest", args=[town.crest.name])).status_code == 404


def test_desk_refuses_a_heavy_crest(town: Town):
    heavy = ContentFile(b"0" * (CREST_MAX_BYTES + 1), name="blason.png")
    form = town_form(town)
    form = TownForm(form.data, {"crest": heavy}, instance=town)
    assert "crest" in form.errors


# States ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_its_icon_and_its_tint(state: str):
    assert f'<symbol id="{state}"' in SPRITE
    assert re.search(rf"\.icon-{state}\b", CSS)
    assert re.search(rf"\.(state|cell)--{state}\b", CSS)


def test_icons_differ_in_shape_and_cells_draw_the_same_ones():
    drawn = dict(re.findall(r'<symbol id="(\w+)"[^>]*>(.*)</symbol>', SPRITE))
    masks = dict(re.findall(r"--icon-(\w+): url\(\"(.*)\"\);", CSS))
    paths = {name: re.findall(r' d="([^"]+)"', symbol) for name, symbol in drawn.items()}
    assert {name: re.findall(r" d='([^']+)'", mask) for name, mask in masks.items()} == {
        name: paths[name] for name in masks
    }
    assert len({str(paths[name]) for name in masks}) == len(masks)


@pytest.mark.parametrize("states", sorted(LEGENDS))
def test_legend_says_every_state_in_words(states: str):
    html = render_to_string("components/legend.html", {"entries": LEGENDS[states]})
    for state, label in LEGENDS[states]:
        assert f"#{state}" in html
        assert label[1:] in html.replace("&#x27;", "'")


def test_badge_of_an_unsaved_line_is_a_draft():
    html = render_to_string("components/state_badge.html", {"state": "", "label": "À enregistrer"})
    assert "state--draft" in html


# Weight ----------------------------------------------------------------------------------------------------


def test_first_page_stays_light(town: Town):
    """HTML, CSS, scripts and icons of the login page: at most 60 kB gzipped, in at most 6 requests."""
    html = Client().get("/connexion/").content.decode()
    addresses = set(re.findall(r'(?:src|href)="((?:/static/|/ville\.css|/media/)[^"#]+)"', html))
    folders = [("", STATICFILES_DIRS[0]), STATICFILES_DIRS[1]]

    def content(address: str) -> bytes:
        path = address.removeprefix("/static/")
        if path == address:
            return Client().get(address).content
        return next(
            file.read_bytes()
            for prefix, folder in folders
            if (file := Path(folder) / path.removeprefix(f"{prefix}/")).is_file()
        )

    weight = sum(len(gzip.compress(body)) for body in [html.encode(), *map(content, addresses)])
    assert len(addresses) + 1 <= 6
    assert weight <= 60_000
