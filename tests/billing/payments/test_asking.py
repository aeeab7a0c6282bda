"""Which providers have a door here: the town's, and one it left whose payments may still move."""

from datetime import timedelta

import pytest
from django.test import Client

from billing.models import OnlinePayment, OnlineState, PaymentEvent
from billing.payments import asking
from tests.billing.conftest import FIRST_OF_DECEMBER as AT
from tests.billing.payments.paying_online import start


def knock(provider: str) -> int:
    form = "application/x-www-form-urlencoded"
    return Client().post(f"/factures/notifications/{provider}/", "idop=ABCDEFGH00000", form).status_code


@pytest.mark.parametrize("chosen", ["", "stripe", "demo"])
def test_only_the_towns_provider_has_a_door(settings, db, chosen):
    settings.PAYMENT_PROVIDER = chosen
    doors = {name: knock(name) for name in ("payfip", "stripe", "demo", "autre") if name != chosen}
    assert set(doors.values()) == {404}
    assert PaymentEvent.objects.count() == 0
    assert knock(chosen or "autre") == (400 if chosen else 404)


def test_a_provider_the_town_has_left_is_heard_while_money_may_move(settings, owes):
    settings.PAYMENT_PROVIDER = "demo"
    payment = start(owes)
    settings.PAYMENT_PROVIDER = "payfip"
    assert asking.expects("demo", at=AT), "it is open"
    rows = OnlinePayment.objects.filter(pk=payment.pk)
    rows.update(state=OnlineState.CANCELLED, settled_at=AT)
    assert asking.expects("demo", at=AT + timedelta(days=500))
    assert not asking.expects("demo", at=AT + timedelta(days=600))
    settings.DEMO = False
    assert not asking.expects("demo", at=AT), "outside the demonstration it has no door at all"
