"""What a town's file says of money: its tariffs, their bands and special rules, which formula pays which."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.nodes import MappingNode, Node

from billing.models import (
    DINER_WORDS,
    AbsencePolicy,
    ActivityRegie,
    AdultPrice,
    BillingSettings,
    BudgetCode,
    Fee,
    FeePrice,
    FormulaTariff,
    JournalAccounts,
    LateCollectionRule,
    PaymentMeans,
    PaymentMeansUse,
    RefundRule,
    RefundStep,
    Regie,
    Status,
    Tariff,
    TariffBand,
    TariffModifier,
    TariffQuantity,
    TariffRate,
    TicketCard,
    price_text,
)
from billing.prices import books
from billing.rules import adults as adult_rules
from billing.rules import fees as fee_rules
from billing.rules import quantities, refunds, tariff_checks
from portal.french.dates import short_day
from portal.french.grades import Grade
from portal.french.plurals import counted
from portal.reservations.models import Activity, Audience, Formula, SchoolClass
from portal.reservations.towns.fields import (
    Amount,
    Day,
    Field,
    Flag,
    Hour,
    ListOf,
    Loading,
    Mistake,
    Months,
    Number,
    Reference,
    Text,
    Words,
    closest,
    plain,
    scalar,
)
from portal.reservations.towns.town_file import Rows, register

PAPERLESS = Words(
    {
        "jamais": AbsencePolicy.Paperless.NEVER,
        "signalée": AbsencePolicy.Paperless.KNOWN,
        "à_temps": AbsencePolicy.Paperless.TOLD,
    }
)
TOLD_LATE = Words(
    {"tout_facturé": AbsencePolicy.ToldLate.ALL, "jours_suivants_gratuits": AbsencePolicy.ToldLate.FOLLOWING}
)
LATE_SPAN = Words({"année": LateCollectionRule.Span.YEAR, "mois": LateCollectionRule.Span.MONTH})
REFUND_UNTIL = Words({"jour": RefundRule.Until.DAY, "période": RefundRule.Until.PERIOD})
AGE_COUNTS = Words(
    {
        "le_jour_même": Activity.AgeCounts.DAY,
        "au_31_décembre": Activity.AgeCounts.DECEMBER,
        "au_1er_septembre": Activity.AgeCounts.SEPTEMBER,
    }
)
GRADE = Words({label: value for value, label in Grade.choices})
KIND = Words({"unique": Tariff.Kind.FLAT, "tranches": Tariff.Kind.BANDS, "taux_d'effort": Tariff.Kind.EFFORT})
UNIT = Words(
    {
        "présence": Tariff.Unit.PRESENCE,
        "heure": Tariff.Unit.HOUR,
        "demi-heure": Tariff.Unit.HALF_HOUR,
        "quart_d'heure": Tariff.Unit.QUARTER,
        "mois": Tariff.Unit.MONTH,
        "période": Tariff.Unit.PERIOD,
    }
)
BETWEEN = Words({"dessous": Tariff.Between.LOWER, "dessus": Tariff.Between.UPPER})
BEGUN = Words(
    {
        "entier": Tariff.Begun.WHOLE,
        "jours_ouverts": Tariff.Begun.DAYS,
        "semaines_entamées": Tariff.Begun.WEEKS,
    }
)
HOMES = Words({"entier": Tariff.Homes.WHOLE, "partagé": Tariff.Homes.SHARED})
EMPTIED = Words({"dû": Tariff.Emptied.KEPT, "rendu": Tariff.Emptied.CREDITED})
NO_QUOTIENT = Words(
    {
        "plus_haute": Tariff.NoQuotient.HIGHEST,
        "tranche": Tariff.NoQuotient.BAND,
        "prix": Tariff.NoQuotient.PRICE,
    }
)
WHEN = Words(
    {
        "hors_commune": TariffModifier.When.NON_RESIDENT,
        "hors_délai": TariffModifier.When.LATE,
        "sans_réservation": TariffModifier.When.UNRESERVED,
        "absence": TariffModifier.When.ABSENT,
        "rang": TariffModifier.When.RANK,
        "enfants": TariffModifier.When.CHILDREN,
        "situation": TariffModifier.When.STATUS,
        "public": TariffModifier.When.PUBLIC,
        "niveau": TariffModifier.When.LEVEL,
        "classe": TariffModifier.When.GRADE,
        "âge": TariffModifier.When.AGE,
        "pai": TariffModifier.When.PAI,
        "adulte": TariffModifier.When.ADULT,
    }
)
EFFECT = Words(
    {
        "ajoute": TariffModifier.Effect.ADD,
        "pour_cent": TariffModifier.Effect.PERCENT,
        "multiplie": TariffModifier.Effect.MULTIPLY,
        "prix": TariffModifier.Effect.PRICE,
        "colonne": TariffModifier.Effect.COLUMN,
        "décale": TariffModifier.Effect.SHIFT,
    }
)
QUANTITY = Words(
    {
        "colonne": TariffQuantity.Kind.COLUMN,
        "prix_d'une": TariffQuantity.Kind.ONE,
        "forfait_de_jours": TariffQuantity.Kind.PACKAGE,
        "forfait_à_partir_de": TariffQuantity.Kind.FLAT,
        "fratrie_ensemble": TariffQuantity.Kind.SIBLINGS,
        "minimum": TariffQuantity.Kind.FLOOR,
        "plafond": TariffQuantity.Kind.CAP,
    }
)
SPAN = Words(
    {
        "jour": TariffQuantity.Span.DAY,
        "semaine": TariffQuantity.Span.WEEK,
        "mois": TariffQuantity.Span.MONTH,
        "période": TariffQuantity.Span.PERIOD,
    }
)
COUNT = Words({"jours": TariffQuantity.Count.DAYS, "présences": TariffQuantity.Count.PRESENCES})
COUNTED = Words({"réservés": TariffQuantity.Counted.RESERVED, "venus": TariffQuantity.Counted.ATTENDED})
STATUS = Words(
    {
        "handicap": Status.DISABILITY,
        "boursier": Status.SCHOLARSHIP,
        "famille_d'accueil": Status.FOSTER,
        "personnel": Status.STAFF,
    }
)
SITUATION = Words(
    {
        "hors_délai": FormulaTariff.Situation.LATE,
        "sans_réservation": FormulaTariff.Situation.UNRESERVED,
        "absence": FormulaTariff.Situation.ABSENT,
        "pai": FormulaTariff.Situation.PAI,
        "adulte": FormulaTariff.Situation.ADULT,
    }
)
AUDIENCE = Words(
    {"commune": FormulaTariff.Audience.RESIDENT, "hors_commune": FormulaTariff.Audience.NON_RESIDENT}
)
LEVEL = Words({label.lower(): value for value, label in SchoolClass.Level.choices})
DEPOSIT = Words(
    {
        "aucune": PaymentMeans.Deposit.NONE,
        "bordereau": PaymentMeans.Deposit.SLIP,
        "versement": PaymentMeans.Deposit.CASH,
    }
)
COLLECTION = Words({"régie": "regie", "titre": "titre"})
DEFAULTS, ACCOUNTS = BillingSettings(), JournalAccounts()
# What the town's own régie and a further one both say.
ISSUER = (
    Field(
        "mention_des_relances",
        "reminder_notice",
        default="",
        example="Sans paiement, la somme est transmise au comptable public.",
    ),
    Field("recouvrement", "collection", COLLECTION, default=DEFAULTS.collection),
    Field("émetteur", "issuer_name", default="", example="Régie enfance de Saint-Exemple"),
    Field("adresse", "issuer_address", default="", example="1 place de la Mairie"),
    Field("signataire", "signatory", default="", example="Dominique Roy, régisseur titulaire"),
    Field("siret", "siret", default="", example="732 829 320 00074"),
    Field("mention_de_tva", "vat_notice", default="", example="Hors du champ de la TVA."),
    Field("mentions_légales", "legal_notice", default="", example="Délibération du 12 juin 2026."),
    Field("voies_de_recours", "recourse", default="", example="Deux mois devant le tribunal administratif."),
    Field("iban", "iban", default="", example="FR14 2004 1010 0505 0001 3M02 606"),
    Field("bic", "bic", default="", example="PSSTFRPPXXX"),
    Field("identifiant_créancier", "creditor_identifier", default="", example="FR72 ZZZ 123456"),
    Field("chèque_à_l'ordre_de", "cheque_payable_to", default="", example="Régie enfance"),
    Field("envoi_du_chèque", "cheque_address", default="", example="Mairie, 1 place de la Mairie"),
    Field("guichet", "desk", default="", example="Mairie, de 9 h à 12 h"),
    Field("fonds_de_caisse", "cash_float", Amount(), default=Decimal(0), example="50"),
    Field("encaisse_maximale", "cash_maximum", Amount(), default=None, example="1500"),
)
LATE = Words({"dès_sa_date": BillingSettings.Late.DATE, "dès_qu'on_le_sait": BillingSettings.Late.TOLD})
SIBLINGS = Words(
    {"toutes_activités": BillingSettings.Siblings.ALL, "même_activité": BillingSettings.Siblings.ACTIVITY}
)


class MeansCode(Text):
    """A means of payment: one that every town knows by its word, one of the town's own by its code."""

    example = "chèque"
    WORDS: ClassVar[dict[str, str]] = {
        "espèces": "cash",
        "chèque": "cheque",
        "carte bancaire": "card",
        "virement bancaire": "transfer",
        "CESU": "cesu",
        "CESU dématérialisé": "cesu_e",
        "Chèque-Vacances": "ancv",
        "Chèque-Vacances Connect": "ancv_c",
        "bon CAF": "caf",
        "prélèvement": "debit",
        "paiement en ligne": "online",
    }
    CODES: ClassVar[dict[str, str]] = {plain(word): code for word, code in WORDS.items()}

    def read(self, node: Node, loading: Loading, parent: Any) -> str:
        text = scalar(node).strip()
        return self.CODES.get(plain(text), text)

    def write(self, value: Any) -> Any:
        return next((word for word, code in self.WORDS.items() if code == value), value)


