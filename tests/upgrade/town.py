"""The town of the release data: the demo's of 20 households, and what it leaves for families and staff to do,
so that few tables are empty and every kind of private file is there."""

from datetime import date, time, timedelta
from decimal import Decimal
from itertools import count
from unittest.mock import patch
from uuid import UUID

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.files.base import ContentFile

from billing.documents import pdf
from billing.invoices import fees, invoicing, late_collection, recalculating
from billing.invoices.creditable import Wanted
from billing.models import (
    ArrearsDecision,
    ChildStatus,
    Fee,
    FeePrice,
    GivenUpDay,
    HouseholdCard,
    Invoice,
    LateCollectionRule,
    ManualCharge,
    PackedMeal,
    RecalculatedHousehold,
    Status,
    TicketCard,
)
from billing.reminders import letter_printing, reminding
from families import approval, calendar_links, documents, notes, residences
from families.custody import codes
from families.custody import lots as invitations
from families.imports import running
from families.joining import alike, joining
from families.messages import attachments, printing
from families.models import (
    ChangeRequest,
    Document,
    FamilyMessage,
    Guardian,
    Household,
    KeptFilter,
    LoginCounter,
    PaperKind,
    Reminder,
    ReminderRound,
    SecurityEvent,
    User,
)
from families.papers import sending
from families.papers.sending import Said
from families.privacy import asking
from families.reminders import choices
from families.traces import security
from leisure.models import PriorityFact
from portal.demo import loading
from portal.letters import mailing
from portal.models import Backup, HeldDecision, LetterWording, PrintedList, PrintedPart, Restoration, Worker
from portal.reservations.acts import assuring, lots, moving, next_year, trials
from portal.reservations.acts.going_up import Goes
from portal.reservations.acts.next_year import Way
from portal.reservations.acts.overriding import NONE
from portal.reservations.models import (
    AbsenceNotice,
    Activity,
    AttendanceState,
    Booking,
    Closure,
    FullSlot,
    NeededChildren,
    OversightDecision,
    SchoolClass,
    Schooling,
    Slot,
)
from portal.reservations.presence import attendance, certificates
from portal.reservations.states import LotVerb
from tests.factories import paris

HOUSEHOLDS = 20
AT = paris(2026, 11, 9, 10)
PAST = timedelta(days=45)  # the days of a month and a half weigh enough
PAPER = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0>>endobj\n%%EOF\n"


def live() -> None:
    """Fills an empty database; the clock stands at AT. Files are named alike on every database."""
    with patch.object(running, "uuid4", side_effect=(UUID(int=number) for number in count(1))):
        _live()


def _live() -> None:
    loading.load(HOUSEHOLDS, at=AT, past=PAST)
    home = Household.objects.get(guardians__user__username="parent")
    parent, agent, regie = (User.objects.get(username=login) for login in ("parent", "agent", "regie"))
    quotient_changes(home, parent, agent)
    moves(home, agent)
    absences(home, parent, agent)
    papers(home, parent, agent)
    days_of_many(home, agent)
    next_school_year(home, agent)
    desk_notes(home, agent)
    invited(home, agent)
    documents_of_money(regie)
    accounts(parent, regie)
    letters(parent)
    messages(agent)
    brought(User.objects.get(username="responsable"))
    one_of_two(agent)
    kept_going()
    in_hand(home, agent)
    sure_to_open(agent)
    tried(agent)


def sure_to_open(agent: User) -> None:
    """An activity opens only with so many children; a day of it is sure."""
    one = Booking.objects.holding().order_by("day", "pk").last()
    NeededChildren.objects.create(activity=one.activity, children=2, days_before=3)
    assuring.confirm(one.activity, one.establishment, one.day, one.day, by=agent, at=AT)


def tried(agent: User) -> None:
    """An agent tries the portal as a family, with a child that attends no class."""
    trials.make(trials.Wanted([trials.TrialChild(date(2019, 1, 1))]), by=agent, at=AT)


def days_of_many(home: Household, agent: User) -> None:
    """The town hall cancelled a day of the family's children with one act, and took it back."""
    coming = Booking.objects.holding().filter(household=home, day__gt=AT.date()).order_by("day", "pk").last()
    planned = lots.plan([coming.enrolment], LotVerb.CANCEL, coming.formula, [coming.day])
    said = {"whom": "1 enfant choisi", "reason": "Sortie.", "overrides": NONE, "tell": False}
    lot = lots.begin(planned, **said, by=agent, at=AT)
    lots.go_on(lot.pk, at=AT)
    lots.ask_back(lot, by=agent, at=AT)
    lots.go_back(lot.pk, at=AT)


