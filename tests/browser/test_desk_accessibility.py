"""Every page of the town hall's desk, looked at by axe on a wide screen and on a phone, and read for English.

The pages come from the registry and from the desk's own addresses: whoever adds a model or a page finds it
looked at.
"""

import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.urls import reverse
from django.utils.http import urlencode
from django_tasks_db.models import DBTaskResult, get_date_max
from playwright.sync_api import Page

from billing import tasks
from billing.admin.reminders import stamp_of
from billing.invoices import adults, cards, fees, invoicing
from billing.invoices.adults import Address
from billing.invoices.creditable import Wanted
from billing.models import (
    ActivityRegie,
    AdultPrice,
    ArrearsDecision,
    ChildStatus,
    Diner,
    DinerMeal,
    Fee,
    FeePrice,
    GivenUpDay,
    Invoice,
    JournalAccounts,
    LateCollection,
    LateCollectionRule,
    ManualCharge,
    OpeningBalance,
    PackedMeal,
    RecalculatedHousehold,
    Recalculation,
    RefundRule,
    RefundStep,
    Regie,
    TicketCard,
    TransferFile,
)
from billing.payments import counting, deposits, paying, transfers, writing_off
from billing.reminders import reminding
from families.models import (
    Child,
    DataExport,
    DisposalList,
    Document,
    Erasure,
    ErasureRequest,
    FileImport,
    Guardian,
    HomeChange,
    InvitationLot,
    Invited,
    OwnDecision,
    ProcessingTexts,
    QuotientAnswer,
    QuotientRound,
    ReadyAnswer,
    SecurityEvent,
    TextAnswer,
    User,
)
from leisure.models import ActivityCriterion, PriorityFact, PriorityStreet
from portal.demo import loading
from portal.models import LetterWording, RefusalReason, Release
from portal.reservations.acts import next_year, trials
from portal.reservations.models import (
    AbsenceCertificate,
    Activity,
    Attendance,
    Booking,
    DeadlineRule,
    LeftDay,
    Lot,
    LotDay,
    Move,
    NeededChildren,
    NextPupil,
    OversightDecision,
    OversightRule,
    SureOpening,
    YearTurn,
)
from portal.reservations.states import BookingState
from tests.billing.conftest import private
from tests.browser.conftest import PHONE, WIDE
from tests.browser.looking import AXE, by_night, overflow, resize, violations
from tests.conftest import NOW
from tests.factories import (
    ActivityFactory,
    AskedTextFactory,
    GuardianFactory,
    HouseholdFactory,
    InvoiceFactory,
    LetterFactory,
    UserFactory,
)

__all__ = ["private"]

pytestmark = pytest.mark.django_db(transaction=True)

# A list's tenth row has the markup of its first.
ROWS = 5
PARTS = 4
# Django draws the page of a row's history and that of its deletion alike for all models: three stand for all,
# one with a history of versions, one without, and one with those of what stands on its page.
ALIKE = ("_history", "_delete")
LOOKED_AT_ALIKE = {Activity, Child, Group}
# The desk's first pages, its lists, and Django's own forms are pages, or refused.
PAGES = re.compile(r"/mairie/(\w+/){0,2}|.*/(add|change)/")
# The menu is the same on every page: it is looked at once. Its rows are out of the way then, since what axe
# asks of a page it asks of all that is drawn.
MENU, WITHOUT_MENU = {"include": ["#nav-sidebar"]}, {"exclude": ["#nav-sidebar"]}
EMPTY_MENU = "document.querySelectorAll('#nav-sidebar > *').forEach((one) => { one.style.display = 'none'; })"
# What scripts of Django's admin draw without asking a template: Select2's list of what is chosen holds the
# button that empties it, and the two boxes of rights describe their search field on a bare <span>.
DRAWN_BY_DJANGO = {
    "rules": [
        {"id": "list", "selector": "ul:not(.select2-selection__rendered), ol"},
        {"id": "aria-prohibited-attr", "selector": ":not(.search-label-icon)"},
    ]
}
# What a narrow screen may change: what is near to what, and what scrolls.
ON_A_PHONE = ["target-size", "scrollable-region-focusable"]
# Django's scripts draw what they add once the page is there, one after the other.
DRAWN = "new Promise((done) => window.django?.jQuery ? django.jQuery(() => setTimeout(done)) : done())"
# All that is read out: text, names given to fields and pictures, buttons.
WORDS = """() => {
    const named = document.querySelectorAll("[alt], [title], [aria-label], [placeholder], [type=submit]");
    const names = (one) => [one.alt, one.title, one.ariaLabel, one.placeholder, one.value];
    const page = document.getElementById("container") || document.body;  // a family's, shown at the desk
    return [document.title, page.innerText, ...Array.from(named).flatMap(names)].join(" ");
}"""
ENGLISH = re.compile(
    r"\b(add|changed|delete|historical|search|save|view|none|yes|unknown|the|object|status|task|results?|"
    r"entry|entries|history|date/time|successful|failed|ready|running|enqueued|started|finished|priority|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|june|july|august|december)\b",
    re.IGNORECASE,
)


