"""What families have given of what is asked of them: nearly all of it, but for some that the desk misses."""

import io
from datetime import datetime, time, timedelta
from random import Random

from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image, ImageDraw

from families.models import Household, Paper, PaperKind
from families.papers import asking, sending
from families.papers.asking import Line
from families.papers.sending import Said
from portal.demo.people import DemoHome, People
from portal.reservations.models import SchoolYear

GIVEN = 0.93
SOON = timedelta(days=18)
CHUNK = 500


def give(people: People, rng: Random, at: datetime) -> None:
    """`parent` has one accepted, one that ends soon, one refused; that of `voisin` waits at the desk; of the
    others most are in order, seen at the counter as the year began."""
    today = timezone.localdate(at)
    insurance = PaperKind.objects.get(code="assurance")
    _in_order(people, rng, at)
    of_parent = _lines(people.parent, insurance, at)
    for line in of_parent[:1]:
        _take(people.parent, line, people, at)
        Paper.objects.filter(kind=insurance, child=line.child).update(ends_on=today + SOON)
    for line in of_parent[1:2]:
        paper = _send(people.parent, line, at - timedelta(days=2))
        reason = "L'attestation est celle de l'an dernier : envoyez celle de cette année."
        sending.refuse(paper, reason=reason, by=people.agent, at=at - timedelta(days=1))
    for line in _lines(people.neighbour, insurance, at)[:1]:
        _send(people.neighbour, line, at - timedelta(hours=3))


def _in_order(people: People, rng: Random, at: datetime) -> None:
    today = timezone.localdate(at)
    year = SchoolYear.objects.filter(starts_on__lte=today).order_by("starts_on").last()
    seen = min(today, year.starts_on if year else today)
    end = asking.year_end(today)
    own = {people.parent.household.pk, people.neighbour.household.pk}
    keys = list(Household.objects.order_by("pk").values_list("pk", flat=True))
    done: dict[tuple[int, int | None, int | None], Paper] = {}
    for first in range(0, len(keys), CHUNK):
        for home, lines in asking.read(keys[first : first + CHUNK], today).items():
            for line in lines:
                if (home in own and line.child is not None) or rng.random() > GIVEN:
                    continue
                child = line.child.pk if line.child else None
                done[line.kind.pk, child, None if child else home] = Paper(
                    kind=line.kind,
                    household_id=home,
                    child=line.child,
                    state=Paper.State.ACCEPTED,
                    seen_on=seen,
                    starts_on=seen,
                    ends_on=end,
                    decided_by=people.agent,
                    decided_at=timezone.make_aware(datetime.combine(seen, time(10))),
                )
    Paper.objects.bulk_create(done.values(), batch_size=2000)


def _lines(home: DemoHome, kind: PaperKind, at: datetime) -> list[Line]:
    found = asking.read([home.household.pk], timezone.localdate(at))[home.household.pk]
    return [line for line in found if line.kind == kind and line.may_send]


def _send(home: DemoHome, line: Line, at: datetime) -> Paper:
    name = f"assurance-{line.child.first_name if line.child else 'foyer'}.jpg"
    said = Said(ContentFile(_drawn(str(line.child or home.household)), name), "image/jpeg")
    return sending.send(home.household, line.kind, line.child, said, by=home.user, at=at)


def _take(home: DemoHome, line: Line, people: People, at: datetime) -> Paper:
    seen = timezone.localdate(at) - timedelta(days=60)
    return sending.take(home.household, line.kind, line.child, Said(), seen_on=seen, by=people.agent, at=at)


def _drawn(name: str) -> bytes:
    """A sheet as a phone would send it."""
    sheet = Image.new("RGB", (620, 876), "#fdfdf8")
    pen = ImageDraw.Draw(sheet)
    for row, text in enumerate(
        ("Assurances de la Mirelle", "", "ATTESTATION", name, "", "Exemple de démonstration")
    ):
        pen.text((60, 80 + 48 * row), text, fill="#222222", font_size=28)
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=80)
    return out.getvalue()
