"""What the engine writes into a town's file: the town, its calendar, its rules, its activities."""

import re
from collections import Counter
from datetime import time
from typing import Any

from django.apps import apps
from django.contrib import admin
from ruamel.yaml.nodes import Node

from families.messages import answers
from families.models import (
    AskedText,
    PaperKind,
    ProcessingTexts,
    ReadyAnswer,
    RetentionRule,
    TextVersion,
    ThreadKind,
)
from families.privacy import retention
from portal import theme
from portal.desk import reasons
from portal.french.grades import Grade
from portal.french.weekdays import MONDAY_TO_FRIDAY
from portal.letters import wordings
from portal.models import LetterWording, RefusalReason, Town
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    ActivityPaper,
    ActivityText,
    Advance,
    Audience,
    AudienceAddress,
    Campaign,
    Capacity,
    Closure,
    DayRule,
    DeadlineRule,
    DeadlineWindow,
    Establishment,
    Formula,
    NeededChildren,
    Notice,
    OversightRule,
    Part,
    Period,
    PeriodOpening,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    SchoolYear,
)
from portal.reservations.models.campaigns import USUAL_AUDIENCES
from portal.reservations.states import Action
from portal.reservations.towns.fields import (
    WEEKDAY,
    Amount,
    Day,
    DeadlineTable,
    Field,
    Flag,
    Hour,
    ListOf,
    Loading,
    Mistake,
    Moment,
    Number,
    Reference,
    Text,
    Weekdays,
    Words,
    closest,
    plain,
    scalar,
)
from portal.reservations.towns.town_file import Rows, register

REGION = Words({label: value for value, label in Town.Region.choices})
ZONE = Words({value: value for value in Town.Zone.values})
CLOCK = Words(
    {label: value for value, label in Town.Clock.choices},
    also={value: value for value in Town.Clock.values},
)


class ServiceName(Text):
    """An installed service: an app that offers one names it `SERVICE` in its models, and `SERVICE_WORD` as
    this file does. Its own name is read too."""

    example = "cantine"

    def services(self) -> dict[str, str]:
        """By its word."""
        found = {}
        for app in apps.get_app_configs():
            service = getattr(app.models_module, "SERVICE", "")
            if service:
                found[str(getattr(app.models_module, "SERVICE_WORD", service))] = str(service)
        return found

    def read(self, node: Node, loading: Loading, parent: Any) -> str:
        text, known = scalar(node).strip(), self.services()
        found = {plain(word): service for word, service in known.items()}.get(plain(text))
        if found is None and text in known.values():
            return text
        if found is None:
            raise Mistake(f"Le service « {text} » n'est pas installé. {closest(text, known)}", node)
        return found

    def write(self, value: Any) -> Any:
        return next((word for word, service in self.services().items() if service == value), value)


class LetterKind(Text):
    """A kind of the portal's letters, by its usual subject or by its file's name; « toutes »: all of them."""

    example = everything = "toutes"

    def read(self, node: Node, loading: Loading, parent: Any) -> str:
        text, named = scalar(node).strip(), self.by_subject()
        if plain(text) == self.everything:
            return wordings.EVERY
        if text in wordings.kinds():
            return text
        if plain(text) not in named:
            raise Mistake(f"Aucune lettre « {text} ». {closest(text, wordings.kinds().values())}", node)
        return named[plain(text)]

    def by_subject(self) -> dict[str, str]:
        """Of the subjects that no other letter has."""
        known = wordings.kinds()
        count = Counter(plain(subject) for subject in known.values())
        return {plain(subject): kind for kind, subject in known.items() if count[plain(subject)] == 1}

    def write(self, value: Any) -> Any:
        if value == wordings.EVERY:
            return self.everything
        return wordings.label(value) if value in self.by_subject().values() else value


class Colour(Text):
    """#1d4f91; white letters on it can be read."""

    example = "'#1d4f91'"

    def read(self, node: Node, loading: Loading, parent: Any) -> str:
        text = scalar(node).strip().lower()
        if re.fullmatch(r"#[0-9a-f]{6}", text) and not theme.is_readable(text):
            near = theme.nearest_readable(text)
            raise Mistake(
                f"« {text} » se lit mal sur le blanc. La plus proche qui convient : '{near}'.", node
            )
        return text


class ClassReference(Text):
    """« année/école/classe »: the year's name, the school's code, the class's name."""

    example = "2026-2027/tilleuls/CE1"

    def read(self, node: Node, loading: Loading, parent: Any) -> SchoolClass:
        text = scalar(node).strip()
        known = SchoolClass.objects.select_related("school", "school_year").order_by(
            "-school_year__name", "pk"
        )
        found = next((one for one in known if self.write(one) == text), None)
        if found is None:
            hint = closest(text, map(self.write, known)) if known else "Il n'y en a encore aucune."
            raise Mistake(f"« {text} » : aucune classe de ce nom. {hint}", node)
        return found

    def write(self, value: Any) -> Any:
        return f"{value.school_year.name}/{value.school.code}/{value.name}"


