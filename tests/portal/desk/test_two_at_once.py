"""Two people on one page: what one of them changed is kept, what both changed is shown side by side."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from families.models import Guardian
from tests.conftest import Family
from tests.factories import GuardianFactory, HealthFactory

# What a browser posts of a page that was shown: every box with its value, ticked ones only.
FIELD = re.compile(r"<(?:input\b([^>]*)|(textarea|select)\b([^>]*)>(.*?)</(?:textarea|select))>", re.S)
ATTRIBUTE = re.compile(r'([\w-]+)(?:="([^"]*)")?')
PICKED = re.compile(r'<option value="([^"]*)"[^>]*\bselected')


def posted(page: str) -> dict[str, str]:
    found = {}
    form = page.partition('id="content"')[2].partition("</form>")[0]
    for box, tag, attributes, inside in FIELD.findall(form):
        said = dict(ATTRIBUTE.findall(box or attributes))
        name, kind = said.get("name"), said.get("type")
        if not name or kind in ("submit", "button") or "__prefix__" in name:
            continue
        if kind in ("checkbox", "radio") and "checked" not in said:
            continue
        value = {"textarea": inside.lstrip("\r\n"), "select": "".join(PICKED.findall(inside))}.get(tag)
        empty = "on" if kind == "checkbox" else ""
        found[name] = unescape(said.get("value", empty) if value is None else value)
    return found


@pytest.fixture
def page(books: Family) -> str:
    return reverse("admin:families_household_change", args=[books.household.pk])


def opened(client: Client, address: str, part: str = "tout") -> dict[str, str]:
    return posted(client.get(address, {"modifier": part}).text)


def save(client: Client, address: str, said: dict[str, str], part: str = "tout"):
    return client.post(f"{address}?modifier={part}", said)


def test_what_two_people_change_of_one_page_is_merged(agent_client, page, books: Family):
    first, second = opened(agent_client, page), opened(agent_client, page)
    save(agent_client, page, first | {"guardians-0-phone": "06 39 98 00 11"})
    answer = save(agent_client, page, second | {"street": "14 rue du Lavoir"})
    assert answer.status_code == 302
    books.guardian.refresh_from_db()
    books.household.refresh_from_db()
    assert (books.guardian.phone, books.household.street) == ("06 39 98 00 11", "14 rue du Lavoir")


def test_the_same_field_changed_by_both_is_shown_side_by_side(agent_client, page, books: Family):
    first, second = opened(agent_client, page), opened(agent_client, page)
    save(agent_client, page, first | {"street": "1 rue du Moulin", "notes": "Rappeler le soir."})
    refused = save(agent_client, page, second | {"street": "14 rue du Lavoir"})
    assert refused.status_code == 200
    said = unescape(refused.text)
    assert "par Dominique Agent" in said
    assert "«\xa01 rue du Moulin\xa0»" in said and "«\xa014 rue du Lavoir\xa0»" in said
    books.household.refresh_from_db()
    assert books.household.street == "1 rue du Moulin"
    # Seen now, it is saved as it was typed; the note of the other stays.
    again = posted(refused.text)
    assert again["street"] == "14 rue du Lavoir"
    assert save(agent_client, page, again).status_code == 302
    books.household.refresh_from_db()
    assert (books.household.street, books.household.notes) == ("14 rue du Lavoir", "Rappeler le soir.")


def test_what_is_stored_can_be_kept_instead(agent_client, page, books: Family):
    first, second = opened(agent_client, page), opened(agent_client, page)
    save(agent_client, page, first | {"street": "1 rue du Moulin"})
    refused = save(agent_client, page, second | {"street": "14 rue du Lavoir", "city": "Ailleurs"})
    assert save(agent_client, page, posted(refused.text) | {"_theirs": "street"}).status_code == 302
    books.household.refresh_from_db()
    assert (books.household.street, books.household.city) == ("1 rue du Moulin", "Ailleurs")


def test_a_change_of_the_familys_own_is_not_lost_either(agent_client, page, books: Family):
    shown = opened(agent_client, page, "responsables")
    books.guardian.phone = "06 39 98 00 22"
    books.guardian.save()
    save(agent_client, page, shown | {"guardians-0-last_name": "Roux-Petit"}, "responsables")
    books.guardian.refresh_from_db()
    assert (books.guardian.phone, books.guardian.last_name) == ("06 39 98 00 22", "Roux-Petit")


def test_of_a_health_file_too(agent, agent_client, books: Family, settings):
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    settings.ASK_AGAIN = False
    HealthFactory(child=books.child, doctor="Dr Blanc", treatment="")
    where = reverse("admin:families_child_change", args=[books.child.pk])
    first, second = (posted(agent_client.get(where).text) for _ in range(2))
    agent_client.post(where, first | {"health-0-treatment": "Un comprimé le midi"})
    refused = agent_client.post(
        where, second | {"health-0-treatment": "Deux comprimés", "leaves_alone": "on"}
    )
    assert "«\xa0Un comprimé le midi\xa0»" in unescape(refused.text)
    books.child.refresh_from_db()
    assert books.child.health.treatment == "Un comprimé le midi" and not books.child.leaves_alone


def test_a_page_that_does_not_say_what_it_showed_is_read_again_before_it_is_saved(
    agent_client, page, books: Family
):
    shown = opened(agent_client, page)
    save(agent_client, page, shown | {"notes": "Rappeler le soir."})
    mine = shown | {"street": "14 rue du Lavoir"}
    for nonsense in ("", "[1]", "{", '{"families.household:1": 3}', "x" * 600_000, "[" * 15_000):
        refused = save(agent_client, page, mine | {"_version": nonsense})
        assert refused.status_code == 200 and "Rechargez la page" in refused.text
    books.household.refresh_from_db()
    assert books.household.street != "14 rue du Lavoir" and books.household.notes == "Rappeler le soir."
    # What was typed stands there, beside what is stored.
    again = posted(refused.text)
    assert again["street"] == "14 rue du Lavoir"
    assert "«\xa0Rappeler le soir.\xa0»" in unescape(refused.text)
    assert save(agent_client, page, again | {"_theirs": "notes"}).status_code == 302
    books.household.refresh_from_db()
    assert (books.household.street, books.household.notes) == ("14 rue du Lavoir", "Rappeler le soir.")


def test_what_a_long_household_showed_is_compared_too(agent_client, page, books: Family):
    first, second = opened(agent_client, page), opened(agent_client, page)
    save(agent_client, page, first | {"notes": "Rappeler le soir."})
    second["_version"] += " " * 100_000  # as long as of a hundred adults and more
    assert save(agent_client, page, second | {"street": "14 rue du Lavoir"}).status_code == 302
    books.household.refresh_from_db()
    assert (books.household.street, books.household.notes) == ("14 rue du Lavoir", "Rappeler le soir.")


@pytest.fixture
def second_adult(books: Family) -> Guardian:
    return GuardianFactory(household=books.household, user=None, phone="")


def test_a_row_that_somebody_changed_is_not_deleted_without_a_word(agent_client, page, second_adult):
    first, second = opened(agent_client, page), opened(agent_client, page)
    save(agent_client, page, first | {"guardians-1-phone": "06 39 98 00 11"})
    answer = save(agent_client, page, second | {"guardians-1-DELETE": "on"})
    assert "a changé pendant que vous vouliez le supprimer" in unescape(answer.text)
    second_adult.refresh_from_db()
    assert second_adult.phone == "06 39 98 00 11"
    # Read, it is deleted all the same.
    again = posted(answer.text)
    assert save(agent_client, page, again).status_code == 302
    assert not Guardian.objects.filter(pk=second_adult.pk).exists()


def test_a_row_that_somebody_deleted_is_said_and_what_was_typed_stays(agent_client, page, second_adult):
    first, second = opened(agent_client, page), opened(agent_client, page)
    save(agent_client, page, first | {"guardians-1-DELETE": "on"})
    answer = save(agent_client, page, second | {"guardians-1-phone": "06 39 98 00 11"})
    assert "Une ligne a été supprimée pendant que vous écriviez" in unescape(answer.text)
    assert "« 06 39 98 00 11 »" in answer.text
    assert not Guardian.objects.filter(pk=second_adult.pk).exists()