class Prices(Text):
    """3.20, or a price a column: {repas: 3.20, pai: 1.60}."""

    example = "3.20"

    def read(self, node: Node, loading: Loading, parent: Any) -> dict[str, str]:
        if not isinstance(node, MappingNode):
            return {"": self._price(node, loading, parent)}
        return {scalar(key).strip(): self._price(value, loading, parent) for key, value in node.value}

    def _price(self, node: Node, loading: Loading, parent: Any) -> str:
        amount = Amount().read(node, loading, parent)
        if amount < 0:
            raise Mistake("Un prix n'est jamais négatif.", node)
        return price_text(amount)

    def write(self, value: Any) -> Any:
        if set(value) == {""}:
            return value[""]
        prices = CommentedMap(value)
        prices.fa.set_flow_style()
        return prices


class FormulaReference(Text):
    """« activité/formule », by their codes."""

    example = "cantine/repas"

    def read(self, node: Node, loading: Loading, parent: Any) -> Formula:
        text = scalar(node).strip()
        activity, _, code = text.partition("/")
        found = Formula.objects.filter(activity__code=activity.strip(), code=code.strip()).first()
        if found is None:
            known = [
                f"{activity}/{code}"
                for activity, code in Formula.objects.values_list("activity__code", "code")[:200]
            ]
            hint = closest(text, known) if known else "Il n'y en a encore aucune."
            raise Mistake(f"« {text} » : aucune formule de ce nom. {hint}", node)
        return found

    def write(self, value: Any) -> Any:
        return f"{value.activity.code}/{value.code}"


