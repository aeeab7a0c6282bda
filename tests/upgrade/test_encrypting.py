"""The key under which each release's secrets lie can be replaced."""

from django.core.management import call_command

from billing.models import Mandate
from portal.database import rotating
from portal.database.encrypted import keys
from tests.upgrade.conftest import undone


def test_its_key_can_be_replaced(upgraded, settings):
    ibans = list(Mandate.objects.order_by("pk").values_list("iban", flat=True))
    with undone():
        settings.FIELD_KEYS = ["another key of forty characters, or more", *settings.FIELD_KEYS]
        call_command("rotate_keys", verbosity=0)
        settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
        assert ibans and list(Mandate.objects.order_by("pk").values_list("iban", flat=True)) == ibans
        for table in map(rotating.count, rotating.tables()):
            assert set(table) <= {keys().newest.name}