class LetterText(Text):
    """What stands in a letter: its variables are known."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, node: Node, loading: Loading, parent: Any) -> str:
        text = scalar(node).strip()
        row = LetterWording(**{self.name: text})
        if refused := wordings.refusal(row).get(self.name):
            raise Mistake(refused, node)
        return text


class AnswerText(Text):
    """Whose variables are known."""

    def read(self, node: Node, loading: Loading, parent: Any) -> str:
        text = scalar(node).strip()
        if refused := answers.refusal(text):
            raise Mistake(refused, node)
        return text


KIND_OF_ESTABLISHMENT = Words(
    {
        "école": Establishment.Kind.SCHOOL,
        "restaurant": Establishment.Kind.RESTAURANT,
        "centre": Establishment.Kind.CENTRE,
    }
)
KIND_OF_RULE = Words(
    {
        "jours_avant": DeadlineRule.Kind.DAYS_BEFORE,
        "heures_avant": DeadlineRule.Kind.HOURS_BEFORE,
        "semaine_avant": DeadlineRule.Kind.WEEK_BEFORE,
        "tableau": DeadlineRule.Kind.WEEKDAY_TABLE,
        "jour_même": DeadlineRule.Kind.SAME_DAY,
        "jour_du_mois": DeadlineRule.Kind.MONTH_DAY,
        "jours_francs": DeadlineRule.Kind.CLEAR_DAYS,
        "fenêtres": DeadlineRule.Kind.WINDOWS,
        "jamais": DeadlineRule.Kind.NEVER,
    }
)
DAY_UNIT = Words(
    {
        "calendaires": DeadlineRule.DayUnit.CALENDAR,
        "ouvrés": DeadlineRule.DayUnit.WORKING,
        "ouverture": DeadlineRule.DayUnit.OPEN,
        "classe": DeadlineRule.DayUnit.SCHOOL,
    }
)
AUDIENCE = Words(
    {
        "toutes": DeadlineWindow.Audience.ALL,
        "commune": DeadlineWindow.Audience.RESIDENT,
        "hors_commune": DeadlineWindow.Audience.NON_RESIDENT,
    }
)
DURING = Words(
    {
        "classe": Activity.During.TERM,
        "vacances": Activity.During.HOLIDAYS,
        "année": Activity.During.ALWAYS,
    }
)
BELONGING = Words(
    {
        "commune": Audience.Belonging.RESIDENT,
        "hors_commune": Audience.Belonging.NON_RESIDENT,
        "adresses": Audience.Belonging.ADDRESS,
        "écoles": Audience.Belonging.SCHOOL,
        "reconnus": Audience.Belonging.RECOGNISED,
    }
)
AGE_COUNTS = Words(
    {
        "le_jour_même": Activity.AgeCounts.DAY,
        "au_31_décembre": Activity.AgeCounts.DECEMBER,
        "au_1er_septembre": Activity.AgeCounts.SEPTEMBER,
    }
)
GRADE = Words({label: value for value, label in Grade.choices})
PROCESSING = Words(
    {"automatique": Activity.Processing.AUTOMATIC, "sur_demande": Activity.Processing.ON_REQUEST}
)
PART = Words({label: value for value, label in Part.choices})
ACTION = Words({"réserver": Action.BOOK, "annuler": Action.CANCEL})
LATE = Words(
    {
        "refus": ActivityDeadline.Late.REFUSE,
        "demande": ActivityDeadline.Late.REQUEST,
        "accord": ActivityDeadline.Late.ACCEPT,
    }
)
SURCHARGE = Words(
    {
        "ajout": ActivityDeadline.Surcharge.ADD,
        "multiplication": ActivityDeadline.Surcharge.MULTIPLY,
        "prix": ActivityDeadline.Surcharge.PRICE,
    }
)
EFFECT = Words(
    {
        "tout_de_suite": Activity.Effect.AT_ONCE,
        "mois_suivant": Activity.Effect.NEXT_MONTH,
        "jours": Activity.Effect.DAYS,
        "jours_d_ouverture": Activity.Effect.OPEN_DAYS,
    }
)
OVERSIGHTS_PER = Words({"année": OversightRule.Per.YEAR, "mois": OversightRule.Per.MONTH})
NEEDED_PER = Words({"jour": NeededChildren.Per.DAY, "période": NeededChildren.Per.PERIOD})
DAY_RULE = Words(
    {
        "nombre": DayRule.Kind.COUNT,
        "tout_ou_rien": DayRule.Kind.WHOLE,
        "jours_fixes": DayRule.Kind.FIXED,
        "jours_habituels": DayRule.Kind.USUAL,
    }
)
PER = Words(
    {
        "semaine": DayRule.Per.WEEK,
        "mois": DayRule.Per.MONTH,
        "période": DayRule.Per.PERIOD,
        "année": DayRule.Per.YEAR,
    }
)
LEVEL = Words({label.lower(): value for value, label in SchoolClass.Level.choices})
WHY = Words(
    {
        "fermeture": Closure.Why.OTHER,
        "grève": Closure.Why.STRIKE,
        "sortie_scolaire": Closure.Why.TRIP,
        "travaux": Closure.Why.WORKS,
        "pont": Closure.Why.BRIDGE,
    }
)
NOTICE_LEVEL = Words({"information": Notice.Level.INFORMATION, "important": Notice.Level.IMPORTANT})
MONEY_FIRST = Words(
    {"tout": Advance.Kind.WHOLE, "acompte": Advance.Kind.PART, "compte": Advance.Kind.ACCOUNT}
)
PAPER_ABOUT = Words({"enfant": PaperKind.About.CHILD, "foyer": PaperKind.About.HOUSEHOLD})
PAPER_LASTS = Words(
    {
        "année_scolaire": PaperKind.Lasts.SCHOOL_YEAR,
        "mois": PaperKind.Lasts.NUMBER_OF_MONTHS,
        "date_inscrite": PaperKind.Lasts.OWN_DATE,
        "toujours": PaperKind.Lasts.FOR_EVER,
    }
)
PAPER_WITHOUT = Words(
    {
        "rien": ActivityPaper.Without.ASKED,
        "rappel": ActivityPaper.Without.WARNS,
        "pas_d'inscription": ActivityPaper.Without.ENROLMENT,
        "pas_de_jour": ActivityPaper.Without.PLACE,
        "ni_inscription_ni_jour": ActivityPaper.Without.BOTH,
    }
)
PAPER_COUNTS = Words(
    {
        "envoyé_pour_inscrire": ActivityPaper.Counts.USUAL,
        "envoyé": ActivityPaper.Counts.SENT,
        "accepté": ActivityPaper.Counts.ACCEPTED,
    }
)
TEXT_ABOUT = Words({"foyer": AskedText.About.HOUSEHOLD, "enfant": AskedText.About.CHILD})
TEXT_NEED = Words(
    {
        "avant_de_réserver": AskedText.Need.PLACE,
        "avant_d'inscrire": AskedText.Need.BOTH,
        "consentement_libre": AskedText.Need.FREE,
    }
)
PAPER_WAY = Words(
    {
        "en_ligne_ou_guichet": PaperKind.Way.EITHER,
        "fichier": PaperKind.Way.FILE,
        "guichet": PaperKind.Way.DESK,
    }
)
PAPER_SECRECY = Words(
    {
        "ordinaire": PaperKind.Secrecy.ORDINARY,
        "santé": PaperKind.Secrecy.HEALTH,
        "justice": PaperKind.Secrecy.JUSTICE,
    }
)

register(
    Rows(
        key="commune",
        model=Town,
        single=True,
        match=(),
        comment="Ce que disent les pages et les messages.",
        fields=(
            Field("nom", "name", example="Saint-Exemple-sur-Rive"),
            Field(
                "service",
                "service",
                default=Town._meta.get_field("service").default,
                example="Service enfance et famille",
            ),
            Field("adresse", "address", default="", example="1 place de la Mairie"),
            Field("téléphone", "phone", default="", example="01 99 00 00 00"),
            Field("e-mail", "email", default="", example="familles@example.org"),
            Field("horaires", "opening_hours", default="", example="du lundi au vendredi, de 9 h à 17 h"),
            Field("site", "website", default="", example="https://www.example.org"),
            Field("couleur", "colour", Colour(), default=Town._meta.get_field("colour").default),
            Field("zone", "zone", ZONE, default=Town.Zone.A),
            Field("jours_fériés", "region", REGION, default=Town.Region.METROPOLE),
            Field("heure", "time_zone", CLOCK, default=""),
            Field("adresse_sans_validation", "address_changes_at_once", Flag(), default=False),
            Field("agents_inactifs_minutes", "staff_idle_minutes", Number(), default=30),
            Field("agents_connexion_heures", "staff_session_hours", Number(), default=10, example="10"),
            Field("reprise_des_décisions_minutes", "take_back_minutes", Number(), default=2, example="2"),
            Field(
                "mentions_légales",
                "legal_notice",
                default="",
                example="Site édité par la commune de Saint-Exemple-sur-Rive.",
            ),
            Field(
                "données_personnelles",
                "privacy_notice",
                default="",
                example="Écrivez à dpo@example.org.",
            ),
            Field(
                "accessibilité",
                "accessibility_notice",
                default="",
                example="Partiellement conforme.",
            ),
        ),
    )
)
register(
    Rows(
        key="textes_des_lettres",
        model=LetterWording,
        match=("kind",),
        comment="Ce que la commune dit à sa façon dans les lettres du portail.",
        fields=(
            Field("lettre", "kind", LetterKind(), default=""),
            Field("objet", "subject", LetterText("subject"), default="", example='"{commune} : {objet}"'),
            Field("début", "opening", LetterText("opening"), default="", example="Une réponse vous attend."),
            Field(
                "fin",
                "closing",
                LetterText("closing"),
                default="",
                example="Le guichet est ouvert le mercredi.",
            ),
        ),
    )
)
register(
    Rows(
        key="établissements",
        model=Establishment,
        match=("code",),
        comment="Écoles, restaurants et centres.",
        order_by=("-kind", "name"),
        fields=(
            Field("code", "code", example="verger"),
            Field("nom", "name", example="Restaurant du Verger"),
            Field("type", "kind", KIND_OF_ESTABLISHMENT),
            Field("adresse", "address", default="", example="3 rue des Tilleuls"),
            Field("téléphone", "phone", default="", example="01 99 00 00 01"),
            Field("jours", "open_weekdays", Weekdays(), default=MONDAY_TO_FRIDAY),
            Field(
                "écoles",
                "schools",
                ListOf(Reference(Establishment, only={"kind": Establishment.Kind.SCHOOL})),
                default=list,
                many=True,
                example="[tilleuls]",
            ),
            Field("en_service", "active", Flag(), default=True),
        ),
    )
)
register(
    Rows(
        key="années_scolaires",
        model=SchoolYear,
        match=("name",),
        compact=True,
        comment="Du premier au dernier jour de classe.",
        order_by=("starts_on",),
        fields=(
            Field("nom", "name", example="2026-2027"),
            Field("du", "starts_on", Day()),
            Field("au", "ends_on", Day(), example="2027-07-02"),
        ),
    )
)
register(
    Rows(
        key="classes",
        model=SchoolClass,
        match=("school_year", "school", "name"),
        compact=True,
        comment="Les classes des écoles, année par année.",
        order_by=("school_year__starts_on", "school__code", "level", "name", "pk"),
        fields=(
            Field("nom", "name", example="CE1-CE2"),
            Field(
                "école",
                "school",
                Reference(Establishment, only={"kind": Establishment.Kind.SCHOOL}),
                example="tilleuls",
            ),
            Field("année", "school_year", Reference(SchoolYear, by="name"), example="2026-2027"),
            Field("niveau", "level", LEVEL, default=SchoolClass.Level.ELEMENTAIRE),
        ),
    )
)
register(
    Rows(
        key="vacances_scolaires",
        model=SchoolHoliday,
        match=("zone", "starts_on"),
        compact=True,
        comment="Du premier au dernier jour sans classe.",
        order_by=("starts_on", "zone"),
        fields=(
            Field("nom", "name", example="Vacances de Noël"),
            Field("zone", "zone", ZONE),
            Field("du", "starts_on", Day()),
            Field("au", "ends_on", Day(), example="2027-07-02"),
        ),
    )
)
register(
    Rows(
        key="jours_fériés",
        model=PublicHoliday,
        match=("day",),
        compact=True,
        comment="Les jours fériés de la commune.",
        fields=(Field("jour", "day", Day()), Field("nom", "name", example="Armistice de 1918")),
    )
)


class AudiencesInUse(Rows):
    """What every town has is not written, as long as no campaign speaks of it."""

    def export(self, parent: Any = None) -> Any:
        told = Audience.objects.order_by("order").values_list("code", "label", "belonging", "order")
        if list(told) == USUAL_AUDIENCES and not Campaign.objects.exclude(audience=None).exists():
            return None
        return super().export(parent)


register(
    AudiencesInUse(
        key="publics",
        model=Audience,
        match=("code",),
        compact=True,
        comment="Les foyers dont parlent les campagnes d'inscription, les ouvertures et les prix.",
        fields=(
            Field("code", "code", example="partenaires"),
            Field("nom", "label", example="Communes partenaires"),
            Field("foyers", "belonging", BELONGING),
            Field("ordre", "order", Number(), default=0, example="1"),
            Field("dit_aux_familles", "words", default="", example="les communes partenaires, dont la vôtre"),
            Field("paie_comme_la_commune", "priced_as_resident", Flag(), default=False),
            Field(
                "écoles",
                "schools",
                ListOf(Reference(Establishment)),
                default=list,
                many=True,
                example="[jaures]",
            ),
        ),
        children=(
            Rows(
                key="adresses",
                model=AudienceAddress,
                match=("city", "postcode", "street"),
                parent="audience",
                exact=True,
                compact=True,
                order_by=("city", "postcode", "street", "pk"),
                fields=(
                    Field("commune", "city", default="", example="Chantepie"),
                    Field("code_postal", "postcode", default="", example="35135"),
                    Field("rue", "street", default="", example="rue des Lilas"),
                    Field("du", "starts_on", Day(), default=None),
                    Field("au", "ends_on", Day(), default=None, example="2027-07-02"),
                ),
            ),
        ),
    )
)
register(
    Rows(
        key="règles_de_délai",
        model=DeadlineRule,
        match=("name",),
        comment="Jusqu'à quand agir. Seuls comptent les champs du principe choisi.",
        fields=(
            Field("nom", "name", example="La veille à 10 h"),
            Field("principe", "kind", KIND_OF_RULE),
            Field("nombre", "number", Number(), default=None, example="2"),
            Field("jours_comptés", "day_unit", DAY_UNIT, default=DeadlineRule.DayUnit.CALENDAR),
            Field("sans_week-ends", "skip_weekends", Flag(), default=False),
            Field("sans_jours_fériés", "skip_public_holidays", Flag(), default=False),
            Field("sans_ces_jours", "skip_weekdays", Weekdays(), default=0),
            Field("heure", "at", Hour(), default=None),
            Field("jour", "weekday", WEEKDAY, default=None),
            Field("jour_du_mois", "month_day", Number(), default=None, example="20"),
            Field("tableau", "table", DeadlineTable(), default=dict),
            Field("tableau_si_lundi_férié", "holiday_monday_table", DeadlineTable(), default=dict),
            Field("instant_de_référence", "reference_time", Hour(), default=time(0, 0)),
            Field("heure_incluse", "inclusive", Flag(), default=True),
            Field("depuis_le_dernier_jour_de_classe", "from_last_school_day", Flag(), default=False),
        ),
        children=(
            Rows(
                key="fenêtres",
                model=DeadlineWindow,
                match=("covers_from", "covers_to", "opens_at", "closes_at", "audience", "public"),
                parent="rule",
                exact=True,
                compact=True,
                order_by=("covers_from", "audience", "public__code", "opens_at", "pk"),
                fields=(
                    Field("du", "covers_from", Day()),
                    Field("au", "covers_to", Day(), example="2027-07-02"),
                    Field("ouvre", "opens_at", Moment(), default=None),
                    Field("clôt", "closes_at", Moment(), default=None, example="2026-07-15 18:00"),
                    Field("pour", "audience", AUDIENCE, default=DeadlineWindow.Audience.ALL),
                    Field("public", "public", Reference(Audience), default=None, example="partenaires"),
                ),
            ),
        ),
    )
)
register(
    Rows(
        key="papiers_demandés",
        model=PaperKind,
        match=("code",),
        comment="Les papiers que la commune peut demander ; ceux d'une activité sont dits avec elle.",
        fields=(
            Field("code", "code", example="assurance"),
            Field("nom", "name", example="Attestation d'assurance"),
            Field("à_quoi_il_sert", "purpose", default="", example="Responsabilité civile et accidents."),
            Field("pour", "about", PAPER_ABOUT, default=PaperKind.About.CHILD),
            Field("valable", "lasts", PAPER_LASTS, default=PaperKind.Lasts.SCHOOL_YEAR),
            Field("nombre_de_mois", "months", Number(), default=None, example="3"),
            Field("donné", "way", PAPER_WAY, default=PaperKind.Way.EITHER),
            Field("confidentialité", "secrecy", PAPER_SECRECY, default=PaperKind.Secrecy.ORDINARY),
            Field("redemandé_jours_avant", "remind_days", Number(), default=30),
            Field("demandé", "active", Flag(), default=True),
            Field("ordre", "order", Number(), default=0, example="1"),
        ),
    )
)
register(
    Rows(
        key="textes_à_accepter",
        model=AskedText,
        match=("code",),
        comment="Règlements et consentements que les familles lisent et acceptent, et leurs versions.",
        fields=(
            Field("code", "code", example="reglement"),
            Field("nom", "name", example="Règlement intérieur"),
            Field("à_quoi_il_sert", "purpose", default="", example="La vie de l'accueil, jour après jour."),
            Field("pour", "about", TEXT_ABOUT, default=AskedText.About.HOUSEHOLD),
            Field("réponse", "need", TEXT_NEED, default=AskedText.Need.PLACE),
            Field("toutes_les_familles", "everywhere", Flag(), default=False),
            Field("demandé", "active", Flag(), default=True),
            Field("ordre", "order", Number(), default=0, example="1"),
        ),
        children=(
            Rows(
                key="versions",
                model=TextVersion,
                match=("starts_on",),
                parent="text",
                order_by=("starts_on",),
                fields=(
                    Field("à_partir_du", "starts_on", Day(), example="2026-09-01"),
                    Field("texte", "body", default="", example="L'accueil ouvre à 7 h 30."),
                ),
            ),
        ),
    )
)
register(
    Rows(
        key="activités",
        model=Activity,
        match=("code",),
        comment="Ce à quoi un enfant s'inscrit, avec ses formules, ses périodes, ses places et ses délais.",
        fields=(
            Field("code", "code", example="cantine"),
            Field("nom", "name", example="Restauration scolaire"),
            Field("service", "service", ServiceName()),
            Field(
                "présentation", "description", default="", example="Un repas chaud, tous les jours de classe."
            ),
            Field(
                "établissements",
                "establishments",
                ListOf(Reference(Establishment)),
                default=list,
                many=True,
                example="[verger]",
            ),
            Field("jours", "weekdays", Weekdays(), default=MONDAY_TO_FRIDAY),
            Field("pendant", "during", DURING, default=Activity.During.TERM),
            Field("zones", "zones", ListOf(ZONE), default=list),
            Field("réservations", "processing", PROCESSING, default=Activity.Processing.AUTOMATIC),
            Field("annulations", "cancel_processing", PROCESSING, default=Activity.Processing.AUTOMATIC),
            Field("inscriptions", "enrolment_processing", PROCESSING, default=Activity.Processing.ON_REQUEST),
            Field("prise_d'effet", "effect", EFFECT, default=Activity.Effect.AT_ONCE),
            Field("jours_avant_effet", "effect_days", Number(), default=None, example="15"),
            Field("fin_par_les_familles", "families_end", Flag(), default=False),
            Field("liste_d'attente", "waiting_list", Flag(), default=True),
            Field("heures_pour_répondre", "offer_hours", Number(), default=None, example="24"),
            Field("âge_minimum", "min_age", Number(), default=None, example="3"),
            Field("âge_maximum", "max_age", Number(), default=None, example="12"),
            Field("âge_compté", "age_counts", AGE_COUNTS, default=Activity.AgeCounts.DAY),
            Field("à_partir_de_la_classe", "first_grade", GRADE, default=None),
            Field("jusqu'à_la_classe", "last_grade", GRADE, default=None),
            Field("fiche_sanitaire", "health_file_required", Flag(), default=False),
            Field("proposée", "active", Flag(), default=True),
            Field("ordre", "order", Number(), default=0, example="1"),
        ),
        children=(
            Rows(
                key="papiers",
                model=ActivityPaper,
                match=("kind",),
                parent="activity",
                compact=True,
                order_by=("kind__order", "kind__name"),
                fields=(
                    Field("papier", "kind", Reference(PaperKind), example="assurance"),
                    Field("sans_lui", "without", PAPER_WITHOUT, default=ActivityPaper.Without.ASKED),
                    Field("compte", "counts", PAPER_COUNTS, default=ActivityPaper.Counts.USUAL),
                ),
            ),
            Rows(
                key="textes",
                model=ActivityText,
                match=("text",),
                parent="activity",
                compact=True,
                order_by=("text__order", "text__name"),
                fields=(Field("texte", "text", Reference(AskedText), example="reglement"),),
            ),
            Rows(
                key="formules",
                model=Formula,
                match=("code",),
                parent="activity",
                compact=True,
                fields=(
                    Field("code", "code", example="repas"),
                    Field("nom", "name", example="Repas"),
                    Field("moments", "parts", ListOf(PART), says="les moments de la journée qu'elle occupe"),
                    Field("repas_compris", "with_meal", Flag(), default=False),
                    Field("de", "starts_at", Hour(), default=None),
                    Field("à", "ends_at", Hour(), default=None, example="'16:30'"),
                    Field("âge_minimum", "min_age", Number(), default=None, example="6"),
                    Field("âge_maximum", "max_age", Number(), default=None, example="11"),
                    Field("à_partir_de_la_classe", "first_grade", GRADE, default=None),
                    Field("jusqu'à_la_classe", "last_grade", GRADE, default=None),
                    Field("proposée", "active", Flag(), default=True),
                    Field("ordre", "order", Number(), default=0, example="1"),
                ),
            ),
            Rows(
                key="périodes",
                model=Period,
                match=("code",),
                parent="activity",
                fields=(
                    Field("code", "code", example="annee-2026-2027"),
                    Field("nom", "name", example="Année scolaire 2026-2027"),
                    Field("année", "school_year", Reference(SchoolYear, by="name"), example="2026-2027"),
                    Field("du", "starts_on", Day()),
                    Field("au", "ends_on", Day(), example="2027-07-02"),
                    Field("ouvre", "opens_at", Moment(), default=None),
                    Field(
                        "ouvre_hors_commune",
                        "opens_at_non_residents",
                        Moment(),
                        default=None,
                        example="2026-06-15 08:00",
                    ),
                    Field("clôt", "closes_at", Moment(), default=None, example="2026-07-15 18:00"),
                    Field(
                        "établissements",
                        "establishments",
                        ListOf(Reference(Establishment)),
                        default=list,
                        many=True,
                        example="[verger]",
                    ),
                ),
                children=(
                    Rows(
                        key="ouvre_aux_publics",
                        model=PeriodOpening,
                        match=("audience",),
                        parent="period",
                        exact=True,
                        compact=True,
                        order_by=("opens_at", "pk"),
                        fields=(
                            Field("public", "audience", Reference(Audience), example="partenaires"),
                            Field("ouvre", "opens_at", Moment(), example="2026-06-08 08:00"),
                        ),
                    ),
                ),
            ),
            Rows(
                key="places",
                model=Capacity,
                match=("establishment", "part", "formula"),
                parent="activity",
                compact=True,
                order_by=("establishment__code", "part", "formula__code"),
                fields=(
                    Field("établissement", "establishment", Reference(Establishment), example="verger"),
                    Field("moment", "part", PART),
                    Field(
                        "formule",
                        "formula",
                        Reference(Formula, within="activity"),
                        default=None,
                        example="repas",
                    ),
                    Field("places", "places", Number(), example="120"),
                ),
            ),
            Rows(
                key="oublis",
                model=OversightRule,
                match=("valid_from",),
                parent="activity",
                compact=True,
                order_by=("valid_from",),
                fields=(
                    Field("du", "valid_from", Day()),
                    Field("nombre", "number", Number(), default=3),
                    Field("comptés_par", "per", OVERSIGHTS_PER, default=OversightRule.Per.YEAR),
                    Field("sans_réservation", "unreserved", Flag(), default=True),
                    Field("absent_sans_prévenir", "missed", Flag(), default=True),
                    Field("hors_délai", "late", Flag(), default=False),
                ),
            ),
            Rows(
                key="paiement_avant_la_place",
                model=Advance,
                match=("period",),
                parent="activity",
                compact=True,
                order_by=("period__code", "pk"),
                fields=(
                    Field("à_payer", "kind", MONEY_FIRST),
                    Field("part_en_%", "percent", Number(), default=None, example="30"),
                    Field("minutes", "minutes", Number(), default=20),
                    Field("alerte_sous", "alert_below", Amount(), default=None, example="10.00"),
                    Field(
                        "période",
                        "period",
                        Reference(Period, within="activity"),
                        default=None,
                        example="annee-2026-2027",
                    ),
                ),
            ),
            Rows(
                key="délais",
                model=ActivityDeadline,
                match=("action", "formula", "period"),
                parent="activity",
                order_by=("action", "formula__code", "period__code", "pk"),
                fields=(
                    Field("pour", "action", ACTION),
                    Field(
                        "formule",
                        "formula",
                        Reference(Formula, within="activity"),
                        default=None,
                        example="repas",
                    ),
                    Field(
                        "période",
                        "period",
                        Reference(Period, within="activity"),
                        default=None,
                        example="annee-2026-2027",
                    ),
                    Field("règle", "rule", Reference(DeadlineRule, by="name"), example="La veille à 10 h"),
                    Field("en_retard", "late", LATE, default=ActivityDeadline.Late.REFUSE),
                    Field(
                        "dernier_moment",
                        "last_moment",
                        Reference(DeadlineRule, by="name"),
                        default=None,
                        example="Le jour même à 9 h",
                    ),
                    Field("majoration", "surcharge", SURCHARGE, default=""),
                    Field("montant", "surcharge_amount", Amount(), default=None, example="1.50"),
                    Field("retards_gratuits_par_mois", "free_late_a_month", Number(), default=0, example="2"),
                ),
            ),
            Rows(
                key="enfants_pour_ouvrir",
                model=NeededChildren,
                match=("establishment",),
                parent="activity",
                compact=True,
                order_by=("establishment__code",),
                fields=(
                    Field("enfants", "children", Number(), example="8"),
                    Field("pour", "per", NEEDED_PER, default=NeededChildren.Per.DAY),
                    Field("jours_avant", "days_before", Number(), default=7, example="10"),
                    Field(
                        "établissement",
                        "establishment",
                        Reference(Establishment),
                        default=None,
                        example="verger",
                    ),
                ),
            ),
            Rows(
                key="nombres_de_jours",
                model=DayRule,
                match=("kind", "per", "formula", "period", "establishment", "level", "valid_from"),
                parent="activity",
                compact=True,
                order_by=("kind", "per", "formula__code", "period__code", "pk"),
                fields=(
                    Field("principe", "kind", DAY_RULE, default=DayRule.Kind.COUNT),
                    Field("par", "per", PER, default=DayRule.Per.WEEK),
                    Field("au_moins", "least", Number(), default=None, example="3"),
                    Field("au_plus", "most", Number(), default=None, example="4"),
                    Field(
                        "au_moins_avec_un_férié", "least_with_holiday", Number(), default=None, example="2"
                    ),
                    Field(
                        "formule",
                        "formula",
                        Reference(Formula, within="activity"),
                        default=None,
                        example="repas",
                    ),
                    Field(
                        "période",
                        "period",
                        Reference(Period, within="activity"),
                        default=None,
                        example="annee-2026-2027",
                    ),
                    Field(
                        "établissement",
                        "establishment",
                        Reference(Establishment),
                        default=None,
                        example="verger",
                    ),
                    Field("niveau", "level", LEVEL, default=""),
                    Field("à_partir_du", "valid_from", Day(), default=None),
                    Field("jusqu'au", "valid_to", Day(), default=None, example="2027-07-02"),
                ),
            ),
        ),
    )
)


class EachOnce(Rows):
    """Rows that the database may hold twice: what the file cannot tell apart is written once."""

    def export(self, parent: Any = None) -> Any:
        written: dict[tuple[Any, ...], Any] = {}
        for row in self.ordered(parent):
            written.setdefault(tuple(getattr(row, name) for name in self.match), row)
        return [self.export_row(row) for row in written.values()] or None


register(
    EachOnce(
        key="fermetures",
        model=Closure,
        match=("starts_on", "ends_on", "establishment", "activity", "school_class", "why", "opens"),
        compact=True,
        comment="Jours fermés, ou ouverts par exception. Sans lieu, activité ni classe : toute la commune.",
        order_by=("starts_on", "pk"),
        fields=(
            Field("du", "starts_on", Day()),
            Field("au", "ends_on", Day(), example="2027-07-02"),
            Field("motif", "why", WHY, default=Closure.Why.OTHER),
            Field("texte", "label", default="", example="Travaux de l'office"),
            Field("établissement", "establishment", Reference(Establishment), default=None, example="verger"),
            Field("activité", "activity", Reference(Activity), default=None, example="cantine"),
            Field("classe", "school_class", ClassReference(), default=None),
            Field("ouverture_exceptionnelle", "opens", Flag(), default=False),
        ),
    )
)
register(
    EachOnce(
        key="annonces",
        model=Notice,
        match=("title", "starts_on"),
        # One of a closure goes with it, and follows its dates.
        only={"closure": None},
        comment="Ce que les familles lisent sur « Mon compte famille », d'un jour à un autre.",
        order_by=("starts_on", "pk"),
        fields=(
            Field("titre", "title", example="Pique-nique le 12 juin"),
            Field("texte", "text", example="Pensez à la gourde et à la casquette."),
            Field("niveau", "level", NOTICE_LEVEL, default=Notice.Level.INFORMATION),
            Field("du", "starts_on", Day()),
            Field("au", "ends_on", Day(), example="2027-07-02"),
            Field(
                "lieux",
                "places",
                ListOf(Reference(Establishment)),
                default=list,
                many=True,
                example="[verger]",
            ),
        ),
    )
)
register(
    Rows(
        key="objets_des_messages",
        model=ThreadKind,
        match=("name",),
        compact=True,
        comment="De quoi les familles peuvent écrire à la mairie.",
        fields=(
            Field("nom", "name", example="Facture"),
            Field("ordre", "order", Number(), default=10, example="1"),
            Field("proposé", "active", Flag(), default=True),
        ),
    )
)


register(
    Rows(
        key="campagnes_d_inscription",
        model=Campaign,
        match=("school_year", "activity", "audience"),
        compact=True,
        comment="Quand les familles inscrivent pour une année. Sans ligne : dès que la précédente finit.",
        order_by=("school_year__starts_on", "activity__code", "audience__code"),
        fields=(
            Field("année", "school_year", Reference(SchoolYear, by="name"), example="2026-2027"),
            Field("activité", "activity", Reference(Activity), default=None, example="cantine"),
            Field("public", "audience", Reference(Audience), default=None, example="hors-commune"),
            Field("ouvre", "opens_at", Moment()),
            Field("clôt", "closes_at", Moment(), default=None, example="2026-07-15 18:00"),
        ),
    )
)


class ReasonsOfItsOwn(Rows):
    """Of refusals, only the lists that the town changed, each of them whole."""

    def export(self, parent: Any = None) -> Any:
        own = [about for about in RefusalReason.About.values if reasons.of(about) not in ([], usual(about))]
        rows = RefusalReason.objects.filter(about__in=own).order_by("about", "order", "pk")
        return [self.export_row(row) for row in rows] or None


def usual(about: str) -> list[str]:
    """The reasons that the portal came with, of the page that asks for one."""
    return list(getattr(admin.site._registry[apps.get_model(about)], "refusals", ()))


REFUSED = Words(
    {
        "comptes": RefusalReason.About.ACCOUNT,
        "changements": RefusalReason.About.CHANGE,
        "papiers": RefusalReason.About.PAPER,
        "effacements": RefusalReason.About.ERASURE,
        "inscriptions": RefusalReason.About.ENROLMENT,
        "jours": RefusalReason.About.DAYS,
        "changements_de_lieu": RefusalReason.About.MOVE,
        "justificatifs_d_absence": RefusalReason.About.CERTIFICATE,
    }
)

register(
    ReasonsOfItsOwn(
        key="motifs_de_refus",
        model=RefusalReason,
        match=("about", "text"),
        exact_of="about",
        compact=True,
        comment="Les motifs de refus que la commune a changés ; les autres sont ceux d'usage.",
        fields=(
            Field("pour", "about", REFUSED),
            Field("motif", "text", example="Il n'y a plus de place."),
            Field("ordre", "order", Number(), default=0, example="1"),
        ),
    )
)


register(
    Rows(
        key="réponses_prêtes",
        model=ReadyAnswer,
        match=("name",),
        comment="Ce que les agents reprennent pour répondre aux messages des familles.",
        fields=(
            Field("nom", "name", example="Papier reçu"),
            Field(
                "texte", "text", AnswerText(), example="Bonjour {prénom}, nous avons bien reçu votre papier."
            ),
            Field("objet", "kind", Reference(ThreadKind, by="name"), default=None, example="Facture"),
            Field("ordre", "order", Number(), default=10),
            Field("proposée", "active", Flag(), default=True),
        ),
    )
)


class RulesOfItsOwn(Rows):
    """Of durations, only those that the town changed: a file without them says « the usual ones »."""

    def export(self, parent: Any = None) -> Any:
        own = [
            rule
            for kind, rule in retention.rules()
            if rule.pk is not None
            and any(getattr(rule, name) != getattr(kind.usual, name) for name in RULE_FIELDS)
        ]
        return [self.export_row(rule) for rule in own] or None


RULE_FIELDS = ("duration", "unit", "active", "needs_visa", "source")
KEPT_KIND = Words({kind.key: kind.code for kind in retention.kinds()})
KEPT_UNIT = Words({label: value for value, label in RetentionRule.Unit.choices})

register(
    RulesOfItsOwn(
        key="durées_de_conservation",
        model=RetentionRule,
        match=("kind",),
        comment="Les durées que la commune a changées ; les autres sont celles d'usage.",
        fields=(
            Field("nature", "kind", KEPT_KIND),
            Field("durée", "duration", Number(), example="24"),
            Field("unité", "unit", KEPT_UNIT, default=RetentionRule.Unit.MONTH),
            Field("appliquée", "active", Flag(), default=True),
            Field("visa_des_archives", "needs_visa", Flag(), default=False),
            Field("fondement", "source", default="", example="délibération du 12 juin 2026"),
        ),
    )
)
register(
    Rows(
        key="registre_des_traitements",
        model=ProcessingTexts,
        match=(),
        single=True,
        comment="Ce que la commune seule peut dire de ses traitements de données.",
        fields=(
            Field("responsable", "controller", default="", example="Commune de Saint-Exemple-sur-Rive"),
            Field("délégué", "officer", default="", example="Centre de gestion, dpo@example.org"),
            Field("sous-traitants", "processors", default="", example="Hébergeur du portail"),
            Field("transferts", "transfers", default="", example="Aucun"),
            Field("sécurité", "security", default="", example="Double authentification des agents"),
            Field("revu_le", "updated_on", Day(), default=None),
        ),
    )
)
