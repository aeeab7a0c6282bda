"""What this app holds of two households, when they become one: adults, children, address, quotient, papers.

The people's `Part` of `joining`. What of two rows may stand decides a rule said here; whatever is not named
here moves as it is (`fates`).
"""

from datetime import date, datetime, timedelta

from django.db.models import BigIntegerField, Case, F, Q, Value, When
from django.utils import timezone

from families import diets, residences
from families.addresses import Address
from families.approval import ADDRESS
from families.custody import openings
from families.funds import consents
from families.joining import accesses, fates
from families.joining.fates import Joins
from families.joining.joining import EMPTIED, KEPT, Choice, Foreseen, Joining, Part, in_words
from families.models import (
    AccessOpening,
    AuthorisedPerson,
    CalendarLink,
    ChangeRequest,
    Child,
    ChildHealth,
    Custody,
    CustodyCalendar,
    CustodyDates,
    DataExport,
    Document,
    ErasureRequest,
    FamilyQuotient,
    Household,
    HouseholdNote,
    Invited,
    Letter,
    Paper,
    Reminder,
    ReminderChoice,
    Thread,
    User,
)
from families.papers import sending
from families.texts import accepting
from portal.database.encrypted import Unreadable
from portal.database.history import written_by
from portal.french.amounts import number
from portal.french.dates import short_day

KEYS = {
    "families.Household.joined_to": Joins.RULED,
    "families.Child.joined_to": Joins.RULED,
    "families.Guardian.household": Joins.RULED,
    "families.Custody.household": Joins.RULED,
    "families.Custody.child": Joins.RULED,
    # Where it lived is a fact of each household: the address that was chosen holds from today.
    "families.Residence.household": Joins.STAYS,
    "families.FormerAddress.household": Joins.STAYS,
    "families.FamilyQuotient.household": Joins.RULED,
    # What the CAF or the MSA answered of each household then.
    "families.QuotientAnswer.household": Joins.STAYS,
    "families.QuotientConsent.guardian": Joins.RULED,
    "families.ChildHealth.child": Joins.RULED,
    "families.DietChoice.child": Joins.RULED,
    "families.HomeDiet.child": Joins.RULED,
    "families.HomeDiet.household": Joins.RULED,
    "families.CustodyCalendar.child": Joins.MOVES,
    "families.CustodyCalendar.even": Joins.RULED,
    "families.CustodyCalendar.odd": Joins.RULED,
    "families.CustodyCalendar.first_half": Joins.RULED,
    "families.CustodyCalendar.asked_by_home": Joins.RULED,
    "families.CustodyDates.household": Joins.RULED,
    "families.AuthorisedPerson.child": Joins.RULED,
    "families.SourceNumber.household": Joins.MOVES,
    "families.SourceNumber.child": Joins.MOVES,
    "families.Document.household": Joins.MOVES,
    "families.Paper.household": Joins.RULED,
    "families.Paper.child": Joins.RULED,
    # The latest answer of both counts, but for a « non », which stays.
    "families.TextAnswer.household": Joins.MOVES,
    "families.TextAnswer.child": Joins.MOVES,
    "families.ChangeRequest.household": Joins.MOVES,
    "families.ChangeRequest.child": Joins.MOVES,
    "families.ErasureRequest.household": Joins.MOVES,
    "families.Thread.household": Joins.MOVES,
    "families.Thread.child": Joins.MOVES,
    "families.HouseholdNote.household": Joins.MOVES,
    "families.HouseholdNote.child": Joins.MOVES,
    "families.DataExport.household": Joins.MOVES,
    "families.DataExport.guardian": Joins.MOVES,
    "families.AccessOpening.household": Joins.MOVES,
    "families.AccessOpening.guardian": Joins.MOVES,
    "families.AccessOpening.child": Joins.MOVES,
    "families.AccessOpening.copy": Joins.MOVES,
    # None is left once two homes are one.
    "families.GuardianCode.guardian": Joins.RULED,
    "families.Invited.guardian": Joins.RULED,
    "families.OwnDecision.household": Joins.MOVES,
    "families.Letter.household": Joins.MOVES,
    "families.Letter.guardian": Joins.MOVES,
    # Which copies of a message left, and for which of both homes.
    "families.MessageCopy.household": Joins.STAYS,
    "families.MessageCopy.guardian": Joins.MOVES,
    "families.ReminderChoice.guardian": Joins.RULED,
    "families.Reminder.guardian": Joins.RULED,
    "families.CalendarLink.guardian": Joins.RULED,
    "families.CalendarLink_hidden_children.child": Joins.RULED,
    # Who read what of whom never changes; a family finds the lines of what was joined to it.
    "families.Reading.household": Joins.STAYS,
    "families.Reading.child": Joins.STAYS,
    "families.Concerned.household": Joins.STAYS,
    "families.Concerned.child": Joins.STAYS,
    "families.HomeChange.household": Joins.STAYS,
    "families.HomeChange.other": Joins.STAYS,
}
ADULTS, CHILDREN, HOME = "Adultes", "Enfants", "Adresse et quotient"
PAPERS = "Demandes, justificatifs et messages"
A_DAY = timedelta(days=1)