@pytest.fixture
def chief(now, db) -> User:
    return UserFactory(username="chief", is_staff=True, is_superuser=True)


@pytest.fixture
def demo(transactional_db, private, chief) -> Booking:
    """A town with a row of each kind."""
    return furnished(chief)


def furnished(chief: User) -> Booking:
    """The demo town, a row of each kind it has none of, and a day of it that was attended."""
    loading.load(10, at=NOW)
    booking = Booking.objects.filter(day__lt=NOW.date(), state=BookingState.ACCEPTED).order_by("pk")[0]
    home = {"household": booking.household, "child": booking.child}
    paper = Document.objects.create(household=booking.household, name="certificat.pdf", file="certificat.pdf")
    AbsenceCertificate.objects.create(
        **home, document=paper, first_day=booking.day, last_day=booking.day, given_at=NOW
    )
    Attendance.objects.create(
        **home,
        booking=booking,
        formula=booking.formula,
        establishment=booking.establishment,
        day=booking.day,
        state="absent",
        reason="illness",
        entered_at=NOW,
    )
    DataExport.objects.create(
        household=booking.household,
        guardian=booking.household.guardians.first(),
        at_desk=True,
        state="ready",
        file="copie.zip",
        asked_at=NOW,
        touched_at=NOW,
        ready_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )
    asked = QuotientRound.objects.create(
        whom="1 foyer", by_name="chief", asked_at=NOW, answered_at=NOW, valid_from=NOW.date(), wanted=1
    )
    QuotientAnswer.objects.create(
        round=asked, household=booking.household, state="new", value=412, fund="CAF", asked_at=NOW
    )
    invitations = InvitationLot.objects.create(whom="toutes les familles", by_name="chief", made_at=NOW)
    adult = GuardianFactory(household=booking.household, user=None)
    Invited.objects.create(lot=invitations, guardian=adult, way="paper")
    ErasureRequest.objects.create(household=booking.household, requested_at=NOW)
    gone = ["enfants : 1"]
    Erasure.objects.create(kind="household", subject=4711, mark="0" * 64, why="desk", at=NOW, gone=gone)
    ProcessingTexts.objects.create(officer="delegue@example.org")
    DisposalList.objects.create(
        kind="presence",
        label="Présences",
        kept_for="10 ans",
        count=3,
        rows=[1, 2, 3],
        state="sent",
        proposed_at=NOW,
        sent_at=NOW,
    )
    move = Move.objects.create(
        **home,
        enrolment=booking.enrolment,
        place=booking.establishment,
        since=NOW.date(),
        state="accepted",
        requested_at=NOW,
    )
    LeftDay.objects.create(move=move, booking=booking, place=booking.establishment, why="complet")
    lot = Lot.objects.create(
        verb="cancel",
        formula=booking.formula,
        whom="1 enfant choisi",
        reason="Sortie.",
        wanted=1,
        met=1,
        changed=1,
        made_at=NOW,
        done_at=NOW,
        by=chief,
    )
    brought = FileImport.objects.create(
        source="ONDE",
        name="eleves.csv",
        state="checked",
        titles=["Nom", "Prénom"],
        columns={"0": "child.last_name"},
        counts={"doubtful": 1},
        rows=1,
        by=chief,
        made_at=NOW,
    )
    brought.lines.create(
        line=2,
        verdict="doubtful",
        line_verdict="doubtful",
        who="Lou Roux",
        column="Nom",
        value="Roux",
        text="est-ce le même enfant ?",
        doubt="other_name",
    )
    LotDay.objects.create(
        lot=lot,
        enrolment=booking.enrolment,
        establishment=booking.establishment,
        day=booking.day,
        became="done",
        cancelled=booking,
        state_before="accepted",
    )
    text = AskedTextFactory()
    TextAnswer.objects.create(
        version=text.versions.get(), household=booking.household, at=NOW, by_name="Camille Roux"
    )
    year = booking.enrolment.school_year
    turn = next_year.begin(year, next_year.proposed(year), by=chief, at=NOW)
    NextPupil.objects.create(turn=turn, child=booking.child, goes="leaves", by_hand=True)
    ActivityRegie.objects.create(
        activity=ActivityFactory(name="Séjours"),
        regie=Regie.objects.create(name="Centre de loisirs", code="LOISIRS", letters="CL"),
    )
    trials.make(trials.Wanted([trials.TrialChild(date(2019, 1, 1))]), by=chief, at=NOW)
    PackedMeal.objects.create(enrolment=booking.enrolment, valid_from=NOW.date())
    LateCollectionRule.objects.get_or_create(
        activity=booking.enrolment.activity,
        valid_from=NOW.date(),
        defaults={"closes_at": time(18, 30), "quarter": 5},
    )
    LateCollection.objects.create(
        household=booking.household,
        child=booking.child,
        activity=booking.enrolment.activity,
        establishment=booking.establishment,
        day=booking.day,
        left_at=time(18, 40),
        entered_at=NOW,
    )
    refund = RefundRule.objects.create(activity=booking.activity, valid_from=NOW.date())
    RefundStep.objects.create(rule=refund, days_before=15, percent=50)
    GivenUpDay.objects.create(
        household=booking.household,
        child=booking.child,
        activity=booking.activity,
        formula=booking.formula,
        establishment=booking.establishment,
        day=booking.day,
        cancelled_at=NOW,
        price=4,
        percent=50,
        due=2,
        amount=2,
        words="Annulé 15 jours avant : 50 % rendus",
    )
    card = TicketCard.objects.create(
        code="dix-gouters", name="Carte de 10 goûters", tickets=10, price=12, until_day=31, until_month=8
    )
    card.activities.add(booking.activity)
    cards.sell(booking.household, card, by=chief, at=NOW)
    OversightRule.objects.create(activity=booking.activity, valid_from=NOW.date(), number=1)
    OversightDecision.objects.create(
        household=booking.household,
        child=booking.child,
        activity=booking.activity,
        stops="late",
        count=1,
        since=NOW.date(),
        until=NOW.date() + timedelta(days=30),
        sentence="Parlons-en.",
        reason="Trois appels.",
        decided_at=NOW,
        decided_by=chief,
    )
    ChildStatus.objects.create(child=booking.child, kind="scholarship", valid_from=NOW.date())
    ManualCharge.objects.create(
        household=booking.household, label="Carte perdue", unit_price=5, reason="Remplacement"
    )
    AdultPrice.objects.get_or_create(
        formula=booking.formula, kind="", valid_from=None, defaults={"amount": 4, "vat_percent": 10}
    )
    diner = Diner(
        first_name="Hélène",
        last_name="Aubry",
        establishment=booking.establishment,
        formula=booking.formula,
        starts_on=NOW.date(),
    )
    adults.welcome(diner, Address("1 rue des Écoles", "01999", "Exemple"), by=chief, at=NOW)
    DinerMeal.objects.create(
        diner=diner,
        day=booking.day,
        establishment=booking.establishment,
        formula=booking.formula,
        booked_at=NOW,
    )
    fee = Fee.objects.create(code="dossier", name="Frais de dossier")
    fee.activities.add(booking.activity)
    FeePrice.objects.create(fee=fee, amount=15)
    fees.note_all(until=NOW.date())
    JournalAccounts.objects.create()
    OpeningBalance.objects.create(household=booking.household, amount=5, opened_on=NOW.date())
    OwnDecision.objects.create(
        user=chief, user_name="chief", household=booking.household, reason="Seul cette semaine", at=NOW
    )
    HomeChange.objects.create(
        kind="joined",
        household=booking.household,
        other=HouseholdFactory(joined_to=booking.household),
        at=NOW,
        by=chief,
        by_name="chief",
        reason="Inscrits deux fois",
        said=["Un enfant suit."],
    )
    NeededChildren.objects.create(activity=booking.activity, children=2)
    SureOpening.objects.create(
        activity=booking.activity,
        establishment=booking.establishment,
        starts_on=booking.day,
        ends_on=booking.day,
        at=NOW,
        by=chief,
    )
    Release.objects.create(version="0.2.0", since=NOW)
    ReadyAnswer.objects.create(name="Vérification", text="Bonjour {prénom}, nous vérifions.")
    RefusalReason.objects.create(about="reservations.enrolment", text="Il n'y a plus de place ici.")
    LetterWording.objects.create(kind="", closing="À bientôt.")
    for kind in SecurityEvent.Kind:
        SecurityEvent.objects.create(kind=kind, at=NOW, user=chief, times=40, network_mark="0123456789abcdef")
    UserFactory(username="camille", email="Chief@example.org", email_shared=True)
    LetterFactory(to="parent@example.org", subject="Bienvenue", text="Bonjour")
    LetterFactory(
        guardian=Guardian.objects.earliest("pk"),
        to="muette@example.org",
        subject="Facture",
        state="failed",
        trouble="550 5.1.1",
    )
    late = InvoiceFactory(household=booking.household, due_on=NOW.date() - timedelta(days=10))
    reminding.remind([late.pk], at=NOW, by=chief)
    # Until its letters are printed, the page that follows them loads itself anew.
    tasks.print_letters(NOW)
    invoicing.credit(late, Wanted(amount=Decimal(1)), reason="Repas non servi", by=chief, at=NOW)
    writing_off.write_off(
        late,
        Decimal(1),
        kind="remission",
        reason="Difficultés passagères",
        decision="DEL-2026-41",
        decided_on=NOW.date(),
        by=chief,
        at=NOW,
    )
    spare = paying.record(
        booking.household, Decimal(9), "cash", paid_on=NOW.date(), by=None, at=NOW, invoices=[]
    )
    account = "FR1420041010050500013M02606"  # the public example of the standard
    transfers.ask(spare, Decimal(4), holder="Camille Roux", iban=account, by=None, at=NOW)
    TransferFile.objects.create(message="20261130100000-virements", paid_on=NOW.date(), made_at=NOW)
    again = Recalculation.objects.create(month=late.month, reason="Vérifié", state="ready", asked_at=NOW)
    RecalculatedHousehold.objects.create(
        recalculation=again, household=booking.household, billed=5, amount=4, changes=[]
    )
    decided(late, chief)
    comes_first(booking, chief)
    money_handed_over(booking, chief)
    InvoiceFactory(household=booking.household, kind=Invoice.Kind.CARRIED, total=Decimal("-9.60"))
    DBTaskResult.objects.create(
        args_kwargs={},
        task_path="billing.tasks.issue_month",
        backend_name="default",
        run_after=get_date_max(),
    )
    return booking


