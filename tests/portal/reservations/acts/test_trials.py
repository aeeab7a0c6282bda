"""« Essayer comme une famille »: a household that enrols, books, cancels and sees its bill, and that no
count, no list and no place knows of; gone with one button."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from difflib import unified_diff
from io import BytesIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse
from pypdf import PdfReader

from billing.models import FormulaTariff, Invoice, Tariff, TariffBand
from catering import kitchen
from families.models import Child, FormerAddress, Guardian, Household, Letter, Residence, TrialHousehold, User
from portal import nightly
from portal.database.trials import TrialsApart, Tried, trying
from portal.reservations.acts import booking, trials
from portal.reservations.acts.trials import TrialChild, TrialRefused, Wanted
from portal.reservations.models import Activity, AudienceMember, Booking, Enrolment, Place, Reservation, Slot
from portal.reservations.pages import trying as session
from portal.reservations.states import BookingState
from tests.conftest import logged_in
from tests.factories import DietFactory, UserFactory
from tests.portal.reservations.audit import FRIDAY, THURSDAY, reserve

PAGE = "/mairie/families/trialhousehold/"


@dataclass
class Tries:
    """Who tries, in a browser, and what they do there as a family would."""

    user: User
    home: TrialHousehold
    client: Client
    canteen: Any
    school_class: Any

    @property
    def child(self) -> Child:
        return Child._base_manager.get(custodies__household=self.home.pk)

    @property
    def enrolment(self) -> Enrolment:
        return Enrolment._base_manager.get(household=self.home.pk)

    def enter(self) -> Any:
        return self.client.post(PAGE, {"entrer": "oui"}, follow=True)

    def enrol(self) -> None:
        given = {
            "school": self.school_class.school_id,
            "school_class": self.school_class.pk,
            "restaurant": self.canteen.restaurant.pk,
            "diet": DietFactory().pk,
            "weekdays": ["0", "1", "3", "4"],
            "starts_on": "2026-11-09",
        }
        answer = self.client.post(reverse("catering:enrol", args=[self.child.pk]), given)
        assert answer.status_code == 302, answer.text

    def book(self, *days: date, waits: bool = False) -> Any:
        keys = [self.enrolment.pk, self.canteen.restaurant.pk, self.canteen.period.pk]
        ticked = [f"{self.canteen.formula.pk}:{day.isoformat()}" for day in days]
        page = self.client.post(
            reverse("catering:planning", args=keys),
            {"wait" if waits else "book": ticked, "version": "", "do": "next"},
            follow=True,
        )
        for _ in ("validation", "recording"):
            page = self.client.post(page.redirect_chain[-1][0], follow=True)
        return page


def tries_as(user: User, canteen: Any, school_class: Any, now: Any) -> Tries:
    made = trials.make(Wanted([TrialChild(date(2019, 1, 1), school_class)]), by=user, at=now)
    return Tries(user, made, logged_in(user), canteen, school_class)


@pytest.fixture
def manager(db: None) -> User:
    user = UserFactory(username="nadia", first_name="Nadia", email="nadia@example.org", is_staff=True)
    user.groups.add(Group.objects.get(name="Responsable"))
    return user


@pytest.fixture
def tries(canteen, school_class, manager, now) -> Tries:
    Activity.objects.update(enrolment_processing="automatic", processing="automatic")
    return tries_as(manager, canteen, school_class, now)


@pytest.fixture
def lives(tries: Tries, django_capture_on_commit_callbacks) -> Tries:
    """A trial household with a little of everything: an enrolment, days booked, one given back, a draft."""
    with django_capture_on_commit_callbacks(execute=True):
        tries.enter()
        tries.enrol()
        tries.book(THURSDAY, FRIDAY)
        with trying(Tried(tries.home.pk, tries.user.email)):
            friday = Booking.objects.filter(household=tries.home.pk, day=FRIDAY)
            booking.cancel(friday, reason="Pour voir.", by=tries.user, at=friday.get().changed_at)
    return tries


# It lives as a family does ------------------------------------------------------------------------------


def test_a_trial_enrols_books_and_is_on_the_familys_own_pages(tries: Tries, canteen):
    home = tries.enter()
    assert home.request["PATH_INFO"] == "/"
    assert "Foyer d&#x27;essai : rien ne compte." in home.text and "Premier" in home.text
    tries.enrol()
    page = tries.book(THURSDAY)
    assert "C&#x27;est enregistré : Premier, 1 jour." in page.text
    booked = Booking._base_manager.get()
    assert (booked.state, booked.household_id, booked.day) == ("accepted", tries.home.pk, THURSDAY)
    assert "Foyer d&#x27;essai" in page.text
    planning = reverse(
        "catering:planning", args=[tries.enrolment.pk, canteen.restaurant.pk, canteen.period.pk]
    )
    assert "réservation acceptée" in tries.client.get(planning).text


def test_who_goes_back_to_the_desk_is_oneself_again(tries: Tries):
    tries.enter()
    page = tries.client.get(PAGE)
    assert "Foyer d&#x27;essai de" in page.text and "Supprimer l'essai" in page.text
    assert "rien ne compte" not in tries.client.get("/").text


def test_the_desk_stays_the_desk_while_somebody_tries(lives: Tries, books):
    """In another tab: nothing of the trial is there, whose session goes on."""
    chief = User.objects.get(pk=lives.user.pk)
    chief.is_superuser = True
    chief.save()
    lives.enter()
    listed = lives.client.get(reverse("admin:families_household_changelist")).text
    assert books.household.number in listed and lives.home.number not in listed
    assert lives.client.get(reverse("admin:families_child_change", args=[lives.child.pk])).status_code == 404
    assert "rien ne compte" in lives.client.get("/").text


def test_its_days_take_no_place_and_a_full_day_is_full_for_it(tries: Tries, books, canteen, now):
    reserve(books, canteen, FRIDAY, at=now)
    Slot.objects.filter(day=FRIDAY).update(capacity=1)
    Slot.objects.filter(day=THURSDAY).update(capacity=1)
    tries.enter()
    tries.enrol()
    tries.book(THURSDAY)
    assert Slot.objects.get(day=THURSDAY).taken == 0
    tries.book(FRIDAY, waits=True)
    waits = Booking._base_manager.filter(household=tries.home.pk, day=FRIDAY).get()
    assert waits.state == BookingState.WAITLISTED
    # The family's place is free for the next family; the trial that waits is passed over.
    booking.cancel(Booking.objects.filter(child=books.child), reason="Malade.", by=tries.user, at=now)
    waits.refresh_from_db()
    assert (waits.state, Slot.objects.get(day=FRIDAY).taken) == (BookingState.WAITLISTED, 0)
    reserve(books, canteen, THURSDAY, at=now)
    assert Slot.objects.get(day=THURSDAY).taken == 1


def test_what_it_gives_back_frees_nothing(lives: Tries, books, canteen, now):
    reserve(books, canteen, FRIDAY, THURSDAY, at=now)
    with trying(Tried(lives.home.pk, "")):
        booking.cancel(Booking.objects.filter(household=lives.home.pk), reason="Fini.", by=lives.user, at=now)
    assert [Slot.objects.get(day=day).taken for day in (THURSDAY, FRIDAY)] == [1, 1]
    assert not Place._base_manager.filter(booking__household=lives.home.pk).exists()


def test_its_mails_go_to_who_tries_alone_and_are_kept_nowhere(lives: Tries, mailoutbox):
    assert mailoutbox and {one for mail in mailoutbox for one in mail.to} == {"nadia@example.org"}
    assert all(mail.subject.startswith("[Essai] ") for mail in mailoutbox)
    assert not Letter.objects.exists()


def test_without_an_address_no_mail_leaves(tries: Tries, mailoutbox, django_capture_on_commit_callbacks):
    tries.user.email = ""
    tries.user.save()
    with django_capture_on_commit_callbacks(execute=True):
        tries.enter()
        tries.enrol()
    assert tries.enrolment and not mailoutbox and not Letter.objects.exists()


def test_only_what_a_family_does_every_day_is_tried(tries: Tries):
    tries.enter()
    for address in (
        "/foyer/adresse/",
        "/foyer/inviter/",
        "/enfants/ajouter/",
        "/foyer/mes-donnees/",
        "/mon-agenda/",
    ):
        answer = tries.client.post(address, {"street": "1 rue du Lac", "nom": "x"})
        assert answer.status_code == 403 and "ne s'essaie pas" in answer.text.replace("&#x27;", "'"), address


def test_another_agent_never_enters_it(tries: Tries, canteen, now):
    other = UserFactory(username="autre", is_staff=True)
    other.groups.add(Group.objects.get(name="Responsable"))
    client = logged_in(other)
    kept = client.session
    kept[session.SESSION_KEY] = tries.home.pk
    kept.save()
    assert "rien ne compte" not in client.get("/").text
    assert client.get(reverse("families:child", args=[tries.child.pk])).status_code == 404
    assert session.SESSION_KEY not in client.session


def test_a_family_cannot_reach_it(lives: Tries, books):
    client = books.client()
    assert client.post(PAGE, {"entrer": "oui"}).status_code in (302, 403, 404)
    assert client.get(reverse("families:child", args=[lives.child.pk])).status_code == 404
    one = Reservation._base_manager.filter(household=lives.home.pk).first()
    assert client.get(reverse("reservations:detail", args=[one.pk])).status_code == 404


def test_who_is_a_parent_too_never_mixes_both(books, canteen, school_class, now, manager):
    Guardian.objects.filter(pk=books.guardian.pk).update(user=manager)
    own = tries_as(manager, canteen, school_class, now)
    assert "Lina" in own.client.get("/").text
    page = own.enter().text
    assert "Premier" in page and "Lina" not in page
    assert own.client.get(reverse("families:child", args=[books.child.pk])).status_code == 404
    own.client.get(PAGE)
    page = own.client.get("/").text
    assert "Lina" in page and "Premier" not in page


def test_several_agents_try_beside_each_other(lives: Tries, canteen, school_class, now):
    other = UserFactory(username="autre", email="autre@example.org", is_staff=True)
    other.groups.add(Group.objects.get(name="Responsable"))
    second = tries_as(other, canteen, school_class, now)
    second.enter()
    second.enrol()
    second.book(THURSDAY)
    assert str(lives.home) not in second.client.get("/").text
    assert Booking._base_manager.filter(day=THURSDAY, state="accepted").count() == 2
    assert second.client.get(reverse("families:child", args=[lives.child.pk])).status_code == 404
    assert "Essais d'autres agents" in second.client.get(PAGE).text


def test_enrolling_again_answers_that_it_is_not_tried(tries: Tries):
    tries.enter()
    answer = tries.client.post(reverse("reservations:renew"), {})
    assert answer.status_code == 403 and "rien n&#x27;a été enregistré" in answer.text.replace("'", "&#x27;")


def test_its_requests_are_answered_by_who_tries_on_that_page(tries: Tries, now):
    Activity.objects.update(enrolment_processing="on_request", processing="on_request")
    tries.enter()
    tries.enrol()
    assert "Inscription : Premier" in tries.client.get(PAGE).text
    tries.client.post(PAGE, {"accepter": "oui"})
    assert tries.enrolment.is_accepted
    tries.enter()
    tries.book(THURSDAY)
    page = tries.client.get(PAGE).text
    assert "Réserver : Premier" in page
    tries.client.post(PAGE, {"refuser": "oui"})
    assert Booking._base_manager.get().state == "requested"
    tries.client.post(PAGE, {"refuser": "oui", "motif": "Pour voir la lettre."})
    assert Booking._base_manager.get().state == "refused"
    assert "Ce qu'il demande" not in tries.client.get(PAGE).text


def test_it_sees_its_bill_as_a_specimen_and_no_invoice_is_made(lives: Tries, canteen):
    tariff = Tariff.objects.create(code="repas", name="Repas", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    lives.enter()
    page = lives.client.get(reverse("billing:invoices")).text
    assert "SPÉCIMEN" in page
    answer = lives.client.get(reverse("billing:specimen"))
    text = " ".join(one.extract_text() for one in PdfReader(BytesIO(answer.content)).pages)
    assert "SPÉCIMEN" in text and "Sans numéro" in text and "3,20" in text
    assert not Invoice.every.exists()


def test_a_real_family_has_no_specimen(books_client):
    assert books_client.get(reverse("billing:specimen")).status_code == 404


# And counts nowhere -------------------------------------------------------------------------------------


def desk_pages() -> Iterator[str]:
    """Every list, and every page of the desk that needs no key."""
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    desk = next(one for one in get_resolver().url_patterns if getattr(one, "app_name", "") == "admin")
    stack, prefix = [(desk, "/mairie/")], ""
    while stack:
        one, prefix = stack.pop()
        for inner in one.url_patterns:
            route = str(inner.pattern)
            if "<" in route or "^" in route or "deconnexion" in route or "logout" in route:
                continue
            if hasattr(inner, "url_patterns"):
                stack.append((inner, prefix + route))
            elif inner.name:
                yield prefix + route


TOKENS = re.compile(
    r'(name="csrfmiddlewaretoken" value|nonce|name="(?:asked|key)" value)="[^"]*"|<!-- .*? -->'
)


def shown(client: Client) -> dict[str, str]:
    found = {}
    # The register of reading says that somebody reads all this.
    for address in sorted(set(desk_pages()) - {PAGE, reverse("admin:families_reading_changelist")}):
        answer = client.get(address)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        found[address] = TOKENS.sub("", content.decode("utf-8", "replace"))
    return found


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in unified_diff(before.split("\n"), after.split("\n"), n=0) if line[:2] != "@@"][
        :20
    ]


def everything() -> dict[str, int]:
    """How many rows each table has, whoever reads it; without what a login and the desk's log leave."""
    apart = {"sessions.Session", "usersessions.UserSession", "admin.LogEntry", "families.Diet"}
    return {
        model._meta.label: model._base_manager.count()
        for model in apps.get_models()
        if model._meta.managed and not model._meta.proxy and model._meta.label not in apart
    }


