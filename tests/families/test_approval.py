"""What the town hall answers to families."""

from datetime import date
from decimal import Decimal

import pytest

from billing.models import BillingSettings
from families import approval
from families.models import ChangeRequest, Household
from portal import town as portal_town
from tests.conftest import Family, logged_in
from tests.factories import ChangeRequestFactory, ChildFactory, QuotientFactory

pytestmark = pytest.mark.django_db


def quotient_request(
    household: Household, value: str = "512.00", start: date = date(2026, 11, 1)
) -> ChangeRequest:
    return ChangeRequestFactory(
        household=household,
        kind=ChangeRequest.Kind.QUOTIENT,
        street="",
        postcode="",
        city="",
        quotient=Decimal(value),
        valid_from=start,
    )


def test_accepting_a_household_says_who_and_when_and_tells_it(newcomers, agent, now, commit, letters):
    with commit():
        accepted = approval.accept_household(newcomers, by=agent, at=now)
    assert (accepted.is_accepted, accepted.decided_by, accepted.decided_at) == (True, agent, now)
    assert [(letter.to, letter.subject) for letter in letters] == [
        (["nouveau@example.org"], "Votre compte famille est validé")
    ]


def test_refusing_a_household_needs_a_reason_and_gives_it(newcomers, agent, now, commit, letters):
    with pytest.raises(approval.ReasonMissing):
        approval.refuse_household(newcomers, reason="  ", by=agent, at=now)
    with commit():
        approval.refuse_household(newcomers, reason="Foyer déjà connu.", by=agent, at=now)
    newcomers.refresh_from_db()
    assert (newcomers.state, newcomers.refusal_reason) == ("refused", "Foyer déjà connu.")
    assert "Foyer déjà connu." in letters[0].body


def test_an_answer_is_given_once(newcomers, agent, now, commit, letters):
    with commit():
        approval.accept_household(newcomers, by=agent, at=now)
        with pytest.raises(approval.AlreadyAnswered, match="déjà reçu une réponse"):
            approval.refuse_household(newcomers, reason="Trop tard.", by=agent, at=now)
    assert len(letters) == 1


def test_no_letter_leaves_when_the_answer_is_undone(newcomers, agent, now, commit, letters, monkeypatch):
    def fails(*args, **kwargs):
        raise RuntimeError("The mail server's template is broken.")

    monkeypatch.setattr("families.emails.household_accepted", fails)
    with commit(), pytest.raises(RuntimeError):
        approval.accept_household(newcomers, by=agent, at=now)
    newcomers.refresh_from_db()
    assert newcomers.state == "requested"
    assert letters == []


def test_an_accepted_address_is_the_households(roux: Family, agent, now, commit, letters):
    change = ChangeRequestFactory(household=roux.household)
    with commit():
        approval.accept_change(change, by=agent, at=now)
    roux.household.refresh_from_db()
    assert roux.household.street == "3 rue des Lilas"
    assert [letter.subject for letter in letters] == ["Votre demande est acceptée"]


def test_an_accepted_quotient_ends_the_one_before(roux: Family, agent, now):
    QuotientFactory(household=roux.household, value=Decimal("900.00"), valid_from=date(2026, 1, 1))
    approval.accept_change(quotient_request(roux.household), by=agent, at=now)
    assert list(roux.household.quotients.values_list("value", "valid_from", "valid_to")) == [
        (Decimal("512.00"), date(2026, 11, 1), None),
        (Decimal("900.00"), date(2026, 1, 1), date(2026, 10, 31)),
    ]
    assert roux.household.quotient_on(date(2026, 10, 31)).value == Decimal("900.00")
    assert roux.household.quotient_on(date(2026, 11, 1)).value == Decimal("512.00")


@pytest.mark.parametrize(
    ("late", "start", "said"),
    [
        # Sent on 9 November.
        ("told", date(2026, 11, 1), "à partir du lundi 9 novembre 2026, jour où vous l'avez communiqué (il"
         " est valable depuis le dimanche 1er novembre 2026)."),
        ("told", date(2026, 12, 1), "à partir du mardi 1er décembre 2026."),
        ("date", date(2026, 11, 1), "à partir du dimanche 1er novembre 2026 ; les jours déjà facturés gardent"
         " leur prix, sauf si la mairie recalcule leur mois."),
    ],
)  # fmt: skip
def test_the_letter_of_a_quotient_says_from_when_it_counts(
    roux: Family, agent, now, commit, letters, late, start, said
):
    settings = BillingSettings.current()
    settings.quotient_late = late
    settings.save()
    change = quotient_request(roux.household, start=start)
    ChangeRequest.objects.filter(pk=change.pk).update(requested_at=now)
    with commit():
        approval.accept_change(change, by=agent, at=now)
    (letter,) = letters
    assert f"Il compte pour vos tarifs {said}" in letter.body.replace("\N{NO-BREAK SPACE}", " ")
    page = logged_in(roux.user).get("/foyer/quotient/").content.decode()
    assert ("du jour où vous l&#x27;envoyez" in page) == (late == "told")