def decided(late: Invoice, chief: User) -> None:
    """The family of an invoice books no late day."""
    decision = ArrearsDecision.objects.create(
        household=late.household,
        stops="late",
        left=late.total,
        since=NOW.date(),
        ends_when_paid=True,
        sentence="Parlons-en : un échéancier est possible.",
        reason="Deux relances, aucun appel.",
        decided_at=NOW,
        decided_by=chief,
    )
    decision.activities.set(Activity.objects.all()[:1])
    decision.invoices.set([late])


def comes_first(booking: Booking, chief: User) -> None:
    """Who comes first where places are short."""
    ActivityCriterion.objects.create(activity=booking.activity, kind="district")
    PriorityStreet.objects.create(street="rue des Tilleuls", postcode="01999")
    PriorityFact.objects.create(
        household=booking.household, kind="work", since=NOW.date(), noted_at=NOW, noted_by=chief
    )


def money_handed_over(booking: Booking, chief: User) -> None:
    """A cheque on a slip, the till counted."""
    today = NOW.date()
    cheque = paying.record(
        booking.household, Decimal(5), "cheque", paid_on=today, by=chief, at=NOW, invoices=[]
    )
    deposits.make("cheque", [cheque.pk], deposited_on=today, by=chief, at=NOW)
    counting.count(Decimal(20), pieces={"20": 1}, by=chief, at=NOW)


