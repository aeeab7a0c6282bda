"""Families without e-mail: their letters wait at the desk, are printed, and a code opens their account."""

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client

from families import emails
from families.custody import codes, openings
from families.models import AccessOpening, GuardianCode, Letter, LoginCounter, User
from portal.reservations.staff import giving
from tests.conftest import Family, logged_in
from tests.factories import (
    ChildFactory,
    EstablishmentFactory,
    GuardianFactory,
    PaperFactory,
    SchoolClassFactory,
    SchoolingFactory,
    UserFactory,
)

LIST = "/mairie/families/paperletter/"
CODE = "/jai-recu-un-code/"


@pytest.fixture
def silent(roux: Family) -> Family:
    """The same family, whose only adult has no login."""
    roux.guardian.user = None
    roux.guardian.save()
    roux.user.delete()
    return roux


def told(family: Family) -> Letter:
    emails.household_accepted(family.household)
    return Letter.objects.get(household=family.household)


def test_what_would_be_mailed_waits_to_be_printed(silent, commit):
    with commit():
        letter = told(silent)
    assert (letter.state, letter.to, letter.guardian) == ("paper", "", None)
    assert "Bonjour" in letter.text
    assert not mail.outbox


def test_one_adult_with_an_address_is_enough_for_mail(silent, commit):
    with commit():
        GuardianFactory(household=silent.household, user=UserFactory(email="alix@example.org"))
        letter = told(silent)
    assert letter.to == "alix@example.org"


def test_a_household_that_is_gone_or_not_accepted_has_no_paper(silent, now):
    for state, erased in (("requested", None), ("accepted", now)):
        silent.household.state, silent.household.erased_at = state, erased
        silent.household.save()
        emails.household_accepted(silent.household)
    assert not Letter.objects.exists()


def test_news_of_a_child_that_lives_elsewhere_make_no_paper(silent, now):
    silent.child.custodies.update(until=now.date())
    paper = PaperFactory(household=silent.household, child=silent.child)
    emails.paper_accepted(paper)
    assert not Letter.objects.exists()


def test_the_desk_prints_what_it_ticks_and_may_take_that_back(silent, agent_client):
    letter = told(silent)
    assert "Lettres à imprimer" in agent_client.get("/mairie/").content.decode()
    ticked = {"action": "print_selected", "_selected_action": [letter.pk]}
    answer = agent_client.post(LIST, ticked)
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    letter.refresh_from_db()
    assert letter.state == "printed"
    agent_client.post(LIST, {"action": "unmark_selected", "_selected_action": [letter.pk]})
    letter.refresh_from_db()
    assert (letter.state, letter.sent_at) == ("paper", None)
    agent_client.get(f"{LIST}{letter.pk}/pdf/")
    letter.refresh_from_db()
    assert letter.state == "paper", "who looks has printed nothing"


def test_a_letter_shows_on_the_household_and_not_to_who_may_not_print(silent, agent_client, regie):
    letter = told(silent)
    page = f"/mairie/families/household/{silent.household.pk}/change/"
    assert f"{LIST}{letter.pk}/change/" in agent_client.get(page).content.decode()
    reader = UserFactory(is_staff=True)
    assert logged_in(reader).get(f"{LIST}{letter.pk}/pdf/").status_code == 403


def test_money_is_read_by_who_reads_invoices(silent, agent_client, regie):
    letter = told(silent)
    Letter.objects.filter(pk=letter.pk).update(kind="billing/reminder", subject="Relance")
    page = f"/mairie/families/household/{silent.household.pk}/change/"
    for client, reads in ((agent_client, False), (logged_in(regie), True)):
        assert ("Relance" in client.get(LIST).content.decode()) is reads
        assert (client.get(f"{LIST}{letter.pk}/pdf/").status_code == 200) is reads
        assert (f"{LIST}{letter.pk}/change/" in client.get(page).content.decode()) is reads
    agent_client.post(LIST, {"action": "print_selected", "_selected_action": [letter.pk]})
    letter.refresh_from_db()
    assert letter.state == "paper", "who may not read it cannot print it"


def test_a_brother_elsewhere_is_not_told_to_who_has_one_school(silent, school, school_class, year):
    letter = told(silent)
    SchoolingFactory(child=silent.child, school_class=school_class)
    user = UserFactory(is_staff=True)
    giving.give(user, Group.objects.get(name="Agent"), places=[school], by=None)
    client = logged_in(user)
    assert client.get(f"{LIST}{letter.pk}/pdf/").status_code == 200
    brother = ChildFactory(households=[silent.household])
    assert client.get(f"{LIST}{letter.pk}/pdf/").status_code == 200, "a baby goes nowhere yet"
    elsewhere = SchoolClassFactory(school=EstablishmentFactory(), school_year=year)
    SchoolingFactory(child=brother, school_class=elsewhere)
    assert client.get(f"{LIST}{letter.pk}/pdf/").status_code == 404


# A code ------------------------------------------------------------------------------------------------