@pytest.mark.once
def test_every_page_of_the_desk_says_what_it_said_before(lived_in, tries: Tries, chief_client, canteen):
    """All lists, registers, figures, queues and exports that an agent opens without a key."""
    Activity.objects.update(enrolment_processing="on_request", processing="on_request")
    DietFactory()
    before = shown(chief_client)
    assert len(before) > 120
    tries.enter()
    tries.enrol()
    tries.client.post(PAGE, {"accepter": "oui"})
    tries.enter()
    tries.book(THURSDAY)
    assert Booking._base_manager.filter(household=tries.home.pk, state="requested").exists()
    after = shown(chief_client)
    differ = [address for address in before if before[address] != after[address]]
    assert {one: changed_lines(before[one], after[one]) for one in differ} == {}


def test_the_kitchen_cooks_for_families_alone(lives: Tries, books, canteen, now):
    reserve(books, canteen, THURSDAY, at=now)
    assert kitchen.expected(canteen.restaurant, [THURSDAY]).total() == 1


def test_no_manager_finds_a_row_of_it(lives: Tries):
    """Each model whose rows lead to a household, or that a trial may have rows of, is read without them."""
    held = [model for model, _ in trials.OF_THE_HOME]
    held += [*trials.OF_ITS_CHILDREN, *trials.OF_THE_HOUSEHOLD, Child, Household]
    for model in held:
        if model in (Residence, FormerAddress, AudienceMember):
            continue  # of who moved, or was recognised: nobody on trial is
        assert isinstance(model._default_manager, TrialsApart), model
        assert not model._default_manager.exists(), model
    with trying(Tried(lives.home.pk, "")):
        assert Booking.objects.count() == 2 and Child.objects.count() == 1
    with trying(Tried(lives.home.pk + 1, "")):
        assert not Booking.objects.exists()


