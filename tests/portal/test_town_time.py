"""The town's clock: « la veille à 10 h » is ten o'clock there, for limits, pages, letters and commands."""

import html
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone
from django_tasks.signals import task_started

from portal import town_time
from portal.models import Town
from portal.reservations.models import Audience, Period, PeriodOpening
from portal.reservations.pages.addresses import planning_address
from portal.reservations.towns import town_file
from tests.conftest import NOW, logged_in
from tests.factories import paris

MONDAY = date(2026, 11, 16)  # closes on Saturday 14 at 10
CLOSES_AT = (2026, 11, 14, 10)

OVERSEAS = [
    (Town.Region.METROPOLE, "Europe/Paris"),
    (Town.Region.REUNION, "Indian/Reunion"),
    (Town.Region.MARTINIQUE, "America/Martinique"),
    (Town.Region.POLYNESIE, "Pacific/Tahiti"),
    (Town.Region.NOUVELLE_CALEDONIE, "Pacific/Noumea"),
]


@pytest.fixture
def lies(town):
    def there(region: str, **more) -> Town:
        for name, value in {"region": region, **more}.items():
            setattr(town, name, value)
        town.save()
        return town

    return there


@pytest.mark.parametrize(("region", "zone"), OVERSEAS)
def test_ten_o_clock_is_ten_o_clock_there(lies, books, canteen, region, zone):
    lies(region)
    limit = datetime(*CLOSES_AT, tzinfo=ZoneInfo(zone))
    page = (
        f"{planning_address(canteen.activity, books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk)}"
    )
    box = f'value="{canteen.formula.pk}:{MONDAY}"'
    offered = []
    for moment in (limit - timedelta(minutes=1), limit + timedelta(minutes=1)):
        with time_machine.travel(moment, tick=False):
            answer = logged_in(books.user).get(f"{page}?mois=2026-11").content.decode()
        offered.append(box in answer)
        assert "samedi 14 novembre à 10" in answer
    assert offered == [True, False]


@pytest.mark.parametrize(
    ("region", "hour", "today"),
    [
        (Town.Region.METROPOLE, 22, "Aujourd'hui, lundi 9 novembre"),
        (Town.Region.NOUVELLE_CALEDONIE, 22, "Aujourd'hui, mardi 10 novembre"),
        (Town.Region.POLYNESIE, 33, "Aujourd'hui, lundi 9 novembre"),
    ],
)
def test_today_is_the_day_that_it_is_there(lies, books, region, hour, today):
    lies(region)
    moment = datetime(2026, 11, 9, tzinfo=UTC) + timedelta(hours=hour)
    with time_machine.travel(moment, tick=False):
        page = html.unescape(logged_in(books.user).get("/").content.decode())
    assert today in page


def test_a_town_may_say_which_islands_are_its_own(lies):
    assert town_time.zone_of(lies(Town.Region.POLYNESIE)).key == "Pacific/Tahiti"
    assert (
        town_time.zone_of(lies(Town.Region.POLYNESIE, time_zone="Pacific/Marquesas")).key
        == "Pacific/Marquesas"
    )
    assert set(town_time.OF_REGION) | {Town.Region.METROPOLE, Town.Region.ALSACE_MOSELLE} == set(Town.Region)


def test_commands_and_tasks_live_there_and_leave_the_thread_as_it_was(lies, monkeypatch):
    lies(Town.Region.REUNION)
    seen = []
    monkeypatch.setattr("portal.nightly.foresee_all", lambda at: seen.append(timezone.localtime(at)) or [])
    with timezone.override(ZoneInfo("Europe/Paris")):
        call_command("nightly", "--essai")
        assert timezone.get_current_timezone_name() == "Europe/Paris"
        (moment,) = seen
        assert moment.tzinfo == ZoneInfo("Indian/Reunion")
        task_started.send(sender=None, task_result=Mock())
        assert timezone.get_current_timezone_name() == "Indian/Reunion"


def test_a_database_that_does_not_answer_leaves_the_default(monkeypatch):
    def away() -> Town:
        raise DatabaseError

    monkeypatch.setattr("portal.town.current", away)
    assert town_time._zone_or_default() == ZoneInfo("Europe/Paris")


