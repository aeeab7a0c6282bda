"""« Essayer comme une famille » at the leisure centre: place and period are chosen too; nothing counts."""

from typing import Any

from django.urls import reverse

from portal.reservations.acts import trials
from portal.reservations.models import Activity, Booking, Enrolment, Place, Slot
from tests.factories import UserFactory
from tests.leisure.cast import WEDNESDAY, value
from tests.portal.reservations.acts.test_trials import Tries, tries_as


def enrolled(where: Any, school_class: Any, now: Any, **activity: str) -> Tries:
    """Who tries, with a child enrolled on Wednesdays."""
    Activity.objects.update(enrolment_processing="automatic", **activity)
    tries = tries_as(
        UserFactory(username="nadia", is_staff=True, is_superuser=True), where, school_class, now
    )
    tries.enter()
    tries.client.post(reverse("leisure:enrol", args=[tries.child.pk]), {"activities": [where.activity.pk]})
    return tries


def book(tries: Tries, where: Any, wanted: str) -> Any:
    place = {"etablissement": where.centre.pk, "periode": where.period.pk}
    start = tries.client.post(reverse("leisure:start", args=[tries.enrolment.pk]), place)
    assert start.status_code == 302, start.text
    chosen = {wanted: [value(where.whole, WEDNESDAY)], "version": "", "do": "next"}
    page = tries.client.post(start["Location"], chosen, follow=True)
    for _ in ("validation", "recording"):
        page = tries.client.post(page.redirect_chain[-1][0], follow=True)
    return page


def test_a_day_is_booked_step_by_step_and_takes_no_place(wednesdays, school_class, now):
    tries = enrolled(wednesdays, school_class, now, processing="automatic")
    assert "rien ne compte" in book(tries, wednesdays, "book").text
    assert Booking._base_manager.get().state == "accepted" and not Booking.objects.exists()
    assert set(Slot.objects.filter(day=WEDNESDAY).values_list("taken", flat=True)) == {0}
    trials.remove(tries.home)
    for model in (Booking, Place, Enrolment):
        assert not model._base_manager.exists()


def test_a_day_asked_for_is_answered_by_who_tries(wednesdays, school_class, now):
    tries = enrolled(wednesdays, school_class, now, processing="on_request")
    book(tries, wednesdays, "book")
    assert trials.waiting(tries.home).lines
    trials.answer(tries.home, by=tries.user, at=now)
    assert Booking._base_manager.get().state == "accepted"
    assert set(Slot.objects.filter(day=WEDNESDAY).values_list("taken", flat=True)) == {0}
