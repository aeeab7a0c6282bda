"""Who belongs to two households: which one a page shows, and for which one a form acts."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from families import emails, which_home
from families.models import Child, Guardian, Household, Letter, User
from families.privacy import erasing
from portal.letters import mailing
from tests.conftest import NOW, Family, family, logged_in
from tests.factories import ChildFactory, GuardianFactory
from tests.families.conftest import text_of

CHOOSE = reverse("families:choose_household")
PHONES = reverse("families:phones")


@pytest.fixture
def morel(roux: Family) -> Family:
    """The Morels, and Noé: the other household of Camille Roux."""
    home = family("morel", "Morel", "Noé")
    GuardianFactory(household=home.household, user=roux.user, first_name="Camille", last_name="Roux")
    return home


@pytest.fixture
def camille(roux: Family, morel: Family) -> Client:
    return logged_in(roux.user)


def choose(client: Client, home: Household, shown: Household) -> Any:
    return client.post(CHOOSE, {"vers": home.pk, "foyer": shown.pk})


def test_the_page_shows_one_household_and_the_way_to_the_other(camille: Client, roux, morel):
    first = text_of(camille.get("/"))
    assert f"Passer au foyer n° {morel.household.number}" in first
    assert "Lina" in first and "Noé" not in first

    choose(camille, morel.household, roux.household)
    second = text_of(camille.get("/"))
    assert f"Passer au foyer n° {roux.household.number}" in second
    assert "Noé" in second and "Lina" not in second


def test_who_belongs_to_one_household_sees_nothing_of_it(roux: Family, django_assert_num_queries: Any):
    client = roux.client()
    page = client.get(PHONES)
    assert "home-switch" not in text_of(page) and 'name="foyer"' not in text_of(page)
    with django_assert_num_queries(3):  # session, login, guardian
        client.get(PHONES)


def test_a_form_of_one_household_acts_on_it_after_the_other_was_chosen(camille: Client, roux, morel):
    shown = text_of(camille.get(PHONES))
    assert f'<input type="hidden" name="foyer" value="{roux.household.pk}">' in shown
    choose(camille, morel.household, roux.household)

    done = camille.post(PHONES, {"phone": "06 12 34 56 78", "foyer": roux.household.pk}, follow=True)

    assert Guardian.objects.get(pk=roux.guardian.pk).phone == "06 12 34 56 78"
    assert not Guardian.objects.filter(household=morel.household, phone="06 12 34 56 78").exists()
    assert f"Cette page était celle du foyer n° {roux.household.number}" in text_of(done)


def test_a_form_without_a_household_is_refused_with_a_sentence(camille: Client, roux: Family):
    answer = camille.post(PHONES, {"phone": "06 12 34 56 78"})
    assert answer.status_code == 409 and "Pour quel foyer ?" in text_of(answer)
    assert Guardian.objects.get(pk=roux.guardian.pk).phone == roux.guardian.phone


def test_somebody_elses_household_does_not_exist(camille: Client, roux: Family):
    other = family("petit", "Petit", "Ana")
    assert choose(camille, other.household, roux.household).status_code == 404
    assert camille.post(PHONES, {"phone": "0612345678", "foyer": other.household.pk}).status_code == 404
    assert camille.post(PHONES, {"phone": "0612345678", "foyer": "beaucoup"}).status_code == 404
    assert "Ana" not in text_of(camille.get(f"/?foyer={other.household.pk}", follow=True))
    assert choose(other.client(), roux.household, other.household).status_code == 404


def test_what_is_opened_shows_its_household(camille: Client, roux: Family, morel: Family):
    page = text_of(camille.get(reverse("families:child", args=[morel.child.pk])))
    assert f"Passer au foyer n° {roux.household.number}" in page
    assert "Noé" in text_of(camille.get("/"))


def test_a_child_of_both_stays_in_the_household_shown(camille: Client, roux: Family, morel: Family):
    both = ChildFactory(first_name="Sacha", households=[roux.household, morel.household])
    choose(camille, morel.household, roux.household)
    page = text_of(camille.get(reverse("families:child", args=[both.pk])))
    assert f"Passer au foyer n° {roux.household.number}" in page


def test_the_union_stays_visible(roux: Family, morel: Family):
    assert set(Child.objects.visible_to(roux.user)) == {roux.child, morel.child}
    assert set(Child.objects.visible_to(morel.user)) == {morel.child}
    assert Household.objects.visible_to(roux.user).count() == 2


def test_a_link_of_a_mail_leads_to_its_household(
    roux: Family, morel: Family, camille: Client, letters: list, commit: Callable[..., Any]
):
    with commit():
        emails.household_accepted(morel.household)
    mine = next(one for one in letters if one.to == [roux.user.email])
    others = next(one for one in letters if one.to == [morel.user.email])
    assert f"?foyer={morel.household.pk}" in mine.body and "foyer=" not in others.body

    answer = camille.get(f"/foyer/?foyer={morel.household.pk}&suite=1")
    assert answer["Location"] == "/foyer/?suite=1"
    assert f"Foyer n° {morel.household.number}" in text_of(camille.get("/foyer/"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Voir : https://p.fr/foyer/.", "Voir : https://p.fr/foyer/?foyer=7."),
        ("https://p.fr", "https://p.fr/?foyer=7"),
        ("https://p.fr/a/?b=1\nfin", "https://p.fr/a/?b=1&foyer=7\nfin"),
        ("https://p.fr/a/#b", "https://p.fr/a/?foyer=7#b"),
        ("https://p.fr.example.org/a", "https://p.fr.example.org/a"),
        ("https://ailleurs.fr/", "https://ailleurs.fr/"),
    ],
)
def test_only_links_to_the_portal_name_a_household(settings: Any, written: str, read: str):
    settings.PORTAL_URL = "https://p.fr"
    letter = mailing.Posted("reminders", "a@b.fr", "", written, f'<a href="{written}">')
    assert mailing.with_query(letter, which_home.mark(7)).text == read


def test_each_letter_is_of_the_household_that_it_is_written_to(
    roux: Family, morel: Family, camille: Client, letters: list, commit: Callable[..., Any]
):
    with commit():
        emails.household_accepted(roux.household)
        emails.household_refused(morel.household)
    mine = Letter.objects.filter(guardian__user=roux.user)
    assert dict(mine.values_list("kind", "household")) == {
        "families/household_accepted": roux.household.pk,
        "families/household_refused": morel.household.pk,
    }
    of_roux = text_of(camille.get(reverse("families:letters")))
    choose(camille, morel.household, roux.household)
    of_morel = text_of(camille.get(reverse("families:letters")))
    assert of_roux.count("/mes-messages/") == of_morel.count("/mes-messages/") and of_roux != of_morel


def test_logging_out_forgets_the_choice(roux: Family, morel: Family, camille: Client):
    choose(camille, morel.household, roux.household)
    camille.post(reverse("account_logout"), {"foyer": morel.household.pk})
    camille.force_login(roux.user)
    assert "Lina" in text_of(camille.get("/"))


def test_leaving_the_household_shown_leads_back_to_the_other(roux: Family, morel: Family, camille: Client):
    choose(camille, morel.household, roux.household)
    Guardian.objects.filter(household=morel.household, user=roux.user).delete()
    page = text_of(camille.get("/"))
    assert "Lina" in page and "Noé" not in page and "home-switch" not in page


def test_a_form_kept_while_the_session_was_over_comes_back_for_its_household(roux: Family, morel: Family):
    client = Client()
    client.post(PHONES, {"phone": "06 12 34 56 78", "foyer": morel.household.pk})
    with time_machine.travel(NOW, tick=False):
        session = client.session
        session["interrupted_form"] = session["interrupted_form"] | {"of": str(roux.user.pk)}
        session.save()
        kept = dict(client.session.items())
        client.force_login(roux.user)
        session = client.session
        session.update({"interrupted_form": kept["interrupted_form"]})
        session.save()
        page = text_of(client.get(PHONES))
    assert f'name="foyer" value="{morel.household.pk}"' in page and "06 12 34 56 78" in page


def test_erasing_a_household_leaves_the_login_of_the_other(roux: Family, morel: Family):
    leaving = erasing.household_leaving(morel.household)
    erasing.erase(leaving, why="desk", by=None, at=NOW)
    assert Guardian.objects.get(user=roux.user).household == roux.household
    assert not User.objects.filter(pk=morel.user.pk).exists()