def to_check(row: Tariff) -> list[str]:
    """What the desk would show above the tariff, columns without an order, and formulas that ask for a column
    it has not."""
    rule = row.rule()
    found = [problem.sentence for problem in tariff_checks.to_check(rule)]
    if len(rule.columns) > 1 and not set(rule.columns) <= {"", *row.columns}:
        found.append(
            "Écrivez toutes les colonnes dans « colonnes » : sans colonne, une formule prend la première."
        )
    return found + [
        f"La grille n'a pas la colonne « {link.column} » de la formule « {link.formula} »."
        for link in row.formulas.select_related("formula")
        if link.column and "" not in rule.columns and link.column not in rule.columns
    ]


def contradicts(row: Tariff) -> list[str]:
    """Rules by number that cannot stand together, or in this tariff."""
    rules = [one.rule() for one in row.quantities.all()]
    return quantities.contradictions(rules, row.unit, row.columns)


def keep_past(row: Tariff, values: dict[str, Any], loading: Loading) -> Callable[[], None]:
    """Other prices written into a tariff that has priced meals hold from tomorrow on, or from the later day
    that the file gives it: the days before keep theirs, as where a grid is edited at the desk."""
    before = Tariff.objects.with_rules().prefetch_related("formulas", "quantities").get(pk=row.pk)
    first = values["valid_from"]
    if kept := books.kept_before(before).first():
        # What was kept ends where it begins: « du » is still that of the first of them.
        begins = (kept.valid_to or date.min) + timedelta(days=1)
        values["valid_from"] = first = begins if first is None else max(first, begins)
    had, priced = books.terms(before), books.presences_priced(before, loading.today)

    def written_over() -> None:
        after = Tariff.objects.with_rules().prefetch_related("formulas", "quantities").get(pk=row.pk)
        if not priced or books.terms(after) == had:
            return
        later = first is not None and (before.valid_from is None or first > before.valid_from)
        since = first if later and first else loading.today + timedelta(days=1)
        if after.valid_to is not None and since > after.valid_to:
            raise Mistake(
                "Ce tarif est fini : ses prix ne changent plus. Écrivez les nouveaux sous un autre code."
            )
        kept = books.keep_past(before, after, since)
        if kept is not None:
            eaten = counted(priced, "présence garde son prix", "présences gardent leur prix")
            loading.report.asked.append(
                f"Tarif « {after.name} » : les nouveaux prix valent à partir du"
                f" {short_day(since, year=True)}. Jusqu'à aujourd'hui, {eaten}, sous « {kept.code} »."
            )

    return written_over