# Preview --------------------------------------------------------------------------------------------------


def _foresee(joining: Joining, at: datetime, found: Foreseen) -> None:
    _say_adults(joining, found)
    accesses.say(joining, timezone.localdate(at), found)
    _say_children(joining, timezone.localdate(at), found)
    _say_home(joining, timezone.localdate(at), found)
    _say_papers(joining, found)


def _say_adults(joining: Joining, found: Foreseen) -> None:
    here = {one.pk: one for one in joining.known.kept_adults}
    for adult in joining.known.emptied_adults:
        same = here.get(joining.adults.get(adult.pk, 0))
        if same is None:
            found.say(ADULTS, f"{adult} rejoint le foyer n°\xa0{joining.kept.number}.")
            continue
        choice = accesses.login_choice(same, adult)
        if choice is not None:
            found.choices.append(choice)
            stays, goes = (same, adult) if joining.answer(choice) == KEPT else (adult, same)
            if stays.user and goes.user:
                found.say(
                    ADULTS,
                    f"{same} est une seule personne : l'identifiant « {stays.user.username} » reste, "
                    f"« {goes.user.username} » est fermé, sauf s'il sert à un autre foyer ou à la mairie.",
                )
        elif adult.user and not same.user:
            found.say(ADULTS, f"{same} est une seule personne, avec l'identifiant « {adult.user.username} ».")
        else:
            found.say(ADULTS, f"{same} est une seule personne.")
    if not joining.known.emptied_adults:
        found.say(ADULTS, f"Le foyer n°\xa0{joining.emptied.number} n'a aucun responsable.")


def _say_children(joining: Joining, today: date, found: Foreseen) -> None:
    here = {child.pk: child for child in joining.known.kept_children}
    doubles = joining.children
    elsewhere = set(
        Custody.objects.filter(child__in=doubles)
        .exclude(household__in=joining.homes)
        .values_list("child_id", flat=True)
    )
    # Its other home would see what the double's said, on the word of one agent.
    shared = set(
        Custody.objects.filter(Q(until=None) | Q(until__gt=today), child__in=doubles.values())
        .exclude(household__in=joining.homes)
        .values_list("child_id", flat=True)
    )
    for child in joining.known.emptied_children:
        if child.pk in here:
            found.say(CHILDREN, f"{child} vit déjà dans les deux foyers : n'en a plus qu'un des deux.")
        elif child.pk in doubles:
            found.say(CHILDREN, f"{child} était saisi deux fois : un seul dossier reste.")
            if child.pk in elsewhere:
                found.obstacles.append(
                    f"Le double de {child} vit, ou a vécu, dans un troisième foyer : répondez « Deux "
                    "enfants », ou rattachez d'abord cet enfant à son dossier."
                )
            if doubles[child.pk] in shared:
                found.obstacles.append(
                    f"{child} vit aussi dans un troisième foyer, qui verrait ce que dit le double : répondez "
                    "« Deux enfants », ou rattachez d'abord cet enfant à son dossier."
                )
        else:
            found.say(CHILDREN, f"{child} vit désormais dans le foyer n°\xa0{joining.kept.number}.")
    _say_health(joining, found)
    _say_diets(joining, found)
    between = CustodyCalendar.objects.filter(_between(joining))
    if between.filter(state__in=(CustodyCalendar.State.CONFIRMED, CustodyCalendar.State.WAITING)).exists():
        found.say(CHILDREN, "Le calendrier de garde entre ces deux foyers n'est plus suivi.")