def first_row(model: type[Model]) -> Any:
    row = model._default_manager.order_by("pk").first()
    assert row is not None, f"Give the fixture `demo` a row of {model.__name__}."
    return row


def class_of_year(booking: Booking) -> int:
    """The key of the class that its child attends in the year of its enrolment."""
    attended = booking.child.schoolings.current().get(school_year=booking.enrolment.school_year)
    return attended.school_class_id


OF_A_HOUSEHOLD = {
    "billing_payment_tax_certificate",
    "families_quotientround_one",
    "families_quotientround_paper",
    "families_quotientround_to_sign",
}


def addresses(booking: Booking) -> Iterator[str]:
    """The desk's first page, those of its groups, then each model's list, forms and own pages."""
    yield reverse("admin:index")
    yield from sorted(
        {reverse("admin:app_list", args=[model._meta.app_label]) for model in admin.site._registry}
    )
    ids = {
        "activity": booking.activity_id,
        "adult": booking.household.guardians.first().pk,
        # Behind a household's: a page that the desk does not show, and leads back from.
        "address": "mon-agenda/",
        "child": booking.child_id,
        "custody": booking.child.custodies.first().pk,
        "household": booking.household_id,
        "means": "cheque",
        "stamp": stamp_of(reminding.last_sendings(1)[0]),
        "class_pk": class_of_year(booking),
        "consent": 1,
        "step": "periodes",
        "statement": Invoice.every.filter(kind=Invoice.Kind.CARRIED).first().pk,
        "year": NOW.year,
    }
    for model, model_admin in admin.site._registry.items():
        of_row = ids | dict.fromkeys(("object_id", "pk", "id"), first_row(model).pk)
        for pattern in model_admin.get_urls():
            if not pattern.name or (pattern.name.endswith(ALIKE) and model not in LOOKED_AT_ALIKE):
                continue
            # Found by their household, beside rows of another kind: a certificate for the tax office beside
            # the payments it adds up, what an adult signed beside the rounds.
            key = {"pk": booking.household_id} if pattern.name in OF_A_HOUSEHOLD else {}
            found = of_row | key
            yield reverse(
                f"admin:{pattern.name}", kwargs={name: found[name] for name in pattern.pattern.converters}
            )
    for step in ("avant", "classes", "eleves", "inscriptions"):
        yield reverse("admin:reservations_year_step", args=[first_row(YearTurn).pk, step])
    yield from once_chosen(booking)