def test_the_letter_of_an_address_says_nothing_of_a_quotient(roux: Family, agent, now, commit, letters):
    with commit():
        approval.accept_change(ChangeRequestFactory(household=roux.household), by=agent, at=now)
    assert "tarifs" not in letters[0].body


def test_a_quotient_of_the_same_day_is_corrected(roux: Family, agent, now):
    QuotientFactory(household=roux.household, value=Decimal("900.00"), valid_from=date(2026, 11, 1))
    approval.accept_change(quotient_request(roux.household), by=agent, at=now)
    assert [row.value for row in roux.household.quotients.all()] == [Decimal("512.00")]


def test_a_quotient_from_the_past_leaves_later_ones_in_force(roux: Family, agent, now):
    QuotientFactory(household=roux.household, value=Decimal("700.00"), valid_from=date(2026, 11, 1))
    approval.accept_change(quotient_request(roux.household, start=date(2026, 3, 1)), by=agent, at=now)
    assert roux.household.quotient_on(date(2026, 5, 1)).value == Decimal("512.00")
    assert roux.household.quotient_on(date(2026, 12, 1)).value == Decimal("700.00")


@pytest.mark.parametrize(
    ("lived_there", "city", "lives_there"),
    [
        (True, "Ailleurs-sur-Mer", False),
        (False, "Valmirelle-les-Prés", True),
        (True, "Valmirelle-les-Prés", True),
    ],
    ids=["leaves", "comes", "moves within"],
)
def test_a_household_that_moves_in_or_out_of_the_town_is_counted_there_or_not(
    roux: Family, town, agent, now, lived_there: bool, city: str, lives_there: bool
):
    type(town).objects.update(
        name="Valmirelle-les-Prés", address="1 place du Marché\n01999 Valmirelle-les-Prés"
    )
    portal_town.forget()
    home = (
        {"postcode": "01999", "city": town.name} if lived_there else {"postcode": "26000", "city": "Valence"}
    )
    type(roux.household).objects.update(resident=lived_there, **home)
    roux.household.refresh_from_db()
    postcode = "01999" if lives_there else "26000"
    change = ChangeRequestFactory(household=roux.household, postcode=postcode, city=city)
    queue = logged_in(agent).get("/mairie/families/changerequest/").text
    assert ("quitte la commune" in queue) is (lived_there and not lives_there)
    assert ("s’installe dans la commune" in queue) is (lives_there and not lived_there)
    approval.accept_change(change, by=agent, at=now)
    roux.household.refresh_from_db()
    assert roux.household.resident is lives_there


def test_an_agent_s_word_on_the_residence_stands_where_the_addresses_seem_alike(
    roux: Family, town, agent, now
):
    type(town).objects.update(address="1 place du Marché\n01999 Valmirelle-les-Prés")
    portal_town.forget()
    type(roux.household).objects.update(resident=True, postcode="26000", city="Valence")
    change = ChangeRequestFactory(household=roux.household, postcode="26100", city="Romans")
    approval.accept_change(change, by=agent, at=now)
    roux.household.refresh_from_db()
    assert roux.household.resident is True


def test_a_refused_change_changes_nothing_and_says_why(roux: Family, agent, now, commit, letters):
    change = ChangeRequestFactory(household=roux.household)
    with commit():
        approval.refuse_change(change, reason="Justificatif illisible.", by=agent, at=now)
    roux.household.refresh_from_db()
    assert roux.household.street != "3 rue des Lilas"
    assert "Justificatif illisible." in letters[0].body
    with pytest.raises(approval.AlreadyAnswered):
        approval.accept_change(change, by=agent, at=now)


@pytest.mark.parametrize(
    ("known", "typed"),
    [
        ("Zoé d'Aubigné", "ZOE D’AUBIGNE"),
        ("Anne-Lise Cœur", "Anne Lise Coeur"),
        ("Noé Lefèvre", "Noe\u0301 Lefe\u0300vre"),
    ],
    ids=["apostrophe of a phone, no accents", "hyphen and ligature", "accents apart"],
)
def test_a_child_is_known_however_its_name_is_typed(roux: Family, newcomers, known: str, typed: str):
    day = roux.child.birth_date
    there, here = (
        ChildFactory(
            first_name=name.rsplit(maxsplit=1)[0],
            last_name=name.rsplit(maxsplit=1)[1],
            birth_date=day,
            households=[home],
        )
        for name, home in ((known, roux.household), (typed, newcomers))
    )
    assert approval.known_twins(newcomers) == [approval.Twins(here, [there])]