def _health(joining: Joining) -> dict[int, ChildHealth]:
    keys = {*joining.children, *joining.children.values()}
    return {row.child_id: row for row in ChildHealth.objects.filter(child__in=keys)} if keys else {}


def _say_health(joining: Joining, found: Foreseen) -> None:
    files = _health(joining)
    names = {child.pk: child for child in joining.known.kept_children}
    for double, child in joining.children.items():
        if double not in files or child not in files:
            continue
        if not _readable(files[double]) or not _readable(files[child]):
            found.obstacles.append(
                f"Une fiche sanitaire de {names[child]} ne peut pas être lue : corrigez-la d'abord."
            )
        else:
            found.say(
                CHILDREN,
                f"{names[child]} avait deux fiches sanitaires : ce que disent l'une et l'autre est gardé, "
                "à relire avec la famille.",
            )


def _readable(health: ChildHealth) -> bool:
    values = (health.allergens, health.allergies, health.treatment, health.doctor, health.doctor_phone)
    return not any(isinstance(value, Unreadable) for value in values)


def _say_diets(joining: Joining, found: Foreseen) -> None:
    names = {child.pk: child for child in joining.known.kept_children}
    for child, diet in diets.foresee_joined(joining.children, joining.kept, joining.emptied):
        found.say(CHILDREN, f"{names[child]} : deux régimes étaient indiqués, le plus strict reste ({diet}).")


def _say_home(joining: Joining, today: date, found: Foreseen) -> None:
    kept, emptied = joining.kept, joining.emptied
    address = _address_choice(kept, emptied)
    if address is not None:
        found.choices.append(address)
    chosen = emptied if address and joining.answer(address) == EMPTIED else kept
    found.say(HOME, f"Adresse : {_address(chosen)}.")
    if chosen.resident != kept.resident:
        where = "habite la commune" if chosen.resident else "n'habite pas la commune"
        found.say(HOME, f"À partir d'aujourd'hui, le foyer {where} : les jours d'avant gardent leur tarif.")
    elif kept.resident != emptied.resident:
        found.say(
            HOME,
            f"Les jours du foyer n°\xa0{emptied.number} qui ne sont pas encore facturés le seront au tarif "
            f"du foyer n°\xa0{kept.number}.",
        )
    choice, theirs, ours = _quotients(joining, today)
    if choice is not None:
        found.choices.append(choice)
        counts = theirs if joining.answer(choice) == EMPTIED else ours
        found.say(HOME, f"Quotient familial : {_quotient(counts)}, l'autre n'est pas repris.")
    elif theirs and not ours:
        found.say(HOME, "Les quotients familiaux suivent, avec leurs dates.")
    elif ours:
        found.say(HOME, f"Quotient familial : {_quotient(ours)}.")


def _address_choice(kept: Household, emptied: Household) -> Choice | None:
    if _address(kept) == _address(emptied):
        return None
    options = ((KEPT, _address(kept)), (EMPTIED, _address(emptied)))
    return Choice("adresse", "Quelle adresse est la bonne ?", options, KEPT)


def _address(home: Household) -> str:
    street = ", ".join(part for part in (home.street, home.street_more) if part)
    return f"{street}, {home.postcode} {home.city}"