def next_school_year(home: Household, agent: User) -> None:
    """The next year is prepared, a child stays in its class."""
    before = next_year.ending_year(AT.date())
    turn = next_year.begin(before, next_year.proposed(before), by=agent, at=AT)
    now = Schooling.objects.filter(child__custodies__household=home, school_year=before).order_by("pk")[0]
    room = turn.classes.get(copied_from=now.school_class)
    next_year.send(turn, {now.child_id: Way(Goes.CLASS, room)}, by=agent, at=AT)
    next_year.carry_out(turn, by=agent, at=AT)


def _paper(home: Household, name: str, by: User, **given: str) -> Document:
    return documents.keep(home, ContentFile(PAPER, name=name), "application/pdf", by=by, **given)


def quotient_changes(home: Household, parent: User, agent: User) -> None:
    """The family sent its quotient with a proof, which was accepted; another one waits."""
    for value in (Decimal(612), Decimal(640)):
        change = ChangeRequest.objects.create(
            household=home,
            kind=ChangeRequest.Kind.QUOTIENT,
            quotient=value,
            valid_from=AT.date(),
            proof=_paper(home, f"quotient-{value}.pdf", parent),
            requested_by=parent,
        )
        if value == 612:
            approval.accept_change(change, by=agent, at=AT)


def moves(home: Household, agent: User) -> None:
    """The family told that it leaves the town at the year's end; one of its children changed class, and could
    not keep a day on which the new one is away."""
    residences.settle(home, resident=not home.resident, since=date(2026, 12, 31), at=AT)
    pupil = home.children.filter(schoolings__isnull=False).order_by("pk")[0]
    now = pupil.schoolings.current().get()
    others = SchoolClass.objects.filter(school=now.school_class.school, school_year=now.school_year)
    other = others.exclude(pk=now.school_class_id).order_by("pk")[0]
    coming = Booking.objects.live().filter(child=pupil, day__gt=AT.date()).order_by("day", "pk")[0]
    Closure.objects.create(
        starts_on=coming.day, ends_on=coming.day, school_class=other, why="trip", label="Sortie au musée"
    )
    moving.carry_out(pupil, moving.Change(AT.date(), other), by=agent, at=AT)


def absences(home: Household, parent: User, agent: User) -> None:
    """A day's list was entered, a child of the family was ill: its certificate is accepted, the one for a day
    to come waits, and is announced."""
    eaten = Booking.objects.holding().filter(household=home, activity__service="catering")
    missed = eaten.filter(day__lt=AT.date()).order_by("day", "pk").last()
    coming = eaten.filter(day__gt=AT.date()).order_by("day", "pk").first()
    where = {"establishment": missed.establishment, "formula": missed.formula, "day": missed.day}
    others = Booking.objects.holding().filter(**where).exclude(household=home)
    said = {one.pk: attendance.Said(AttendanceState.PRESENT) for one in others}
    attendance.record(**where, said=said, by=agent, at=AT)
    for booking in (missed, coming):
        certificate = certificates.send(
            home,
            booking.child,
            booking.day,
            booking.day,
            file=ContentFile(PAPER, name=f"certificat-{booking.day}.pdf"),
            content_type="application/pdf",
            by=parent,
            at=AT,
        )
        if booking == missed:
            certificates.accept(certificate, by=agent, at=AT)
    AbsenceNotice.objects.create(
        household=home, child=coming.child, day=coming.day, announced_by=parent, announced_at=AT
    )
    PackedMeal.objects.create(enrolment=missed.enrolment, valid_from=AT.date() - timedelta(days=30))
    LateCollectionRule.objects.get_or_create(
        activity=missed.activity,
        valid_from=date(2025, 9, 1),
        defaults={"closes_at": time(18, 30), "quarter": 5},
    )
    late = {missed.child_id: time(18, 40)}
    late_collection.note(missed.establishment, missed.activity, missed.day, late, by=agent, at=AT)
    GivenUpDay.objects.create(
        household=home,
        child=coming.child,
        activity=coming.activity,
        formula=coming.formula,
        establishment=coming.establishment,
        day=coming.day + timedelta(days=30),
        cancelled_at=AT,
        cancelled_by=parent,
        price=Decimal("4.35"),
        percent=50,
        due=Decimal("2.17"),
        amount=Decimal("2.17"),
        words="Annulé 15 jours avant",
    )
    sold = TicketCard.objects.get(code="dix-repas")
    HouseholdCard.objects.create(
        card=sold,
        household=home,
        name=sold.name,
        tickets=10,
        price=38,
        bought_on=AT.date() - timedelta(days=400),
        valid_until=AT.date() - timedelta(days=300),
        bought_by=parent,
    )
    OversightDecision.objects.create(
        household=home,
        child=missed.child,
        activity=missed.activity,
        stops=OversightDecision.Kind.LATE,
        count=3,
        since=AT.date(),
        until=AT.date() + timedelta(days=30),
        sentence="Parlons-en.",
        reason="Trois appels.",
        decided_at=AT,
        decided_by=agent,
    )
    ChildStatus.objects.create(
        child=missed.child,
        kind=Status.SCHOLARSHIP,
        valid_from=AT.date() - timedelta(days=30),
        known_on=AT.date(),
    )