def test_the_nights_work_passes_it_over(lives: Tries, mailoutbox, now):
    before = everything()
    mailoutbox.clear()
    done = list(nightly.do_all(at=now + timedelta(days=1)))
    assert [one for one in done if one.failed] == []
    after = everything()
    assert {name: after[name] for name in before if "reservations.Booking" in name} == {
        name: before[name] for name in before if "reservations.Booking" in name
    }
    assert not mailoutbox


# Its birth, and its end ---------------------------------------------------------------------------------


def test_a_trial_is_made_on_the_page(manager, canteen, school_class):
    client = logged_in(manager)
    page = client.get(PAGE).text
    assert "Commencer l'essai" in page and f"{school_class.name}, " in page
    wrong = client.post(PAGE, {"commencer": "oui", "adults": "1", "age_1": "60", "quotient": "beaucoup"})
    assert wrong.status_code == 200 and "Corrigez" in wrong.text
    nobody = client.post(PAGE, {"commencer": "oui", "adults": "1"})
    assert trials.NOBODY.replace("'", "&#x27;") in nobody.text
    given = {
        "commencer": "oui",
        "adults": "2",
        "class_1": school_class.pk,
        "age_2": "4",
        "quotient": "612,50",
    }
    client.post(PAGE, given)
    made = TrialHousehold.tried.get()
    assert str(made) == "Foyer d'essai de Nadia"
    made.trial_of.first_name = "Agathe"
    assert str(made) == "Foyer d'essai d'Agathe"
    assert Guardian._base_manager.filter(household=made.pk).count() == 2
    ages = [one.age_on(date(2026, 11, 9)) for one in Child._base_manager.order_by("pk")]
    assert ages[1] == 4 and 5 <= ages[0] <= 10
    client.post(PAGE, given)
    assert TrialHousehold.tried.count() == 1