def _quotient(row: FamilyQuotient | None) -> str:
    return f"{number(row.value)}, à partir du {short_day(row.valid_from, year=True)}" if row else "aucun"


def _quotients(
    joining: Joining, today: date
) -> tuple[Choice | None, FamilyQuotient | None, FamilyQuotient | None]:
    """What is asked, and the last quotient of either household."""
    rows = FamilyQuotient.objects.filter(household__in=joining.homes).order_by("valid_from")
    last: dict[int, FamilyQuotient] = {row.household_id: row for row in rows}
    ours, theirs = last.get(joining.kept.pk), last.get(joining.emptied.pk)
    if ours is None or theirs is None or ours.value == theirs.value:
        return None, theirs, ours
    options = ((KEPT, _quotient(ours)), (EMPTIED, _quotient(theirs)))
    hint = "Celui du foyer réuni vaudrait à partir d'aujourd'hui, ou de sa date si elle est à venir."
    return Choice("quotient", "Quel quotient familial compte ?", options, KEPT, hint), theirs, ours


def _say_papers(joining: Joining, found: Foreseen) -> None:
    emptied = joining.emptied
    requests = ChangeRequest.objects.filter(household__in=joining.homes, state=ChangeRequest.State.REQUESTED)
    waiting: dict[str, set[int]] = {}
    followed = 0
    for request in requests:
        waiting.setdefault(request.kind, set()).add(request.household_id)
        followed += request.household_id == emptied.pk
        if request.child_id in joining.children:
            found.obstacles.append(
                f"L'ajout d'un enfant attend une réponse dans le foyer n°\xa0{emptied.number} : "
                "répondez-y d'abord."
            )
    for kind, homes in sorted(waiting.items()):
        if len(homes) == 2 and kind != ChangeRequest.Kind.CHILD:
            label = ChangeRequest.Kind(kind).label
            found.obstacles.append(
                f"Deux demandes « {label} » attendent, une dans chaque foyer : répondez d'abord à l'une."
            )
    if ErasureRequest.objects.filter(
        household__in=joining.homes, state=ErasureRequest.State.REQUESTED
    ).exists():
        found.obstacles.append("Une demande d'effacement attend sa réponse.")
    if (
        AccessOpening.objects.waiting()
        .filter(Q(household__in=joining.homes) | Q(child__in=joining.children) | Q(copy__in=joining.children))
        .exists()
    ):
        found.obstacles.append(
            "Un accès attend d'être confirmé dans l'un de ces foyers : qu'il le soit, ou soit refusé."
        )
    if DataExport.objects.filter(guardian__in=joining.adults, state=DataExport.State.WAITING).exists():
        found.obstacles.append("Une copie de données est en préparation pour un adulte de ces foyers.")
    found.say(
        PAPERS,
        in_words(followed, "demande qui attend suit", "demandes qui attendent suivent"),
        in_words(
            Document.objects.filter(household=emptied).count(), "justificatif suit", "justificatifs suivent"
        ),
        in_words(
            Paper.objects.filter(household=emptied).count(),
            "papier demandé ou envoyé suit ; de deux du même genre, le plus durable reste",
            "papiers demandés ou envoyés suivent ; de deux du même genre, le plus durable reste",
        ),
        in_words(Letter.objects.filter(household=emptied).count(), "message suit", "messages suivent"),
        in_words(
            Thread.objects.filter(household=emptied).count(),
            "échange avec la mairie suit",
            "échanges avec la mairie suivent",
        ),
        in_words(
            HouseholdNote.objects.filter(household=emptied).count(),
            "note d'agent suit",
            "notes d'agents suivent",
        ),
    )


# The act --------------------------------------------------------------------------------------------------


def _join(joining: Joining, by: User, at: datetime) -> None:
    today = timezone.localdate(at)
    _join_adults(joining, today, by, at)
    _join_home(joining, today, at)
    _join_calendars(joining, at)
    _join_health(joining, by)
    _join_collectors(joining)
    diets.join(joining.children, joining.kept, joining.emptied, at=at)
    sending.join(joining.children, joining.kept, joining.emptied, at=at)
    accepting.join(joining.children, joining.kept, joining.emptied, by=by, at=at)
    _join_custodies(joining, by)