def desk_notes(home: Household, agent: User) -> None:
    """An alert that somebody has seen."""
    note = notes.write(home, None, "Préfère être appelée après 17 h.", AT.date(), by=agent, at=AT)
    notes.see(note, by=agent, at=AT)


def invited(home: Household, agent: User) -> None:
    """An adult of the household without a login is to be invited on paper."""
    Guardian.objects.create(household=home, first_name="Sacha", last_name="Invité")
    invitations.begin(Household.objects.filter(pk=home.pk), whom="1 foyer choisi", by=agent, at=AT)


def papers(home: Household, parent: User, agent: User) -> None:
    """The family gave a judgment that the town hall asked for, which is accepted."""
    judgment, child = PaperKind.objects.get(code="jugement"), home.children.order_by("pk")[0]
    sending.ask(home, judgment, child, at=AT)
    said = Said(ContentFile(PAPER, name="jugement.pdf"), "application/pdf")
    paper = sending.send(home, judgment, child, said, by=parent, at=AT)
    sending.accept(paper, ends_on=None, by=agent, at=AT)


def accounts(parent: User, regie: User) -> None:
    """The accountant has a second factor and keeps a filter; the family logged in after a wrong password, and
    asked for its data and for the address of its calendar."""
    TOTP.activate(regie, generate_totp_secret())
    RecoveryCodes.activate(regie)
    KeptFilter.objects.create(
        user=regie, page="families_household", name="À valider", query="state__exact=requested"
    )
    for kind in (SecurityEvent.Kind.FAILED, SecurityEvent.Kind.LOGIN):
        security.note(kind, user=parent, login=parent.username)
    LoginCounter.objects.create(who=str(parent.pk), failures=1, last_at=AT, forgotten_at=AT + PAST)
    guardian = parent.guardians.get()
    asking.ask(guardian, by=parent, at=AT)
    calendar_links.make(guardian, replaces="", at=AT)


def one_of_two(agent: User) -> None:
    """The family that the demo has typed twice is one household again."""
    (pair,) = alike.pairs()
    asked = joining.read(pair.older, pair.newer, {})
    shown = joining.foresee(asked, at=AT)
    joining.join(asked, shown.fingerprint, reason="Inscrits deux fois.", by=agent, at=AT)


def in_hand(home: Household, agent: User) -> None:
    """A decision that can still be taken back, and a long list on paper."""
    HeldDecision.objects.create(
        about="reservations.enrolment",
        row=home.enrolments.order_by("pk")[0].pk,
        seen="0" * 64,
        action="accept_selected",
        posted={},
        said=[[25, "1 inscription acceptée."]],
        by=agent,
        at=AT,
        final_at=AT + timedelta(minutes=2),
    )
    printed = PrintedList.objects.create(
        page="families.household",
        title="Foyers",
        filters=[],
        address="/mairie/families/household/",
        keys=[str(home.pk)],
        by=agent,
        asked_at=AT,
    )
    part = PrintedPart(of=printed, number=1, first=1, last=1, made_at=AT, rows=1)
    part.file.save("liste.pdf", ContentFile(PAPER))


