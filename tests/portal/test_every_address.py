"""No address may be forgotten: each is private unless named public here, and each that takes an id of a
household's object does not exist for another household."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from billing.models import OnlinePayment, Payment
from families.models import (
    AccessOpening,
    AuthorisedPerson,
    ChangeRequest,
    DataExport,
    Document,
    FamilyMessage,
    MessageFile,
    Thread,
)
from portal.reservations.acts import reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import AbsenceCertificate, Cart, Move
from tests.factories import BookingFactory, GuardianFactory, InvoiceFactory, LetterFactory, PaperFactory

# Open to everybody: nothing of a family is on them.
PUBLIC = {
    "account_login",
    "account_logout",
    "account_signup",
    "account_inactive",
    "account_confirm_email",
    "account_email_verification_sent",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "correct_address",
    "accessibility",
    # Programs ask for these: where a password is changed, whom to tell of a weakness.
    "change_password",
    "security_txt",
    # From a mail, and for mail programs: whoever holds the link stops one guardian's reminders, no more.
    "families:stop_reminders",
    # From a mail: whoever holds the link says yes to an invitation, once, with an account of that address.
    "families:invitation",
    # From a mail: whoever holds the link chooses the first password of an account of the town hall, once.
    "families:staff_invitation",
    # From a letter on paper: whoever has the code asks for one adult's access, which others confirm.
    "account_code",
    # Between the password and the factor: nobody is logged in yet.
    "mfa_authenticate",
    # Banks know no login of ours: notifications are believed by their signature or by asking the bank, a
    # return only makes us ask, and the demonstration bank's page is found by a number nobody can guess.
    "billing:demo_bank",
    "billing:payment_notification",
    "billing:regie_payment_notification",
    "billing:payment_return",
    # Calendar programs know no login: the address holds 256 random bits.
    "reservations:calendar_feed",
    "alive",
    "health",
    "health_detail",
    "measures",
    "ready",
    "legal",
    "privacy",
    # Browsers ask for them without the cookie.
    "app_icon",
    "manifest",
    "town_crest",
    "town_stylesheet",
}
# Parameters that are no id of a household's object.
NO_ID = {
    "service": "catering",
    "provider": "stripe",
    "code": "loisirs",
    "returning": "x",
    "token": "x" * 43,
    "name": "crest.svg",
    "key": "x",
    "uidb36": "x",
    "version_id": 1,  # of a text that the town shows to every family
    "card_id": 1,  # that the town sells to every family
}


def addresses(patterns: list[Any], namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every named pattern outside the town hall's desk."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name == "admin":
                continue
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from addresses(pattern.url_patterns, inner)
        else:
            yield f"{namespace}{pattern.name}", pattern


ALL = dict(addresses(get_resolver().url_patterns))
WITH_IDS = {name for name, pattern in ALL.items() if set(pattern.pattern.converters) - set(NO_ID)}


@pytest.fixture
def ids(books, canteen, now) -> dict[str, Any]:
    """One object of the family that books for each parameter's name."""
    draft = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book={Choice(canteen.formula.pk, canteen.period.ends_on)},
        by=books.user,
        at=now,
    )
    assert draft is not None
    person = AuthorisedPerson.objects.create(child=books.child, name="Dominique Roux", phone="0100000000")
    return NO_ID | {
        "booking_id": BookingFactory(enrolment=books.enrolment, formula=canteen.formula).pk,
        "cart_id": Cart.objects.create(
            household=books.household,
            activity=canteen.activity,
            ends_at=now + timedelta(minutes=20),
            made_at=now,
        ).pk,
        "change_id": ChangeRequest.objects.create(
            household=books.household,
            kind=ChangeRequest.Kind.GUARDIAN,
            first_name="Alix",
            last_name="Roux",
            email="alix@example.org",
        ).pk,
        "certificate_id": AbsenceCertificate.objects.create(
            household=books.household,
            child=books.child,
            first_day=now.date(),
            last_day=now.date(),
            given_at=now,
        ).pk,
        "child_id": books.child.pk,
        "move_id": Move.objects.create(
            household=books.household,
            child=books.child,
            enrolment=books.enrolment,
            place=canteen.restaurant,
            since=now.date(),
            requested_at=now,
        ).pk,
        "export_id": DataExport.objects.create(
            household=books.household,
            guardian=books.guardian,
            state="ready",
            file="copie.zip",
            asked_at=now,
            touched_at=now,
            expires_at=now + timedelta(days=7),
        ).pk,
        "document_id": Document.objects.create(household=books.household, name="quotient.pdf").pk,
        "enrolment_id": books.enrolment.pk,
        "establishment_id": canteen.restaurant.pk,
        "period_id": canteen.period.pk,
        "opening_id": AccessOpening.objects.create(
            kind=AccessOpening.Kind.GUARDIAN,
            household=books.household,
            guardian=GuardianFactory(household=books.household, user=None),
            asked_at=now,
        ).pk,
        "kind_id": PaperFactory(kind__about="household", household=books.household).kind_id,
        "letter_id": LetterFactory(guardian=books.guardian).pk,
        "file_id": MessageFile.objects.create(
            message=FamilyMessage.objects.create(subject="Rentrée", text="Bonne rentrée.", written_at=now),
            name="programme.pdf",
            size=1,
        ).pk,
        "thread_id": Thread.objects.create(
            household=books.household, subject="Facture", opened_at=now, last_at=now, waiting_since=now
        ).pk,
        "invoice_id": InvoiceFactory(household=books.household).pk,
        "statement_id": InvoiceFactory(household=books.household, kind="carried", total=Decimal("-9.60")).pk,
        "person_id": person.pk,
        "number": Payment.objects.create(
            number="R2026-900001",
            series="R",
            year=2026,
            sequence=900_001,
            household=books.household,
            amount=5,
            means="cash",
            paid_on=now.date(),
            recorded_at=now,
        ).number,
        "reference": OnlinePayment.objects.create(
            reference="P26ADRESSE",
            household=books.household,
            provider="demo",
            amount=5,
            started_at=now,
            expires_at=now,
        ).reference,
        "reservation_id": draft.pk,
        "pk": Authenticator.objects.create(
            user=books.user, type=Authenticator.Type.WEBAUTHN, data={"name": "Téléphone", "credential": {}}
        ).pk,
        "year": now.year,
    }


