"""What families answered to the texts of the demo: nearly all accepted, two have something to read."""

from datetime import datetime, time, timedelta

from django.utils import timezone

from families.models import AskedText, Child, Household, TextAnswer, TextVersion
from families.models.threads import named
from portal.demo.people import People

RULES, IMAGE = "reglement-loisirs", "droit-image"


def version_of(code: str) -> TextVersion:
    return AskedText.objects.get(code=code).versions.latest("starts_on")


def accept(people: People, at: datetime) -> None:
    """Before any Wednesday is booked: the rules of leisure, as the school year began."""
    version = version_of(RULES)
    day = min(timezone.localdate(at), version.starts_on)
    said_at = timezone.make_aware(datetime.combine(day, time(10)))
    TextAnswer.objects.bulk_create(
        (
            TextAnswer(
                version=version,
                household_id=home,
                at=said_at,
                by=people.agent,
                by_name=named(people.agent),
                signed_on=day,
            )
            for home in Household.objects.order_by("pk").values_list("pk", flat=True)
        ),
        batch_size=2000,
    )


def leave_some_to_read(people: People, at: datetime) -> None:
    """`voisin` has the rules before him; `parent` has answered for the photos of its children, one by one."""
    TextAnswer.objects.filter(version__text__code=RULES, household=people.neighbour.household).delete()
    for place, child in enumerate(Child.objects.visible_to(people.parent.user).order_by("pk")):
        TextAnswer.objects.create(
            version=version_of(IMAGE),
            household=people.parent.household,
            child=child,
            accepted=not place,
            at=at - timedelta(days=20),
            by=people.parent.user,
            by_name=people.parent.user.get_full_name(),
        )