register(
    Rows(
        key="tarifs",
        model=Tariff,
        match=("code",),
        order_by=("code",),
        comment="Les prix. Les deux bornes d'une tranche sont comprises ; une borne absente est sans limite.",
        fields=(
            Field("code", "code", example="repas-2026"),
            Field("nom", "name", example="Repas 2026-2027"),
            Field("principe", "kind", KIND, default=Tariff.Kind.BANDS),
            Field("prix_pour", "unit", UNIT, default=Tariff.Unit.PRESENCE),
            Field("du", "valid_from", Day(), default=None),
            Field("au", "valid_to", Day(), default=None, example="2027-07-02"),
            Field("forfait_en_cours_de_route", "begun", BEGUN, default=Tariff.Begun.WHOLE),
            Field("forfait_de_deux_foyers", "homes", HOMES, default=Tariff.Homes.WHOLE),
            Field("forfait_sans_jour", "emptied", EMPTIED, default=Tariff.Emptied.KEPT),
            Field("forfait_dû", "due_months", Months(), default=0),
            Field("colonnes", "columns", ListOf(Text()), default=list, example="[repas, pai]"),
            Field("entre_deux_tranches", "between", BETWEEN, default=Tariff.Between.LOWER),
            Field("sans_quotient", "no_quotient", NO_QUOTIENT, default=Tariff.NoQuotient.HIGHEST),
            Field("tranche_sans_quotient", "no_quotient_band", default="", example="A"),
            Field("prix_sans_quotient", "no_quotient_price", Amount(), default=None, example="5.60"),
            Field("arrondi", "step", Amount(), default=Decimal("0.01"), example="0.05"),
            Field("tva", "vat_percent", Amount(), default=Decimal(0), example="10"),
            Field("part_de_garde", "care_percent", Amount(), default=Decimal(0), example="100"),
        ),
        to_check=to_check,
        contradicts=contradicts,
        rewrites=keep_past,
        children=(
            Rows(
                key="tranches",
                model=TariffBand,
                match=("low", "high", "name"),
                parent="tariff",
                exact=True,
                compact=True,
                fields=(
                    Field("nom", "name", default="", example="A"),
                    Field("de", "low", Amount(), default=None, example="0"),
                    Field("à", "high", Amount(), default=None, example="500"),
                    Field("prix", "prices", Prices(), example="{repas: 3.20, pai: 1.60}"),
                ),
            ),
            Rows(
                key="taux",
                model=TariffRate,
                match=("column", "children"),
                parent="tariff",
                exact=True,
                compact=True,
                fields=(
                    Field("colonne", "column", default="", example="repas"),
                    Field("enfants", "children", Number(), default=1, example="2"),
                    Field("taux", "percent", Amount(), default=Decimal(0), example="0.3"),
                    Field("plus", "base", Amount(), default=Decimal(0), example="0.50"),
                    Field("plancher", "floor", Amount(), default=None, example="1.20"),
                    Field("plafond", "ceiling", Amount(), default=None, example="5.60"),
                    Field("quotient_du_plancher", "low", Amount(), default=None, example="300"),
                    Field("quotient_du_plafond", "high", Amount(), default=None, example="1400"),
                ),
            ),
            Rows(
                key="règles_particulières",
                model=TariffModifier,
                match=(
                    "when",
                    "number",
                    "age_counts",
                    "level",
                    "first_grade",
                    "last_grade",
                    "status",
                    "public",
                    "effect",
                    "column",
                    "amount",
                ),
                parent="tariff",
                exact=True,
                compact=True,
                fields=(
                    Field("quand", "when", WHEN),
                    Field("à_partir_de", "number", Number(), default=0, example="2"),
                    Field("âge_compté", "age_counts", AGE_COUNTS, default=Activity.AgeCounts.DAY),
                    Field("niveau", "level", LEVEL, default=""),
                    Field("de_la_classe", "first_grade", GRADE, default=None),
                    Field("à_la_classe", "last_grade", GRADE, default=None),
                    Field("situation", "status", STATUS, default=""),
                    Field("public", "public", Reference(Audience), default=None, example="partenaires"),
                    Field("effet", "effect", EFFECT),
                    Field("valeur", "amount", Amount(), default=Decimal(0), example="1.50"),
                    Field("colonne", "column", default="", example="pai"),
                    Field("colonnes", "columns", ListOf(Text()), default=list, example="[repas, pai]"),
                ),
            ),
            Rows(
                key="selon_le_nombre",
                model=TariffQuantity,
                match=("kind", "span", "number", "column", "family", "count", "counted", "apart"),
                parent="tariff",
                exact=True,
                compact=True,
                fields=(
                    Field("effet", "kind", QUANTITY),
                    Field("par", "span", SPAN, default=TariffQuantity.Span.WEEK),
                    Field("nombre", "number", Number(), default=1, example="4"),
                    Field("montant", "amount", Amount(), default=None, example="32"),
                    Field("colonne", "column", default="", example="régulier"),
                    Field("famille", "family", Flag(), default=False),
                    Field("compte", "count", COUNT, default=TariffQuantity.Count.DAYS),
                    Field("comptés", "counted", COUNTED, default=TariffQuantity.Counted.RESERVED),
                    Field("chaque_formule_à_part", "apart", Flag(), default=False),
                ),
            ),
            Rows(
                key="formules",
                model=FormulaTariff,
                match=("formula", "column", "situation", "audience", "public", "level", "rank", "children"),
                parent="tariff",
                exact=True,
                compact=True,
                order_by=("formula__activity__code", "formula__code", "pk"),
                fields=(
                    Field("formule", "formula", FormulaReference()),
                    Field("colonne", "column", default="", example="repas"),
                    Field("situation", "situation", SITUATION, default=""),
                    Field("pour", "audience", AUDIENCE, default=""),
                    Field("public", "public", Reference(Audience), default=None, example="partenaires"),
                    Field("niveau", "level", LEVEL, default=""),
                    Field("rang", "rank", Number(), default=1, example="2"),
                    Field("enfants", "children", Number(), default=1, example="2"),
                    Field("supplément", "supplement", Flag(), default=False),
                ),
            ),
        ),
    )
)
register(
    Rows(
        key="règles_d'absence",
        model=AbsencePolicy,
        match=("activity",),
        order_by=("activity__code",),
        comment="Quelles absences ne sont pas facturées. Sans activité : toutes les autres.",
        fields=(
            Field("activité", "activity", Reference(Activity), default=None, example="cantine"),
            Field("certificat", "certificates_count", Flag(), default=True),
            Field("sous_heures", "within_hours", Number(), default=None, example="48"),
            Field("carence", "waiting_days", Number(), default=0, example="1"),
            Field("carence_si_tard", "late_waiting_days", Number(), default=None, example="3"),
            Field("plus_après_jours", "max_days", Number(), default=None, example="15"),
            Field("grève_gratuite", "strike_free", Flag(), default=True),
            Field("enseignant_absent_gratuit", "teacher_free", Flag(), default=True),
            Field("sortie_gratuite", "trip_free", Flag(), default=True),
            Field("famille_gratuite", "family_free", Flag(), default=False),
            Field("maladie_sans_certificat", "paperless", PAPERLESS, default=""),
            Field("prévenir_avant", "told_before", Hour(), default=None, example="10:00"),
            Field("prévenir_jours_avant", "told_days_before", Number(), default=0, example="1"),
            Field("prévenu_plus_tard", "told_late", TOLD_LATE, default=AbsencePolicy.ToldLate.ALL),
            Field("premiers_jours_gratuits", "free_first_days", Number(), default=None, example="2"),
            Field("jours_gratuits_par_an", "free_days_a_year", Number(), default=0, example="5"),
            Field("semaines_gratuites_par_an", "free_weeks_a_year", Number(), default=0, example="2"),
        ),
    )
)
register(
    Rows(
        key="départs_tardifs",
        model=LateCollectionRule,
        match=("activity", "valid_from"),
        order_by=("activity__code", "valid_from"),
        comment="Ce que coûte un enfant repris après la fermeture, par activité.",
        fields=(
            Field("activité", "activity", Reference(Activity), example="accueil-du-soir"),
            Field("du", "valid_from", Day()),
            Field("au", "valid_to", Day(), default=None),
            Field("fermeture", "closes_at", Hour(), example="18:30"),
            Field("tolérance_minutes", "tolerance", Number(), default=0, example="5"),
            Field("quart_d'heure", "quarter", Amount(), default=None, example="5"),
            Field("forfait", "flat", Amount(), default=None, example="10"),
            Field("forfait_après", "flat_after", Hour(), default=None, example="18:50"),
            Field("à_partir_du_retard", "from_nth", Number(), default=1, example="3"),
            Field("comptés_par", "span", LATE_SPAN, default=LateCollectionRule.Span.YEAR),
        ),
    )
)