def address(name: str, ids: dict[str, Any]) -> str:
    wanted = ALL[name].pattern.converters
    missing = set(wanted) - set(ids)
    assert not missing, f"{name}: say in this test what {missing} identify"
    return reverse(name, kwargs={parameter: ids[parameter] for parameter in wanted})


def test_every_address_has_a_name():
    assert not [name for name in ALL if name.endswith("None")]


@pytest.mark.parametrize("name", sorted(WITH_IDS))
def test_what_belongs_to_one_household_does_not_exist_for_another(name, ids, stranger_client):
    where = address(name, ids)
    answers = {stranger_client.get(where).status_code, stranger_client.post(where, {}).status_code}
    assert 404 in answers
    assert answers <= {404, 405}


@pytest.mark.parametrize("name", sorted(set(ALL) - PUBLIC))
def test_a_visitor_must_log_in_first(name, ids):
    visitor = Client()
    where = address(name, ids)
    for answer in (visitor.get(where), visitor.post(where, {})):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/connexion/")


@pytest.mark.parametrize("name", sorted(PUBLIC & set(ALL)))
def test_public_addresses_answer_a_visitor(name, ids, town):
    wanted = ALL[name].pattern.converters or ALL[name].pattern.regex.groupindex
    answer = Client().get(reverse(name, kwargs={parameter: ids[parameter] for parameter in wanted}))
    assert answer.status_code in (200, 302, 404, 405, 503)


def test_the_desk_needs_a_login_of_the_town_hall(books_client):
    assert Client().get("/mairie/").status_code == 302
    assert books_client.get("/mairie/").status_code in (302, 403)
