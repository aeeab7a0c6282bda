"""Families' messages handed to a place: those where the family's children go, or the child goes."""

from collections.abc import Sequence
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from families.models import Child, Thread
from families.threads.places import AtPlace
from families.threads.writing import RIGHT
from portal.desk import rights
from portal.reservations.models import Enrolment, Establishment, Schooling, ThreadPlace
from portal.reservations.states import EnrolmentState


class ThreadPlaces:
    """What `families.threads.places` is lent."""

    def offered(self, thread: Thread) -> Sequence[AtPlace]:
        """Whose agents see these children already: one query."""
        today = timezone.localdate()
        if thread.child_id is None:
            children = Child.objects.living_in(thread.household, today).order_by()
        else:
            children = Child.objects.filter(pk=thread.child_id)
        schooled = Schooling.objects.filter(child__in=children.values("pk"), school_year__ends_on__gte=today)
        enrolled = Enrolment.objects.filter(child__in=children.values("pk"), school_year__ends_on__gte=today)
        enrolled = enrolled.exclude(state=EnrolmentState.REFUSED)
        active = Establishment.objects.filter(active=True)
        there = active.filter(pk__in=schooled.values("school_class__school")) | active.filter(
            pk__in=enrolled.values("establishment")
        )
        return [AtPlace(one.pk, one.name) for one in there.order_by("name", "pk")]

    def name(self) -> Subquery:
        rows = ThreadPlace.objects.filter(thread=OuterRef("pk"))
        return Subquery(rows.values("establishment__name")[:1])

    def of(self, user: Any) -> QuerySet[Thread]:
        mine = rights.seen_by(user, Establishment.objects.all(), RIGHT)
        return Thread.objects.filter(
            pk__in=ThreadPlace.objects.filter(establishment__in=mine).values("thread")
        )

    def give(self, thread: Thread, key: int | None) -> None:
        if key is None:
            ThreadPlace.objects.filter(thread=thread).delete()
        else:
            ThreadPlace.objects.update_or_create(thread=thread, defaults={"establishment_id": key})