def test_nobody_else_reads_the_time_zone_of_the_settings():
    readers = re.compile(r"TIME_ZONE|get_default_timezone|Europe/Paris")
    root = Path(settings.BASE_DIR)
    found = {
        str(path.relative_to(root))
        for app in ("portal", "families", "catering", "leisure", "billing")
        for path in (root / app).rglob("*.py")
        if "migrations" not in path.parts and readers.search(path.read_text())
    }
    # Logs of all processes are of one zone, which they say: they begin before the town is known.
    assert found == {"portal/settings.py", "portal/models.py", "portal/town_time.py", "portal/web/logs.py"}


# At the desk -----------------------------------------------------------------------------------------------


@pytest.fixture
def change(chief_client, canteen):
    address = reverse("admin:portal_town_change", args=[Town.objects.get().pk])
    form = chief_client.get(address).context["adminform"].form

    def post(**changed):
        data = {name: form[name].value() or "" for name in form.fields if name != "crest"} | changed
        return chief_client.post(
            address, {name: value for name, value in data.items() if value not in ("", False)}
        )

    return post


def test_the_desk_reads_what_moves_before_the_clock_changes(change, canteen):
    Period.objects.filter(pk=canteen.period.pk).update(
        opens_at=paris(2026, 12, 1, 8), opens_at_non_residents=paris(2026, 11, 2, 8)
    )
    page = change(region=Town.Region.REUNION).content.decode()
    assert "l&#x27;heure de La Réunion" in page
    assert "ouvre toujours le mardi 1er décembre à 8\xa0h, soit 3\xa0h plus tôt." in page
    assert Town.objects.get().region == Town.Region.METROPOLE

    assert change(region=Town.Region.REUNION, clock_seen="on").status_code == 302
    assert Town.objects.get().region == Town.Region.REUNION
    period = Period.objects.get(pk=canteen.period.pk)
    assert period.opens_at == datetime(2026, 12, 1, 8, tzinfo=ZoneInfo("Indian/Reunion"))
    assert period.opens_at_non_residents == paris(2026, 11, 2, 8), "What is past stays."


def test_openings_to_audiences_of_the_town_keep_their_hour_too(change, canteen):
    agents = Audience.objects.create(code="agents", label="Agents", belonging="recognised")
    opening = PeriodOpening.objects.create(
        period=canteen.period, audience=agents, opens_at=paris(2026, 12, 1, 8)
    )
    page = change(region=Town.Region.REUNION).content.decode()
    assert "ouvre à « Agents » toujours le mardi 1er décembre à 8\xa0h, soit 3\xa0h plus tôt." in page
    change(region=Town.Region.REUNION, clock_seen="on")
    opening.refresh_from_db()
    assert opening.opens_at == datetime(2026, 12, 1, 8, tzinfo=ZoneInfo("Indian/Reunion"))


def test_a_region_of_the_same_hour_asks_nothing(change):
    assert change(region=Town.Region.ALSACE_MOSELLE).status_code == 302
    assert Town.objects.get().region == Town.Region.ALSACE_MOSELLE


def test_the_towns_file_sets_the_clock_before_it_reads_moments(lies, tmp_path, canteen):
    lies(Town.Region.METROPOLE)
    file = tmp_path / "ville.yaml"
    file.write_text("commune:\n  nom: Valmirelle\n  jours_fériés: La Réunion\n  heure: Indian/Mayotte\n")
    call_command("load_town", str(file))
    assert Town.objects.get().time_zone == "Indian/Mayotte"
    assert timezone.get_current_timezone_name() == NOW.tzinfo.key


def test_a_clock_that_the_towns_file_changes_is_agreed_to_and_keeps_the_hours(canteen):
    Period.objects.filter(pk=canteen.period.pk).update(opens_at=paris(2026, 12, 1, 8))
    text = "commune: {nom: Valmirelle, jours_fériés: La Réunion}"
    with pytest.raises(town_file.ChangesThePast, match="ouvre toujours le mardi 1er décembre à 8\xa0h"):
        town_file.load(text, at=NOW)
    assert Period.objects.get(pk=canteen.period.pk).opens_at == paris(2026, 12, 1, 8)
    town_file.load(text, at=NOW, confirmed=True)
    moved = Period.objects.get(pk=canteen.period.pk).opens_at
    assert moved == datetime(2026, 12, 1, 8, tzinfo=ZoneInfo("Indian/Reunion"))