def steps_hold_together(row: RefundRule) -> list[str]:
    """Steps that contradict one another."""
    return refunds.problems([one.step() for one in row.steps.all()])


register(
    Rows(
        key="remboursements",
        model=RefundRule,
        match=("activity", "valid_from"),
        order_by=("activity__code", "valid_from"),
        comment="Ce qu'un jour annulé par la famille rend de son prix, selon combien de jours avant.",
        fields=(
            Field("activité", "activity", Reference(Activity), example="sejours"),
            Field("du", "valid_from", Day()),
            Field("au", "valid_to", Day(), default=None),
            Field("compté_avant", "until", REFUND_UNTIL, default=RefundRule.Until.DAY),
        ),
        contradicts=steps_hold_together,
        children=(
            Rows(
                key="paliers",
                model=RefundStep,
                match=("days_before",),
                order_by=("-days_before",),
                parent="rule",
                exact=True,
                compact=True,
                fields=(
                    Field("jours_avant", "days_before", Number(), example="30"),
                    Field("rendu_en_%", "percent", Number(), example="70"),
                ),
            ),
        ),
    )
)
register(
    Rows(
        key="facturation",
        model=BillingSettings,
        match=(),
        single=True,
        comment="Comment la commune facture.",
        fields=(
            Field("enfants_comptés", "siblings", SIBLINGS, default=BillingSettings.Siblings.ALL),
            Field("déménagement_en_retard", "residence_late", LATE, default=DEFAULTS.residence_late),
            Field("école_en_retard", "school_late", LATE, default=DEFAULTS.school_late),
            Field("fratrie_en_retard", "siblings_late", LATE, default=DEFAULTS.siblings_late),
            Field("quotient_en_retard", "quotient_late", LATE, default=DEFAULTS.quotient_late),
            Field("à_partir_du", "starts_on", Day(), default=None),
            Field("série", "series", default=DEFAULTS.series, example="F"),
            Field("jours_pour_payer", "payment_days", Number(), default=DEFAULTS.payment_days),
            Field(
                "jours_entre_relances",
                "reminder_days",
                Number(),
                default=DEFAULTS.reminder_days,
                example="15",
            ),
            Field("montant_minimum", "minimum_amount", Amount(), default=Decimal(0), example="5"),
            *ISSUER,
            Field(
                "impayés_activités",
                "arrears_activities",
                ListOf(Reference(Activity)),
                default=list,
                many=True,
                example="[mercredis]",
            ),
            Field(
                "impayés_relances",
                "arrears_reminders",
                Number(),
                default=DEFAULTS.arrears_reminders,
                example="3",
            ),
            Field("impayés_jours", "arrears_days", Number(), default=DEFAULTS.arrears_days, example="30"),
            Field(
                "impayés_montant",
                "arrears_amount",
                Amount(),
                default=DEFAULTS.arrears_amount,
                example="50",
            ),
            Field(
                "impayés_fin_au_paiement",
                "arrears_end_when_paid",
                Flag(),
                default=DEFAULTS.arrears_end_when_paid,
            ),
            Field("buraliste", "tobacconist", Flag(), default=False),
            Field("paiement_partiel_en_ligne", "part_payment", Flag(), default=False),
            Field("échéances_au_plus", "instalments_most", Number(), default=0, example="3"),
            Field("échéances_à_partir_de", "instalments_from", Amount(), default=Decimal(0), example="60"),
            Field("bordereaux_à_partir_du", "deposits_from", Day(), default=None),
        ),
    )
)
register(
    Rows(
        key="moyens_de_paiement",
        model=PaymentMeans,
        match=("code",),
        order_by=("order", "code"),
        comment="Seulement ceux que la commune change ou ajoute.",
        fields=(
            Field("code", "code", MeansCode()),
            Field("libellé", "label", example="Chèque"),
            Field("ordre", "order", Number(), default=50, example="1"),
            Field("utilisé", "active", Flag(), default=True),
            Field("au_guichet", "at_desk", Flag(), default=True),
            Field("limité", "limited", Flag(), default=False),
            Field("référence", "reference", default="", example="N° de chèque"),
            Field("sans_rendu_de_monnaie", "no_change", Flag(), default=False),
            Field("remise", "deposit", DEPOSIT, default=PaymentMeans.Deposit.NONE),
            Field("compte", "account", default="", example="'5112'"),
        ),
        children=(
            Rows(
                key="paie",
                model=PaymentMeansUse,
                match=("activity", "formula"),
                parent="means",
                exact=True,
                compact=True,
                fields=(
                    Field("activité", "activity", Reference(Activity), example="cantine"),
                    Field("formule", "formula", FormulaReference(), default=None),
                    Field("moins_de", "under_age", Number(), default=None, example="6"),
                ),
            ),
        ),
    )
)
register(
    Rows(
        key="régies",
        model=Regie,
        match=("code",),
        comment="Les régies qui encaissent à part ; sans elles, tout est à celle de la commune.",
        fields=(
            Field("nom", "name", example="Centre de loisirs"),
            Field("code", "code", example="LOISIRS"),
            Field("lettres", "letters", example="CL"),
            *ISSUER,
        ),
        children=(
            Rows(
                key="activités",
                model=ActivityRegie,
                match=("activity",),
                parent="regie",
                exact=True,
                compact=True,
                fields=(Field("activité", "activity", Reference(Activity), example="cantine"),),
            ),
        ),
    )
)
register(
    Rows(
        key="codes_budgétaires",
        model=BudgetCode,
        match=("activity", "formula"),
        order_by=("activity__code", "formula__activity__code", "formula__code"),
        comment="Les codes d'une activité, ou d'une formule, dont le code l'emporte.",
        fields=(
            Field("activité", "activity", Reference(Activity), default=None, example="cantine"),
            Field("formule", "formula", FormulaReference(), default=None),
            Field("analytique", "analytic", default="", example="CANTINE"),
            Field("compte", "account", default="", example="'70671'"),
        ),
    )
)
register(
    Rows(
        key="comptes_du_journal",
        model=JournalAccounts,
        match=(),
        single=True,
        comment="Les comptes du journal général.",
        fields=(
            Field("redevables", "debtors", default=ACCOUNTS.debtors, example="'411'"),
            Field("recettes", "revenue", default=ACCOUNTS.revenue, example="'7067'"),
            Field(
                "avoirs_d'une_année_passée", "earlier_years", default=ACCOUNTS.earlier_years, example="'673'"
            ),
            Field("abandons_de_créances", "written_off", default=ACCOUNTS.written_off, example="'6541'"),
            Field("à_classer", "waiting", default=ACCOUNTS.waiting, example="'4711'"),
            Field("espèces", "cash", default=ACCOUNTS.cash, example="'531'"),
            Field("chèques", "cheques", default=ACCOUNTS.cheques, example="'5112'"),
            Field("cartes", "cards", default=ACCOUNTS.cards, example="'5115'"),
            Field("titres", "vouchers", default=ACCOUNTS.vouchers, example="'5118'"),
            Field("banque", "bank", default=ACCOUNTS.bank, example="'515'"),
            Field("tva", "vat", default=ACCOUNTS.vat, example="'44571'"),
        ),
    )
)