def test_who_has_one_makes_no_second(tries: Tries, now):
    with pytest.raises(TrialRefused, match="déjà"):
        trials.make(Wanted([TrialChild(date(2020, 1, 1))]), by=tries.user, at=now)


def test_a_trial_stays_one_and_a_real_household_never_becomes_one(tries: Tries, books):
    for pk, trial in ((tries.home.pk, False), (books.household.pk, True)):
        with pytest.raises(DatabaseError), transaction.atomic():
            Household._base_manager.filter(pk=pk).update(trial=trial, trial_of=None)
    with pytest.raises(DatabaseError), transaction.atomic():
        Household._base_manager.filter(pk=tries.home.pk).update(joined_to=books.household)


def test_one_button_removes_all_of_it(tries: Tries, lived_in, books, now):
    trials.remove(tries.home)
    before = everything()
    again = tries_as(tries.user, tries.canteen, tries.school_class, now)
    again.enter()
    again.enrol()
    again.book(THURSDAY, FRIDAY)
    again.client.get(PAGE)
    answer = again.client.post(PAGE, {"supprimer": "oui", "essai": again.home.pk}, follow=True)
    assert "est supprimé" in answer.text and "Commencer l'essai" in answer.text
    assert everything() == before
    # Pressed twice, or in two tabs.
    assert (
        again.client.post(PAGE, {"supprimer": "oui", "essai": again.home.pk}, follow=True).status_code == 200
    )
    assert again.client.post(PAGE, {"supprimer": "oui", "essai": "abc"}, follow=True).status_code == 200


