"""Steps of « Premiers pas » that the engine lends: from the schools to the deadlines."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from portal import town
from portal.desk import first_steps
from portal.desk.first_steps import Missing, Page, Readiness, Standing, Step
from portal.french import moments
from portal.french.dates import WEEKDAYS
from portal.french.plurals import counted
from portal.french.sentences import lower_first
from portal.french.weekdays import names_of
from portal.reservations.days import first_days
from portal.reservations.deadlines import wording
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Capacity,
    Establishment,
    Formula,
    Period,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    SchoolYear,
    Slot,
)
from portal.reservations.states import Action

# A line names so many, and counts the others.
NAMED = 6


def named(names: Iterable[str]) -> str:
    """« A, B et C », the first of many."""
    found = list(names)
    if len(found) <= NAMED:
        return moments.listing(found)
    return f"{', '.join(found[:NAMED])} et {len(found) - NAMED} de plus"


def current_year(at: datetime) -> SchoolYear | None:
    """The school year that a town gets ready for: the one that goes on, or else the next."""
    today = timezone.localdate(at)
    years = SchoolYear.objects.filter(ends_on__gte=today).order_by("starts_on")
    return first_steps.once("year", years.first)


def schools_of_town() -> list[Establishment]:
    rows = Establishment.objects.filter(kind=Establishment.Kind.SCHOOL, active=True)
    return first_steps.once("schools", lambda: list(rows.order_by("name")))


def offered(at: datetime) -> list[Activity]:
    """With all that steps say of activities; ten queries."""
    today = timezone.localdate(at)
    has_slots = Exists(
        Slot.objects.filter(
            activity=OuterRef("activity"), day__gte=OuterRef("starts_on"), day__lte=OuterRef("ends_on")
        )
    )
    to_come = (
        Period.objects.filter(ends_on__gte=today)
        .annotate(is_opened=has_slots)
        .order_by("starts_on", "ends_on", "pk")
    )
    usual = Capacity.objects.filter(formula=None).select_related("establishment")
    general = ActivityDeadline.objects.filter(formula=None, period=None).select_related("rule")
    rows = Activity.objects.filter(active=True).prefetch_related(
        Prefetch("formulas", Formula.objects.filter(active=True).order_by("order", "name")),
        Prefetch("periods", to_come),
        Prefetch("capacities", usual),
        Prefetch("deadlines", general.prefetch_related("rule__windows__public")),
        "establishments__schools",
    )
    return first_steps.once("activities", lambda: list(rows))


def schools(at: datetime) -> Standing:
    """Three queries."""
    found = schools_of_town()
    year, stands = current_year(at), Standing()
    if not found:
        page = reverse("admin:reservations_establishment_add")
        stands.missing.append(Missing("Aucune école.", page, "reservations.add_establishment"))
        return stands
    schools_said = counted(len(found), "école", "écoles")
    stands.there.append(f"{schools_said} : {named(str(one) for one in found)}.")
    if year is None:
        text = "Les classes viennent après le calendrier : une classe est celle d'une année scolaire."
        stands.missing.append(Missing(text, needed=False))
        return stands
    of_year = SchoolClass.objects.filter(school_year=year).values_list("school", flat=True)
    classes = Counter(of_year)
    if classes:
        said = counted(classes.total(), "classe", "classes")
        stands.there.append(f"{said} en {year}.")
    without = [one for one in found if not classes[one.pk]]
    if without:
        page = reverse("admin:reservations_schoolclass_add")
        text = f"Pas encore de classe en {year} : {named(str(one) for one in without)}."
        stands.missing.append(Missing(text, page, "reservations.add_schoolclass"))
    return stands


def calendar(at: datetime) -> Standing:
    """Three queries."""
    year, stands = current_year(at), Standing()
    page, right = reverse("admin:reservations_calendar_import"), "reservations.add_schoolholiday"
    if year is None:
        stands.missing.append(Missing("Aucune année scolaire en cours ni à venir.", page, right))
        return stands
    stands.there.append(f"Année {year} : classe {moments.span(year.starts_on, year.ends_on, year=True)}.")
    zone = town.current().zone
    between = Q(starts_on__lte=year.ends_on, ends_on__gte=year.starts_on)
    holidays = SchoolHoliday.objects.filter(between, zone=zone).count()
    public = PublicHoliday.objects.filter(day__range=(year.starts_on, year.ends_on)).count()
    if holidays:
        said = counted(holidays, "période de vacances", "périodes de vacances")
        stands.there.append(f"{said} (zone {zone}).")
    else:
        stands.missing.append(
            Missing(f"Pas de vacances scolaires de la zone {zone} en {year} : tout ouvrirait.", page, right)
        )
    if public:
        stands.there.append(f"{counted(public, 'jour férié', 'jours fériés')}.")
    else:
        stands.missing.append(Missing(f"Aucun jour férié en {year} : tout ouvrirait.", page, right))
    return stands


def _change(activity: Activity) -> str:
    return reverse("admin:reservations_activity_change", args=[activity.pk])


def activities(at: datetime) -> Standing:
    """Of `offered`, as are the steps below."""
    found, stands = offered(at), Standing()
    if not found:
        page = reverse("admin:reservations_activity_add")
        stands.missing.append(Missing("Aucune activité.", page, "reservations.add_activity"))
        return stands
    of_town = schools_of_town()
    for one in found:
        formulas = [str(formula) for formula in one.formulas.all()]
        places = [place for place in one.establishments.all() if place.active]
        lacks = [
            what
            for what, there in (
                ("de formule", formulas),
                ("d'établissement", places),
                ("de jour de la semaine", one.weekdays),
            )
            if not there
        ]
        if lacks:
            text = f"« {one} » n'a pas {' ni '.join(lacks)}."
            stands.missing.append(Missing(text, _change(one), "reservations.change_activity"))
            continue
        days = names_of(one.weekdays)
        stands.there.append(f"{one} : {named(formulas)} ({days} ; {named(map(str, places))}).")
        for place in places:
            served = list(place.schools.all()) or of_town
            if text := _opens_without_school(one, place, served):
                stands.doubtful.append(Missing(text, _change(one), "reservations.change_activity"))
    return stands


def _opens_without_school(activity: Activity, place: Establishment, schools: list[Establishment]) -> str:
    """What is said of an activity that opens on a day on which none of the schools has class; "" if none."""
    days = first_days.weekdays_without_class(activity, place, schools)
    if not days:
        return ""
    said = moments.listing([WEEKDAYS[day] for day in days])
    return f"« {activity} » ouvre le {said} à « {place} », où aucune école desservie n'a classe ce jour-là."


def periods(at: datetime) -> Standing:
    rows, stands = offered(at), Standing()
    shut: list[str] = []
    for activity in rows:
        its: list[Any] = list(activity.periods.all())
        if not its:
            add = reverse("admin:reservations_period_add")
            text = f"« {activity} » n'a pas de période à venir : rien ne peut être réservé."
            stands.missing.append(Missing(text, f"{add}?activity={activity.pk}", "reservations.add_period"))
            continue
        closed = [str(one) for one in its if not one.is_opened]
        opened = [one for one in its if one.is_opened]
        if opened:
            last = max(one.ends_on for one in opened)
            stands.there.append(f"{activity} : créneaux ouverts jusqu'au {moments.day(last, year=True)}.")
        if not opened:
            shut.append(str(activity))
        elif closed:
            page = reverse("admin:reservations_period_changelist")
            text = f"« {activity} » : créneaux pas encore ouverts pour {named(closed)}."
            stands.doubtful.append(Missing(text, page, "reservations.add_slot"))
    if shut:
        page = reverse("admin:reservations_period_changelist")
        text = f"Créneaux à ouvrir (« Ouvrir les créneaux… ») : {named(shut)}."
        stands.missing.append(Missing(text, page, "reservations.add_slot"))
    if not rows:
        stands.missing.append(Missing("Aucune activité : cette étape vient après."))
    return stands


def places(at: datetime) -> Standing:
    """To have no limit is a choice: only said."""
    stands = Standing()
    for activity in offered(at):
        most: dict[str, int] = defaultdict(int)
        for row in activity.capacities.all():
            most[str(row.establishment)] = max(most[str(row.establishment)], row.places)
        said = named(f"{number} à « {name} »" for name, number in most.items())
        stands.there.append(f"{activity} : {said or 'sans limite'}.")
    return _once_there_are_activities(stands)


def deadlines(at: datetime) -> Standing:
    """Without a rule the eve counts, which is said."""
    stands = Standing()
    for activity in offered(at):
        rules = {row.action: wording.sentence(row.rule.rule()) for row in activity.deadlines.all()}
        usual = "jusqu'à la fin de la veille."
        book, cancel = rules.get(Action.BOOK.value, usual), rules.get(Action.CANCEL.value, usual)
        if book == cancel:
            stands.there.append(f"{activity}, réserver et annuler : {lower_first(book)}")
        else:
            stands.there.append(f"{activity}, réserver : {lower_first(book)}")
            stands.there.append(f"{activity}, annuler : {lower_first(cancel)}")
    return _once_there_are_activities(stands)


def _once_there_are_activities(stands: Standing) -> Standing:
    """What is said of activities is not done where there are none."""
    if not stands.there:
        stands.missing.append(Missing("Aucune activité : cette étape vient après.", needed=False))
    return stands


def readies(at: datetime) -> list[Readiness]:
    """« Votre commune peut ouvrir « Restauration scolaire » le lundi 4 janvier 2027. »"""
    found = []
    for one in first_days.find(at):
        if one.day is None:
            wants = moments.listing(one.wants)
            found.append(
                Readiness(f"« {one.activity} » ne peut pas encore ouvrir : il manque {wants}.", ready=False)
            )
            continue
        text = f"Votre commune peut ouvrir « {one.activity} » le {moments.day(one.day, year=True)}"
        if one.opens is not None:
            text += f" ; les familles réservent {moments.opening(one.opens)}"
        found.append(Readiness(f"{text}.", ready=not one.wants, wants=[capfirst(each) for each in one.wants]))
    return found


first_steps.lend(readies)
first_steps.register(
    Step(
        "ecoles",
        20,
        "Les écoles et leurs classes",
        "Chaque enfant s'inscrit dans une classe : elle dit son école, donc où il mange et quand il a "
        "classe. Cochez les jours où l'école a classe ; sans classe le mercredi, laissez-le vide.",
        "À La Selle-Craonnaise, la maternelle et l'élémentaire ne paient pas le même prix : le niveau de la "
        "classe le dit à la facture.",
        (
            Page(
                "Établissements", "reservations_establishment_changelist", "reservations.view_establishment"
            ),
            Page("Classes", "reservations_schoolclass_changelist", "reservations.view_schoolclass"),
        ),
        schools,
    )
)
first_steps.register(
    Step(
        "calendrier",
        30,
        "Le calendrier",
        "Rien n'ouvre un jour férié ni, pour la cantine, pendant les vacances. Le portail propose les dates "
        "de votre zone ; vous gardez ce qui convient.",
        "Zone A, 2026-2027 : vacances de Noël du 19 décembre au 3 janvier, reprise le lundi 4 janvier.",
        (
            Page("Importer le calendrier", "reservations_calendar_import", "reservations.add_schoolholiday"),
            Page("Années scolaires", "reservations_schoolyear_changelist", "reservations.view_schoolyear"),
        ),
        calendar,
    )
)
first_steps.register(
    Step(
        "activites",
        50,
        "Les activités et leurs formules",
        "Une activité est ce à quoi un enfant s'inscrit ; une formule, ce que l'on réserve d'un de ses "
        "jours. Sans formule, il n'y a rien à cocher.",
        "Restauration scolaire : « Repas ». Mercredis : « Matinée », « Après-midi », « Journée ». À Cruas, "
        "la garderie et les repas suivent la même règle, les mercredis une autre : ce sont deux activités.",
        (Page("Activités", "reservations_activity_changelist", "reservations.view_activity"),),
        activities,
    )
)
first_steps.register(
    Step(
        "periodes",
        60,
        "Les périodes",
        "Les dates ouvertes à la réservation, et depuis quand. Une période enregistrée ne s'ouvre pas seule "
        ": « Ouvrir les créneaux… » montre d'abord combien de lundis, de mardis… elle ouvre.",
        "Une cantine tient en une période, l'année scolaire. Wavrin ouvre ses vacances d'automne dix jours, "
        "du 13 au 22 septembre.",
        (Page("Périodes", "reservations_period_changelist", "reservations.view_period"),),
        periods,
    )
)
first_steps.register(
    Step(
        "places",
        70,
        "Les places",
        "Combien d'enfants à la fois, par lieu et moment de la journée. Sans ligne, le portail accepte tout "
        "le monde ; avec une limite, les suivants attendent leur tour.",
        "Une salle de 120 couverts : 120 places à midi. Un centre agréé pour 80 enfants : 80 le matin, 80 "
        "l'après-midi.",
        (Page("Activités", "reservations_activity_changelist", "reservations.view_activity"),),
        places,
    )
)
first_steps.register(
    Step(
        "delais",
        80,
        "Les délais",
        "Jusqu'à quand une famille réserve ou annule. Sans règle : jusqu'à la fin de la veille.",
        "Cruas : deux jours avant à 12 h, week-ends non comptés. Andancette : réserver jusqu'au vendredi 12 "
        "h pour la semaine suivante, annuler jusqu'à la veille 12 h.",
        (
            Page("Règles de délai", "reservations_deadlinerule_changelist", "reservations.view_deadlinerule"),
            Page("Délais", "reservations_activitydeadline_changelist", "reservations.view_activitydeadline"),
        ),
        deadlines,
    )
)