def kept_going() -> None:
    """A worker that was stopped, the night's backup, and one from which the portal was brought back."""
    Worker.objects.create(
        name="0" * 32, machine="serveur", started_at=AT - PAST, seen_at=AT, unbroken_since=AT - PAST
    )
    Backup.objects.create(made_at=AT, name="portail-2026-11-09.sauvegarde", size=553_000, files=12)
    Restoration.objects.create(restored_at=AT - PAST, made_at=AT - PAST, released_at=AT - PAST)


def letters(parent: User) -> None:
    """The family was written, chose its reminders and got one; a day to come was full once."""
    mailing.post("account/password_changed", [parent.email], {"name": ""})
    guardian = parent.guardians.get()
    choices.choose(guardian, ["usual", "quotient"], at=AT)
    Reminder.objects.create(guardian=guardian, kind="usual", mark="0" * 64, evening=AT.date(), at=AT)
    ReminderRound.objects.create(evening=AT.date(), done_at=AT)
    FullSlot.objects.create(slot=Slot.objects.filter(day__gt=AT.date()).order_by("pk")[0], seen_at=AT)


def messages(agent: User) -> None:
    """A message to all families waits with a file; the demo's, which has left, has a copy each. An adult
    has a code, a letter has words of its own."""
    waits = FamilyMessage.objects.get(state=FamilyMessage.State.DRAFT)
    attachments.add(waits, ContentFile(PAPER, name="plan.pdf"), "application/pdf")
    left = FamilyMessage.objects.get(state=FamilyMessage.State.SENT)
    printing.print_message(left.pk)
    codes.make(Guardian.objects.filter(user=None).order_by("pk")[0], by=agent, at=AT)
    LetterWording.objects.create(kind="families/paper_asked", closing="Au guichet aussi.")


def brought(manager: User) -> None:
    """The demo's file waits, checked; another one was imported, with its numbers."""
    titles = "Famille Identifiant;Nom enfant;Prénom enfant;Né(e) le;Adresse;CP;Commune"
    row = "7;Vidal;Noé;03/01/2019;3 rue du Verger;01999;Ville"
    file = running.receive(f"{titles}\n{row}".encode(), name="reprise.csv", source="A", by=manager, at=AT)
    columns = {int(place): key for place, key in file.columns.items()}
    running.match(file, columns, source="A", options={}, at=AT)
    running.ask_check(file)
    running.check(file.pk, at=AT)
    running.ask_run(file, by=manager)
    running.run(file.pk, at=AT)


def documents_of_money(regie: User) -> None:
    """A credit note, a line by hand, a printed invoice, a month recalculated, a reminder with its letter."""
    late = Invoice.objects.with_balance().filter(left__gt=5, due_on__lt=AT.date()).order_by("pk")
    reminded = late[0]
    lost = {"label": "Carte perdue", "unit_price": 5, "reason": "Remplacement"}
    ManualCharge.objects.create(household=reminded.household, created_by=regie, **lost)
    fee = Fee.objects.create(code="adhesion-test", name="Adhésion")
    fee.activities.set(Activity.objects.all())
    FeePrice.objects.create(fee=fee, amount=15)
    fees.note_all(until=AT.date())
    invoicing.credit(reminded, Wanted(amount=Decimal("1.50")), reason="Repas non servi", by=regie, at=AT)
    pdf.stored(reminded, at=AT)
    home = reminded.household
    recalculation = recalculating.ask(reminded.month, household=home, reason="Vérifié", by=regie, at=AT)
    recalculating.count(recalculation)
    RecalculatedHousehold.objects.get_or_create(
        recalculation=recalculation, household=home, defaults={"billed": 5, "amount": 5}
    )
    reminding.remind([reminded.pk], at=AT, by=regie)
    PriorityFact.objects.create(household=home, kind="work", since=AT.date(), noted_at=AT, noted_by=regie)
    decision = ArrearsDecision.objects.create(
        household=home,
        stops="late",
        left=reminded.left,
        since=AT.date(),
        ends_when_paid=True,
        sentence="Parlons-en : un échéancier est possible.",
        reason="Une relance, aucun appel.",
        decided_at=AT,
        decided_by=regie,
    )
    decision.activities.set(Activity.objects.filter(code="restauration-scolaire"))
    decision.invoices.set([reminded])
    for lot in letter_printing.lots(AT):
        letter_printing.print_lot(lot, at=AT)