def test_a_real_household_is_never_removed_by_it(tries: Tries, books):
    tries.client.post(PAGE, {"supprimer": "oui", "essai": books.household.pk})
    assert Household.objects.filter(pk=books.household.pk).exists()
    trials.remove(TrialHousehold(pk=books.household.pk))
    assert Household.objects.filter(pk=books.household.pk).exists()


def test_removing_costs_the_same_whatever_it_holds(tries: Tries, canteen, now):
    def removing() -> int:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            trials.remove(tries.home)
        return len(asked)

    few = removing()
    tries.home = trials.make(
        Wanted([TrialChild(date(2018 + one, 1, 1)) for one in range(3)], adults=2, quotient=Decimal(500)),
        by=tries.user,
        at=now,
    )
    with trying(Tried(tries.home.pk, "")):
        child = Child.objects.order_by("pk").first()
    tries.enter()
    assert child is not None
    given = {
        "school": tries.school_class.school_id,
        "school_class": tries.school_class.pk,
        "restaurant": canteen.restaurant.pk,
        "diet": DietFactory().pk,
        "weekdays": ["0", "1", "3", "4"],
        "starts_on": "2026-11-09",
    }
    tries.client.post(reverse("catering:enrol", args=[child.pk]), given)
    tries.book(THURSDAY, FRIDAY, date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 26))
    assert Booking._base_manager.filter(household=tries.home.pk).count() == 5
    assert removing() == few


def test_an_agent_without_the_right_finds_no_page(agent_client):
    assert agent_client.get(PAGE).status_code == 403


def test_what_one_reader_asks_of_a_model_is_not_asked_by_the_next(tries):
    """Every reader begins with a copy of the same query."""
    plain, tried = str(Booking.objects.all().query), Tried(tries.home.pk, "")
    with trying(tried):
        own = str(Booking.objects.all().query)
    asked = Booking.objects.filter(child__first_name="Lina").order_by("-day").select_related("activity")
    asked.query.add_distinct_fields("day")
    assert str(Booking.objects.filter(child__first_name="Lina").query) != plain
    assert str(Booking.objects.all().query) == plain != own
    with trying(tried):
        assert str(Booking.objects.all().query) == own