def once_chosen(booking: Booking) -> Iterator[str]:
    """Pages that show what is asked of them in their address."""
    for name, chosen in {
        "reservations_attendance_list": {
            "jour": booking.day,
            "lieu": booking.establishment_id,
            "formule": booking.formula_id,
        },
        "billing_tariff_simulator": {
            "formula": booking.formula_id,
            "day": NOW.date(),
            "rank": 1,
            "children": 1,
            "units": 1,
        },
        "billing_payment_tax_certificates": {"annee": NOW.year - 1},
        "catering_kitchen": {"vue": "semaine"},
        "find": {"q": "a"},
        "leisure_register": {"vue": "semaine"},
        "reservations_deadlinerule_preview": {"regle": first_row(DeadlineRule).pk},
        "reservations_slot_changelist": {"q": "zzz"},
    }.items():
        yield f"{reverse(f'admin:{name}')}?{urlencode(chosen)}"


def leave_a_form_empty(page: Page) -> None:
    page.goto(reverse("admin:reservations_closure_add"))
    page.get_by_role("button", name="Enregistrer", exact=True).click()
    page.locator(".errornote").wait_for()


def refuse(page: Page) -> None:
    """Up to the page that asks for the reason."""
    page.goto(reverse("admin:reservations_enrolment_changelist"))
    page.locator("input.action-select").first.check()
    page.get_by_role("combobox", name="Action").select_option(label="Refuser…")
    page.get_by_role("button", name="Envoyer").click()
    page.get_by_label("Vos mots").wait_for()