PER = Words({"famille": Fee.Per.HOUSEHOLD, "enfant": Fee.Per.CHILD})
SPAN = Words({"année_scolaire": Fee.Span.SCHOOL_YEAR, "douze_mois": Fee.Span.TWELVE_MONTHS})
ARISES = Words({"acceptée": Fee.Arises.ACCEPTED, "demandée": Fee.Arises.ASKED})


def fee_holds_together(row: Fee) -> list[str]:
    """Prices that contradict one another."""
    return fee_rules.problems(fee_rules.Per(row.per), row.steps())


register(
    Rows(
        key="frais_annuels",
        model=Fee,
        match=("code",),
        order_by=("code",),
        comment="Demandés une fois par an à qui s'inscrit : une adhésion, des frais de dossier.",
        fields=(
            Field("code", "code", example="adhesion"),
            Field("nom", "name", example="Adhésion"),
            Field(
                "activités",
                "activities",
                ListOf(Reference(Activity)),
                many=True,
                default=list,
                example="[cantine]",
            ),
            Field("par", "per", PER, default=Fee.Per.HOUSEHOLD),
            Field("pour", "span", SPAN, default=Fee.Span.SCHOOL_YEAR),
            Field("dus_inscription", "arises", ARISES, default=Fee.Arises.ACCEPTED),
            Field("rendus_si_refus", "refunded", Flag(), default=True),
            Field("du", "valid_from", Day(), default=None),
            Field("au", "valid_to", Day(), default=None, example="2027-08-31"),
            Field("tva", "vat_percent", Amount(), default=Decimal(0), example="20"),
            Field("régie", "regie", Reference(Regie), default=None, example="LOISIRS"),
            Field("analytique", "analytic", default="", example="ADHESION"),
            Field("compte", "account", default="", example="'7088'"),
        ),
        contradicts=fee_holds_together,
        children=(
            Rows(
                key="prix",
                model=FeePrice,
                match=("valid_from", "from_child"),
                parent="fee",
                exact=True,
                compact=True,
                fields=(
                    Field("montant", "amount", Amount(), example="15"),
                    Field("hors_commune", "amount_outside", Amount(), default=None, example="33"),
                    Field("à_partir_de_l'enfant", "from_child", Number(), default=1, example="3"),
                    Field("depuis", "valid_from", Day(), default=None, example="2027-09-01"),
                ),
            ),
        ),
    )
)
register(
    Rows(
        key="cartes",
        model=TicketCard,
        match=("code",),
        order_by=("code",),
        comment="Cartes de tickets : tant de jours pour un prix, pris un par un ; le reste est perdu.",
        fields=(
            Field("code", "code", example="dix-repas"),
            Field("nom", "name", example="Carte de 10 repas"),
            Field(
                "activités",
                "activities",
                ListOf(Reference(Activity)),
                many=True,
                default=list,
                example="[cantine]",
            ),
            Field("tickets", "tickets", Number(), example="10"),
            Field("prix", "price", Amount(), example="38"),
            Field("jusqu'au_jour", "until_day", Number(), default=None, example="31"),
            Field("jusqu'au_mois", "until_month", Number(), default=None, example="8"),
            Field("mois", "months", Number(), default=None),
            Field("du", "valid_from", Day(), default=None),
            Field("au", "valid_to", Day(), default=None, example="2027-08-31"),
            Field("tva", "vat_percent", Amount(), default=Decimal(0)),
            Field("régie", "regie", Reference(Regie), default=None, example="LOISIRS"),
            Field("analytique", "analytic", default="", example="CARTES"),
            Field("compte", "account", default="", example="'7067'"),
        ),
    )
)


DINERS = Words(DINER_WORDS)


def adult_price_holds_together(row: AdultPrice) -> list[str]:
    """A late price without a deadline; a formula without a meal."""
    without = [] if row.formula.with_meal else ["Cette formule ne comprend pas de repas."]
    return without + adult_rules.problems(row.rule())


register(
    Rows(
        key="repas_des_adultes",
        model=AdultPrice,
        match=("formula", "kind", "valid_from"),
        order_by=("formula__activity__code", "formula__code", "kind", "valid_from"),
        compact=True,
        comment="Ce que paient les adultes qui mangent à la cantine : enseignants, agents, intervenants.",
        fields=(
            Field("formule", "formula", FormulaReference(), example="cantine/repas"),
            Field("convives", "kind", DINERS, default="", example="enseignant"),
            Field("depuis", "valid_from", Day(), default=None, example="2026-09-01"),
            Field("prix", "amount", Amount(), example="3.80"),
            Field("jours_avant", "notice_days", Number(), default=0, example="7"),
            Field("prix_plus_tard", "late_amount", Amount(), default=None, example="6"),
            Field("tva", "vat_percent", Amount(), default=Decimal(0), example="10"),
        ),
        contradicts=adult_price_holds_together,
    )
)