def _join_adults(joining: Joining, today: date, by: User, at: datetime) -> None:
    here = {one.pk: one for one in joining.known.kept_adults}
    logins = accesses.of(joining, today)
    # Who holds the secret address of a calendar is who had the login, and no other.
    gone = [row.pk for one in logins for row in (one.adult, one.twin) if row and row.user_id != one.user.pk]
    CalendarLink.objects.filter(guardian__in=gone).delete()
    if all(accesses.holds_somebody(joining).values()):
        openings.forget_expected(joining.homes, at=at)
    tied = {one.adult.pk: one.user for one in logins if not one.waits}
    for adult in joining.known.emptied_adults:
        same = here.get(joining.adults.get(adult.pk, 0))
        if same is None:
            adult.household, adult.user = joining.kept, tied.get(adult.pk)
            written_by(adult, by).save()
            continue
        same.phone = same.phone or adult.phone
        same.phone_work = same.phone_work or adult.phone_work
        same.email_given = same.email_given or adult.email_given
        same.is_payer = same.is_payer or adult.is_payer
    twice = set(joining.adults.values())
    for same in here.values():
        before, same.user = same.user, tied.get(same.pk)
        if same.pk in twice or same.user != before:
            written_by(same, by).save()
    for one in logins:
        if one.waits:
            openings.ask_joined(one.adult, one.user, by=by, at=at)
    pairs = joining.adults
    fates.rename_new(ReminderChoice.objects.all(), "guardian", pairs, ("kind",))
    fates.rename_new(Reminder.objects.all(), "guardian", pairs, ("kind", "mark"))
    fates.rename_new(CalendarLink.objects.all(), "guardian", pairs)
    fates.rename_new(Invited.objects.all(), "guardian", pairs, ("lot",))
    consents.join(pairs, by=by, at=at)


def _join_home(joining: Joining, today: date, at: datetime) -> None:
    kept, emptied = joining.kept, joining.emptied
    address = _address_choice(kept, emptied)
    if address is not None and joining.answer(address) == EMPTIED:
        before = Address.of(kept)
        for name in ADDRESS:
            setattr(kept, name, getattr(emptied, name))
        kept.save()
        residences.move(kept, before, since=today, at=at)
        if kept.resident != emptied.resident:
            residences.settle(kept, resident=emptied.resident, since=today, at=at)
    if emptied.notes:
        kept.notes = _both(kept.notes, emptied.notes)
        Household.objects.filter(pk=kept.pk).update(notes=kept.notes)
    choice, theirs, ours = _quotients(joining, today)
    if ours is None:
        FamilyQuotient.objects.filter(household=emptied).update(household=kept)
    elif choice is not None and theirs is not None and joining.answer(choice) == EMPTIED:
        _take_quotient(kept, theirs, today)


def _take_quotient(kept: Household, theirs: FamilyQuotient, today: date) -> None:
    """From today, or from its first day to come, the other household's quotient counts."""
    start = max(theirs.valid_from, today)
    if theirs.valid_to is not None and theirs.valid_to < start:
        return
    before = kept.quotients.filter(valid_from__lt=start).filter(Q(valid_to=None) | Q(valid_to__gte=start))
    for row in before:
        row.valid_to, row.end_known_on = start - A_DAY, today
        row.save()
    kept.quotients.filter(valid_from__gte=start).delete()
    FamilyQuotient.objects.create(
        household=kept, value=theirs.value, valid_from=start, valid_to=theirs.valid_to, known_on=today
    )


def _between(joining: Joining) -> Q:
    kept, emptied = joining.kept, joining.emptied
    return Q(even=kept, odd=emptied) | Q(even=emptied, odd=kept)