def look_for(page: Page) -> None:
    """Up to the results under the field at the head."""
    page.goto(reverse("admin:index"))
    page.get_by_role("searchbox").first.fill("a")
    page.locator(".desk-find-results .desk-found-title").first.wait_for()


def preview_a_month(page: Page) -> None:
    page.goto(reverse("admin:billing_billingrun_bill"))
    page.get_by_role("textbox", name="Mois").fill(f"{NOW:%Y-%m}")
    page.get_by_role("button", name="Voir l’aperçu").click()
    page.get_by_role("region", name="Aperçu").wait_for()


def shown(page: Page, address: str) -> bool:
    """Opens the address where it is a page: others are files, want something posted, lead elsewhere on the
    desk, or refuse everybody."""
    if not PAGES.fullmatch(address):
        found = page.request.get(address)
        assert found.status in {200, 403, 405}, f"{address}: {found.status}"
        if found.status != 200 or not found.headers["content-type"].startswith("text/html"):
            return False
    answer = page.goto(address)
    assert answer is not None
    return answer.status == 200 and page.url.endswith(address)


def look(page: Page) -> list[str]:
    """What is wrong with the page that is open: for axe, by day and by night; for a narrow screen; for who
    reads no English."""
    page.wait_for_load_state()
    page.evaluate(DRAWN)
    page.evaluate(AXE)
    page.evaluate("rules => axe.configure(rules)", DRAWN_BY_DJANGO)
    words = page.evaluate(WORDS)
    found = [f"{page.url}: in English: {word}" for word in sorted(set(ENGLISH.findall(words)))]
    page.evaluate(EMPTY_MENU)
    found += violations(page, where=WITHOUT_MENU) + by_night(page, WITHOUT_MENU)
    resize(page, PHONE)
    found += violations(page, ON_A_PHONE, WITHOUT_MENU) + overflow(page)
    resize(page, WIDE)
    return found


# Four tests: in one walk a slow machine would pass for a browser that no longer answers.
@pytest.mark.parametrize("part", range(PARTS))
def test_no_page_of_the_desk_has_a_barrier_or_a_word_of_english(demo, open_page, monkeypatch, part):
    for model_admin in admin.site._registry.values():
        monkeypatch.setattr(model_admin, "list_per_page", ROWS)
    page = open_page("chief")
    found, pages = [], 0
    for address in list(addresses(demo))[part::PARTS]:
        if shown(page, address):
            found += look(page)
            pages += 1
    assert found == []
    assert pages > 150 / PARTS


def test_pages_between_have_no_barrier_either(demo, open_page):
    page = open_page("chief")
    page.goto(reverse("admin:reservations_enrolment_changelist"))
    found = violations(page, where=MENU) + by_night(page, MENU)
    for walk_to in (leave_a_form_empty, refuse, preview_a_month, look_for):
        walk_to(page)
        found += look(page)
    assert found == []
