"""The two audiences of every town come with the upgrade; what a town calls them already stays."""

from tests.upgrade.conftest import migrate_to

BEFORE, AFTER = "0011_enrolment_campaigns", "0012_usual_audiences"


def test_every_town_has_those_of_the_town_and_those_from_elsewhere(last_release):
    before = migrate_to("reservations", BEFORE).get_model("reservations", "Audience")
    before.objects.create(code="hors-commune", label="Extérieurs", belonging="non_resident", order=7)
    after = migrate_to("reservations", AFTER).get_model("reservations", "Audience")
    assert list(after.objects.order_by("order").values_list("code", "label", "belonging")) == [
        ("commune", "Commune", "resident"),
        ("hors-commune", "Extérieurs", "non_resident"),
    ]