def _join_calendars(joining: Joining, at: datetime) -> None:
    """Between both there is nothing left to share; with a third home, the kept one takes the turn over."""
    between = CustodyCalendar.objects.filter(_between(joining))
    Child.objects.filter(custody_calendar__in=between).update(custody_calendar=None)
    between.filter(state=CustodyCalendar.State.WAITING).update(
        state=CustodyCalendar.State.WITHDRAWN, answered_at=at
    )
    there = joining.emptied.pk
    others = CustodyCalendar.objects.exclude(_between(joining)).filter(Q(even=there) | Q(odd=there))
    keys = list(others.values_list("pk", flat=True))

    def moved(name: str) -> Case:
        moves = When(**{name: there}, then=Value(joining.kept.pk))
        return Case(moves, default=F(name), output_field=BigIntegerField())

    if keys:
        CustodyCalendar.objects.filter(pk__in=keys).update(
            **{name: moved(name) for name in ("even", "odd", "first_half", "asked_by_home")}
        )
        CustodyDates.objects.filter(calendar__in=keys, household=there).update(household=joining.kept)


def _join_health(joining: Joining, by: User) -> None:
    """Nothing that one of two files says is lost."""
    files = _health(joining)
    for double, child in joining.children.items():
        theirs, ours = files.get(double), files.get(child)
        if theirs is None:
            continue
        if ours is None:
            theirs.child_id = child
            written_by(theirs, by).save()
            continue
        ours.has_pai = ours.has_pai or theirs.has_pai
        ours.allergens = list(dict.fromkeys([*ours.allergens, *theirs.allergens]))
        ours.allergies = _both(ours.allergies, theirs.allergies)
        ours.treatment = _both(ours.treatment, theirs.treatment)
        ours.doctor_phone = ours.doctor_phone if ours.doctor else theirs.doctor_phone
        ours.doctor = ours.doctor or theirs.doctor
        written_by(ours, by).save()
        theirs.delete()


def _both(ours: str, theirs: str) -> str:
    return "\n".join(dict.fromkeys(text for text in (ours, theirs) if text))


def _join_collectors(joining: Joining) -> None:
    """People who fetch a child, each once; and what a calendar of one's own hides of it."""
    pairs = joining.children
    if not pairs:
        return
    rows = AuthorisedPerson.objects.filter(child__in={*pairs, *pairs.values()}).order_by("pk")
    known = {(row.child_id, row.name.casefold(), row.phone) for row in rows if row.child_id not in pairs}
    free = [
        row.pk
        for row in rows
        if row.child_id in pairs and (pairs[row.child_id], row.name.casefold(), row.phone) not in known
    ]
    fates.rename(AuthorisedPerson.objects.filter(pk__in=free), "child", pairs)
    AuthorisedPerson.objects.filter(child__in=pairs).delete()
    hidden = CalendarLink.hidden_children.through.objects
    found = set(hidden.filter(child__in={*pairs, *pairs.values()}).values_list("calendarlink", "child"))
    wanted = {(link, pairs.get(child, child)) for link, child in found}
    hidden.filter(child__in=pairs).delete()
    hidden.bulk_create(
        hidden.model(calendarlink_id=link, child_id=child) for link, child in sorted(wanted - found)
    )


def _join_custodies(joining: Joining, by: User) -> None:
    """One row for a child and the kept household, from the earliest day to the latest."""
    rows = list(Custody.objects.filter(household__in=joining.homes).order_by("pk"))
    ours = {row.child_id: row for row in rows if row.household_id == joining.kept.pk}
    for row in rows:
        if row.household_id == joining.kept.pk:
            continue
        child = joining.children.get(row.child_id, row.child_id)
        same = ours.get(child)
        if same is None:
            row.child_id, row.household = child, joining.kept
            written_by(row, by).save()
            continue
        same.since = min(same.since, row.since) if same.since and row.since else None
        same.until = max(same.until, row.until) if same.until and row.until else None
        written_by(row, by).delete()
        written_by(same, by).save()


PART = Part(_foresee, _join)