def typed(household, code, email="camille@example.org"):
    return Client().post(CODE, {"number": household.number, "code": code, "email": email})


def test_a_code_asks_for_the_access_that_an_agent_would_ask_for(silent, agent, now, commit):
    code = codes.make(silent.guardian, by=agent, at=now)
    assert code not in str(GuardianCode.objects.values().get()), "the paper alone knows it"
    with commit():
        answer = typed(silent.household, code.lower().replace("-", " "))
    assert answer.status_code == 302
    opening = AccessOpening.objects.get()
    assert (opening.state, opening.guardian, opening.asked_by) == ("waiting", silent.guardian, agent)
    assert "code remis sur papier" in opening.asked_by_name
    silent.guardian.refresh_from_db()
    assert silent.guardian.user is None, "nothing is open before it is confirmed"
    with pytest.raises(openings.OpeningRefused):
        openings.confirm(opening, by=agent, at=now)
    second = UserFactory(is_staff=True)
    second.groups.add(Group.objects.get(name="Agent"))
    openings.confirm(opening, by=second, at=now)
    silent.guardian.refresh_from_db()
    assert silent.guardian.user.email == "camille@example.org"
    assert typed(silent.household, code).status_code == 200, "once"


def test_an_address_with_an_account_is_invited_and_the_page_says_the_same(silent, agent, now, commit):
    there = UserFactory(email="there@example.org")
    code = codes.make(silent.guardian, by=agent, at=now)
    with commit():
        answer = typed(silent.household, code, there.email)
    assert answer.status_code == 302
    assert User.objects.filter(email=there.email).count() == 1
    assert AccessOpening.objects.get().is_invitation


def test_a_wrong_an_old_and_a_replaced_code_do_nothing(silent, agent, now, time_machine):
    old = codes.make(silent.guardian, by=agent, at=now)
    code = codes.make(silent.guardian, by=agent, at=now)
    for wrong in (old, "", "AAAA-AAAA-AAAA", "é" * 40):
        assert typed(silent.household, wrong).status_code == 200
    time_machine.move_to(now + codes.LASTS)
    assert typed(silent.household, code).status_code == 200
    assert not AccessOpening.objects.exists()
    assert codes.forget(now + codes.LASTS) == 1


def test_tries_are_counted_as_those_of_passwords(silent, agent, now):
    code = codes.make(silent.guardian, by=agent, at=now)
    for _ in range(6):
        typed(silent.household, "AAAA-AAAA-AAAA")
    answer = typed(silent.household, code)
    assert "Trop d&#x27;essais" in answer.content.decode()
    assert not AccessOpening.objects.exists()


def test_other_digits_are_the_same_household(silent, agent, now):
    code = codes.make(silent.guardian, by=agent, at=now)
    number = silent.household.number
    arabic = number.translate({ord("0") + digit: chr(0x0660 + digit) for digit in range(10)})
    for shown in (number, arabic, number.lstrip("0")) * 2:
        Client().post(CODE, {"number": shown, "code": "AAAA-AAAA-AAAA", "email": "camille@example.org"})
    assert "Trop d&#x27;essais" in typed(silent.household, code).content.decode()
    assert len(set(LoginCounter.objects.exclude(who="").values_list("who", flat=True))) == 1


def test_a_code_goes_with_the_role_of_who_printed_it(silent, agent, now):
    code = codes.make(silent.guardian, by=agent, at=now)
    agent.groups.clear()
    assert typed(silent.household, code).status_code == 200
    agent.groups.add(Group.objects.get(name="Agent"))
    agent.is_active = False
    agent.save()
    assert typed(silent.household, code).status_code == 200
    assert not AccessOpening.objects.exists()


def test_a_code_is_of_its_household_alone(silent, waits, agent, now):
    code = codes.make(silent.guardian, by=agent, at=now)
    waits.guardian.user = None
    waits.guardian.save()
    codes.make(waits.guardian, by=agent, at=now)
    assert typed(waits.household, code).status_code == 200
    assert not AccessOpening.objects.exists()


def test_whoever_gets_a_login_meanwhile_needs_no_code(silent, agent, now):
    code = codes.make(silent.guardian, by=agent, at=now)
    silent.guardian.user = UserFactory()
    silent.guardian.save()
    assert typed(silent.household, code).status_code == 200
    with pytest.raises(codes.CodeRefused):
        codes.make(silent.guardian, by=agent, at=now)


def test_the_letter_is_for_who_has_no_login_and_for_who_may(silent, agent_client, roux):
    page = f"/mairie/families/household/{silent.household.pk}/code/"
    assert "Imprimer la lettre" in agent_client.get(page).content.decode()
    answer = agent_client.post(page, {"responsable": silent.guardian.pk})
    assert answer.content.startswith(b"%PDF")
    for tampered in ("abc", "4711", ""):
        assert agent_client.post(page, {"responsable": tampered}).status_code == 200
    nobody = logged_in(UserFactory(is_staff=True))
    assert nobody.get(page).status_code == 403
