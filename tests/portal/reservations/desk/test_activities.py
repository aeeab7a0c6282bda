"""What makes no sense is not saved in silence: no formula, no period, a Wednesday that nobody meant."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.reservations.models import Activity, Establishment, Formula, Period, Slot
from tests.portal.reservations.desk.test_queues import act, said

ADD = "admin:reservations_activity_add"
INLINES = ("formulas", "capacities", "periods", "deadlines", "papers", "texts", "advances")


def typed(formula: bool = True, **others: Any) -> dict[str, Any]:
    """An activity as its page posts it."""
    data = {
        "name": "Garderie", "code": "garderie", "service": "leisure", "active": "on", "order": "0",
        "weekdays": ["0", "1", "3", "4"], "age_counts": "day", "during": "term",
        "enrolment_processing": "automatic",
        "processing": "automatic", "cancel_processing": "automatic",
    }  # fmt: skip
    for name in INLINES:
        data |= {f"{name}-TOTAL_FORMS": "0", f"{name}-INITIAL_FORMS": "0"}
    if formula:
        data |= {
            "formulas-TOTAL_FORMS": "1", "formulas-0-name": "Soir", "formulas-0-code": "soir",
            "formulas-0-parts": ["evening"], "formulas-0-order": "0", "formulas-0-active": "on",
        }  # fmt: skip
    return data | others


def test_an_activity_without_a_formula_is_refused_unless_it_is_not_offered(
    chief_client: Client, town
) -> None:
    answer = chief_client.post(reverse(ADD), typed(formula=False))
    assert "Indiquez au moins une formule" in answer.content.decode()
    assert not Activity.objects.exists()
    chief_client.post(reverse(ADD), typed(formula=False, active=""))
    assert not Activity.objects.get().active


def test_one_without_a_period_is_saved_and_says_that_nothing_can_be_booked(
    chief_client: Client, town
) -> None:
    answer = chief_client.post(reverse(ADD), typed())
    assert answer.status_code == 302, answer.context["errors"]
    assert any("n'a pas encore de période" in text for text in said(answer))
    assert Formula.objects.get().activity == Activity.objects.get()


def test_the_last_formula_cannot_be_taken_away(chief_client: Client, canteen) -> None:
    page = reverse("admin:reservations_activity_change", args=[canteen.activity.pk])
    data = typed(name="Restauration scolaire", code="restauration-scolaire", service="catering")
    data |= {
        "establishments": [canteen.restaurant.pk],
        "formulas-INITIAL_FORMS": "1",
        "formulas-0-id": canteen.formula.pk,
        "formulas-0-activity": canteen.activity.pk,
        "formulas-0-DELETE": "on",
    }
    assert "Indiquez au moins une formule" in chief_client.post(page, data).content.decode()
    assert Formula.objects.filter(pk=canteen.formula.pk).exists()


@pytest.mark.parametrize(
    ("add", "name"),
    [(ADD, "weekdays"), ("admin:reservations_establishment_add", "open_weekdays")],
)
def test_days_of_the_week_are_asked_for(chief_client: Client, town, add: str, name: str) -> None:
    page = chief_client.get(reverse(add)).content.decode()
    boxes = [box for box in page.split("<input") if f'name="{name}"' in box]
    assert len(boxes) == 7
    assert not any("checked" in box for box in boxes)
    answer = chief_client.post(reverse(add), typed(**{name: []}))
    assert name in answer.context["adminform"].form.errors


def test_opening_slots_counts_each_day_of_the_week_and_doubts_a_wednesday(
    chief_client: Client, canteen, school: Establishment
) -> None:
    Slot.objects.all().delete()
    Establishment.objects.filter(pk=school.pk).update(open_weekdays=0b11011)
    url = "admin:reservations_period_changelist"
    page = act(chief_client, url, "open_selected", canteen.period).content.decode().replace("&#x27;", "'")
    assert "6 lundis, 6 mardis, 5 mercredis, 6 jeudis et 6 vendredis" in page
    assert "Aucune école desservie n'a classe le mercredi." in page
    assert Period.objects.get() == canteen.period and not Slot.objects.exists()
