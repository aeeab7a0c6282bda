"""Households, adults, children and where they live: the part of a file on which all others stand.

Whom a row means is found in this order, and never by a name alone:

- a child: the number that the file gives it; its names and its day of birth; else somebody decides;
- a household: its number; an adult of the same name who lives with the child, or whose e-mail, telephone or
  address is the same; the child's own home; the address, for brothers and sisters, if somebody says so;
- an adult: by its name within the household.

What one row has said of a household or an adult, another row of the same file does not change.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from difflib import SequenceMatcher
from typing import Any, TypeVar

from django import forms
from django.db.models import Exists, Model, OuterRef, Q
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from families import approval, residences
from families.addresses import Address as Place
from families.custody import homes, own
from families.forms import check_birth_date
from families.imports import cells
from families.imports.cells import Unreadable
from families.imports.records import TWO_VALUES, UNREAD, Record, Ref, Run
from families.imports.registry import Column, Doubt, Part
from families.models import Child, Custody, Guardian, Household, Residence, SourceNumber
from portal.database.history import KNOWN_BEFORE
from portal.french.dates import short_day
from portal.french.spelling import folded

ADDRESS = approval.ADDRESS
ALIKE = 0.8
A_BATCH = 500
M = TypeVar("M", bound=Model)

COLUMNS = (
    Column(
        "family.number",
        "Numéro de famille",
        ("identifiant famille", "famille identifiant", "id foyer", "numéro dossier", "alias tiers"),
        "Le numéro de la famille dans le logiciel d'origine : le même pour tous ses enfants.",
        "1042",
    ),
    Column(
        "child.number",
        "Numéro de l'enfant",
        ("id enfant", "identifiant élève", "INE", "identifiant national élève", "numéro élève"),
        "Le numéro de l'enfant dans le fichier d'origine : il le retrouve même si son nom est corrigé.",
        "2087",
    ),
    Column(
        "child.last_name", "Nom de l'enfant", ("nom de famille enfant", "nom naissance enfant"), "", "Durand"
    ),
    Column("child.usage_name", "Nom d'usage de l'enfant", (), "Remplace le nom, si celui-ci est vide.", ""),
    Column("child.first_name", "Prénom de l'enfant", (), "", "Léa"),
    Column(
        "child.full_name",
        "Nom et prénom de l'enfant",
        ("enfant", "élève"),
        "À la place des deux colonnes : le nom en capitales, puis le prénom.",
        "DURAND Léa",
    ),
    Column(
        "child.birth_date",
        "Date de naissance",
        ("né(e) le", "date naissance enfant", "naissance enfant", "DDN"),
        "Jour, mois, année en entier : 03/01/2019 ou 2019-01-03.",
        "03/01/2019",
    ),
    Column(
        "home.street",
        "Adresse",
        (
            "rue",
            "voie",
            "adresse responsable",
            "adresse foyer",
            "adr numero voie",
            "rue resid",
            "adresse postale",
        ),
        "Numéro et rue.",
        "12 rue des Écoles",
    ),
    Column(
        "home.street_more",
        "Complément d'adresse",
        ("complément adresse responsable", "complément"),
        "Bâtiment, étage, lieu-dit.",
        "Bâtiment B",
    ),
    Column(
        "home.postcode",
        "Code postal",
        ("CP", "CP responsable", "code postal foyer", "CP resid", "adrcode Postal"),
        "Cinq chiffres.",
        "01000",
    ),
    Column(
        "home.city",
        "Commune",
        ("ville", "commune responsable", "ville foyer", "ville resid", "adr Localite"),
        "",
        "Bourg-en-Bresse",
    ),
    Column("adult.civility", "Civilité du responsable", (), "Lue pour les noms, et pas gardée.", "Mme"),
    Column("adult.last_name", "Nom du responsable", ("nom famille responsable",), "", "Durand"),
    Column("adult.usage_name", "Nom d'usage du responsable", ("nom usage responsable",), "", ""),
    Column("adult.first_name", "Prénom du responsable", (), "", "Anne"),
    Column(
        "adult.full_name",
        "Nom et prénom du responsable",
        ("responsable", "parent"),
        "À la place des deux colonnes : le nom en capitales, puis le prénom.",
        "DURAND Anne",
    ),
    Column(
        "adult.email",
        "Adresse e-mail",
        ("courriel", "mail", "mail responsable", "courriel responsable", "email personnel"),
        "Sert à inviter la personne à ouvrir son compte. Un import n'envoie rien.",
        "anne.durand@exemple.fr",
    ),
    Column(
        "adult.phone",
        "Téléphone portable",
        (
            "portable",
            "mobile",
            "portable responsable",
            "téléphone portable responsable",
            "téléphone responsable",
        ),
        "Dix chiffres, ou avec l'indicatif du pays.",
        "06 12 34 56 78",
    ),
    Column(
        "adult.phone_home",
        "Téléphone domicile",
        ("téléphone", "téléphone fixe", "téléphone domicile responsable"),
        "Gardé si le portable manque.",
        "04 12 34 56 78",
    ),
    Column(
        "adult.phone_work",
        "Téléphone professionnel",
        ("téléphone travail", "téléphone travail responsable", "tel pro", "téléphone pro responsable"),
        "",
        "04 98 76 54 32",
    ),
    Column(
        "custody.since",
        "Vit dans ce foyer depuis",
        ("garde depuis",),
        "Vide : depuis toujours.",
        "01/09/2026",
    ),
    # What a file with a person a line says of each.
    Column("person.civility", "Civilité de la personne", (), "Garçon ou Fille : un enfant.", ""),
    Column("person.last_name", "Nom de la personne", (), "", ""),
    Column("person.first_name", "Prénom de la personne", (), "", ""),
    Column("person.full_name", "Nom et prénom de la personne", (), "", ""),
    Column("person.birth_date", "Date de naissance de la personne", (), "Des enfants seulement.", ""),
)
DOUBTS = (
    Doubt(UNREAD, "Valeur qui ne se lit pas", (("without", "Importer la ligne sans cette valeur"),)),
    Doubt("by_name", "Enfant sans date de naissance", (("same", "C'est l'enfant connu de ce nom"),)),
    Doubt(
        "other_name",
        "Enfant connu sous un nom proche",
        (("same", "C'est le même enfant : corriger son nom"), ("new", "C'est un autre enfant : le créer")),
    ),
    Doubt(
        "other_birth",
        "Autre date de naissance que celle connue",
        (("write", "Corriger la date connue"), ("keep", "Garder la date connue")),
    ),
    Doubt(
        "other_home",
        "Enfant connu dans un autre foyer",
        (
            ("second", "Il vit aussi dans ce foyer : l'ajouter"),
            ("same", "C'est le même foyer : le mettre à jour"),
        ),
    ),
    Doubt(
        "same_roof",
        "Même nom, même adresse",
        (("one", "C'est une seule famille"), ("apart", "Ce sont des familles distinctes")),
    ),
    Doubt(
        "shared_email",
        "Deux responsables, une adresse e-mail",
        (("without", "Créer le responsable sans cette adresse"), ("same", "C'est la même personne")),
    ),
    Doubt(TWO_VALUES, "Deux valeurs dans le fichier", (("first", "Garder la première lue"),)),
)


# What a row says, before anybody is looked for ----------------------------------------------------------


@dataclass(frozen=True)
class Kid:
    first: str
    last: str
    birth: date | None
    number: str

    @property
    def name(self) -> str:
        return folded(f"{self.first} {self.last}")

    def __str__(self) -> str:
        return f"{self.first} {self.last}"


@dataclass(frozen=True)
class Address:
    street: str
    more: str
    postcode: str
    city: str

    @property
    def roof(self) -> tuple[str, str]:
        return folded(f"{self.street} {self.city}"), self.postcode

    @property
    def whole(self) -> bool:
        return bool(self.street and self.postcode and self.city)


@dataclass(frozen=True)
class Adult:
    group: str
    first: str
    last: str
    email: str
    phone: str
    work: str

    @property
    def name(self) -> str:
        return folded(f"{self.first} {self.last}")

    def __str__(self) -> str:
        return f"{self.first} {self.last}"


@dataclass
class Wanted:
    number: str = ""
    child: Kid | None = None
    # The first home, and the other where a row has two; whose adults are whose.
    addresses: list[Address | None] = field(default_factory=list)
    adults: list[list[Adult]] = field(default_factory=list)
    since: date | None = None


def _wanted(run: Run, record: Record) -> Wanted:
    found = Wanted(number=record.read(run, "family.number", cells.number, needed=True) or "")
    found.child = _kid(run, record)
    first, second = _address(run, record, "home"), _address(run, record, "home2")
    one, other = _adult(run, record, "adult"), _adult(run, record, "adult2")
    if second is not None and (first is None or second.roof == first.roof):
        first, second = first or second, None
    found.addresses = [first]
    found.adults = [[adult for adult in (one, other) if adult is not None]]
    if second is not None:
        found.addresses.append(second)
        found.adults = [[one] if one else [], [other] if other else []]
    found.since = record.read(run, "custody.since", cells.day)
    return found


def _names(run: Run, record: Record, group: str) -> tuple[str, str] | None:
    """(last, first), said in one column or in two; None where the row says neither."""
    last_key, first_key = f"{group}.last_name", f"{group}.first_name"
    last = record.read(run, last_key, cells.last_name, needed=True)
    last = last or record.read(run, f"{group}.usage_name", cells.last_name, needed=True)
    first = record.read(run, first_key, cells.first_name, needed=True)
    if last is None and first is None:
        return record.read(run, f"{group}.full_name", cells.names, needed=True)
    return last or "", first or ""


def _kid(run: Run, record: Record) -> Kid | None:
    number = record.read(run, "child.number", cells.number, needed=True) or ""
    birth = record.read(run, "child.birth_date", cells.day, needed=True)
    names = _names(run, record, "child")
    if names is None:
        if (number or birth) and record.counts:
            record.wrong("child.last_name", "il manque le nom et le prénom de l'enfant.")
        return None
    last, first = names
    for key, value, what in (("last_name", last, "le nom"), ("first_name", first, "le prénom")):
        if not value and record.counts:
            record.wrong(f"child.{key}", f"il manque {what} de l'enfant.")
    if birth is not None:
        try:
            check_birth_date(birth, run.today)
        except forms.ValidationError as error:
            record.wrong("child.birth_date", error.messages[0])
    return Kid(first, last, birth, number)


def _address(run: Run, record: Record, group: str) -> Address | None:
    street = record.text(f"{group}.street")[:200]
    code = record.read(run, f"{group}.postcode", cells.postcode, needed=True) or ""
    city = record.text(f"{group}.city")[:100]
    if not (street or code or city):
        return None
    if city.isupper():
        city = cells.capitalised(city)
    try:
        cells.check_city(code, city)
    except Unreadable as error:
        record.wrong(f"{group}.city", str(error))
    return Address(street, record.text(f"{group}.street_more")[:200], code, city)


def _adult(run: Run, record: Record, group: str) -> Adult | None:
    if cells.civility(record.text(f"{group}.civility")) == "body":
        record.wrong(f"{group}.civility", "une collectivité n'est pas un responsable.")
        return None
    names = _names(run, record, group)
    email = record.read(run, f"{group}.email", cells.email) or ""
    phone = record.read(run, f"{group}.phone", cells.phone) or ""
    home = record.read(run, f"{group}.phone_home", cells.phone) or ""
    work = record.read(run, f"{group}.phone_work", cells.phone) or ""
    if names is None:
        return None
    last, first = names
    if not (last and first):
        if record.counts:
            missing = "first_name" if last else "last_name"
            record.wrong(f"{group}.{missing}", "un responsable a un nom et un prénom.")
        return None
    return Adult(group, first, last, email, phone or home, work or (home if phone else ""))


# Who is known -------------------------------------------------------------------------------------------


@dataclass(eq=False)
class HomeRef(Ref[Household]):
    adults: list["AdultRef"] = field(default_factory=list)
    # Last names of the children that live there, folded.
    names: set[str] = field(default_factory=set)
    # What a row of this file has said of it: column → line.
    told: dict[str, int] = field(default_factory=dict)
    number: str = ""
    has_new_number: bool = False
    # Across the town's border, with the address that the file says.
    moves: bool | None = None
    # Where it lived, of one that was known, before this file.
    left: Place | None = None

    @property
    def roof(self) -> tuple[str, str]:
        return folded(f"{self.row.street} {self.row.city}"), self.row.postcode


@dataclass(eq=False)
class AdultRef(Ref[Guardian]):
    home: HomeRef | None = None
    told: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return folded(f"{self.row.first_name} {self.row.last_name}")

    @property
    def addresses(self) -> set[str]:
        login = self.row.user.email if self.row.user_id is not None and self.row.user is not None else ""
        return {address for address in (self.row.email_given, login) if address}


@dataclass(eq=False)
class ChildRef(Ref[Child]):
    homes: list[HomeRef] = field(default_factory=list)
    # Homes that it has left, by key.
    left: dict[int, date] = field(default_factory=dict)
    # Homes that it joins with this file, and since when.
    joins: list[tuple[HomeRef, date | None]] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    number: str = ""
    has_new_number: bool = False

    @property
    def identity(self) -> tuple[str, str, date]:
        return folded(self.row.first_name), folded(self.row.last_name), self.row.birth_date


class Known:
    """Whom the rows so far have met, in the database or in the file."""

    def __init__(self) -> None:
        self.homes: dict[int, HomeRef] = {}
        self.children: dict[int, ChildRef] = {}
        self.home_numbers: dict[str, HomeRef] = {}
        self.child_numbers: dict[str, ChildRef] = {}
        self.adults_named: dict[str, list[AdultRef]] = defaultdict(list)
        self.adults_at: dict[str, list[AdultRef]] = defaultdict(list)
        self.roofs: dict[tuple[str, str], list[HomeRef]] = defaultdict(list)
        self.identities: dict[tuple[str, str, date], list[ChildRef]] = defaultdict(list)
        self.named: dict[str, list[ChildRef]] = defaultdict(list)
        self.born: dict[date, list[ChildRef]] = defaultdict(list)
        self.own: frozenset[int] | None = None

    @classmethod
    def of(cls, run: Run) -> "Known":
        known: Known = run.memory.setdefault("people", cls())
        return known

    # From the database -------------------------------------------------------------------------------------

    def load(self, run: Run, wanted: Collection[Wanted]) -> None:
        """All whom these rows may mean; a fixed number of queries."""
        if self.own is None:
            self.own = own.households_of(run.by)
        numbers = {one.number for one in wanted} | {one.child.number for one in wanted if one.child}
        rows = SourceNumber.objects.filter(source=run.source, number__in=numbers - {""})
        of_source = list(rows.values_list("number", "household", "child"))
        kids = [one.child for one in wanted if one.child]
        children = self._load_children(
            Q(pk__in=[child for _, _, child in of_source if child])
            | Q(birth_date__in={kid.birth for kid in kids if kid.birth})
            | Q(folded__in={kid.name for kid in kids})
        )
        adults = [adult for one in wanted for of_home in one.adults for adult in of_home]
        theirs = Guardian.objects.filter(
            Q(folded__in={adult.name for adult in adults})
            | Q(email_given__in={adult.email for adult in adults} - {""})
            | Q(user__email__in={adult.email for adult in adults} - {""})
        )
        roofs = {address.roof[0] for one in wanted for address in one.addresses if address}
        lived = list(Custody.objects.filter(child__in=[child.pk for child in children]))
        self._load_homes(
            {home for _, home, _ in of_source if home}
            | set(theirs.values_list("household_id", flat=True))
            | {one.household_id for one in lived}
            | set(Household.objects.filter(folded__in=roofs).values_list("pk", flat=True)),
            run.today,
        )
        for custody in lived:
            child, home = self.children[custody.child_id], self.homes.get(custody.household_id)
            if home is None:
                continue
            if custody.until is not None and custody.until <= run.today:
                child.left[custody.household_id] = custody.until
            elif home not in child.homes:
                child.homes.append(home)
        for number, home_key, child_key in of_source:
            if home_key in self.homes:
                self.home_numbers.setdefault(number, self.homes[home_key])
                self.homes[home_key].number = number
            if child_key in self.children:
                self.child_numbers.setdefault(number, self.children[child_key])
                self.children[child_key].number = number

    def _load_children(self, asked: Q) -> list[ChildRef]:
        # A refused request made no family: whom it alone names is brought as if it had not been.
        homes = Custody.objects.filter(child=OuterRef("pk"))
        refused = Q(household__state=Household.State.REFUSED)
        there = ~Exists(homes.filter(refused)) | Exists(homes.exclude(refused))
        rows = Child.objects.filter(there, asked, joined_to=None, erased_at=None).order_by("pk")
        return [self.add_child(ChildRef(row, known=True)) for row in rows if row.pk not in self.children]

    def _load_homes(self, keys: set[int], today: date) -> None:
        new = keys - self.homes.keys()
        rows = Household.objects.filter(pk__in=new, joined_to=None, erased_at=None)
        rows = rows.exclude(state=Household.State.REFUSED)
        for row in rows.order_by("pk"):
            self.add_home(HomeRef(row, known=True))
        for adult in Guardian.objects.filter(household__in=new).select_related("user").order_by("pk"):
            if adult.household_id in self.homes:
                self.add_adult(AdultRef(adult, known=True), self.homes[adult.household_id])
        there = Custody.objects.on(today).filter(household__in=new)
        for home, name in there.values_list("household_id", "child__last_name"):
            if home in self.homes:
                self.homes[home].names.add(folded(name))

    # Whoever is met ----------------------------------------------------------------------------------------

    def add_child(self, ref: ChildRef) -> ChildRef:
        if ref.pk is not None:
            self.children[ref.pk] = ref
        self.identities[ref.identity].append(ref)
        self.named[folded(str(ref.row))].append(ref)
        self.born[ref.row.birth_date].append(ref)
        return ref

    def add_home(self, ref: HomeRef) -> HomeRef:
        if ref.pk is not None:
            self.homes[ref.pk] = ref
        self.roofs[ref.roof].append(ref)
        return ref

    def add_adult(self, ref: AdultRef, home: HomeRef) -> AdultRef:
        ref.home = home
        home.adults.append(ref)
        self.adults_named[ref.name].append(ref)
        for address in ref.addresses:
            self.adults_at[address].append(ref)
        return ref


def is_own(run: Run, home: Ref[Any] | None) -> bool:
    """Whether it is a home about which whoever imports has no say."""
    return home is not None and home.pk is not None and home.pk in (Known.of(run).own or ())


class People(Part):
    """See the module's own words."""

    code, label, order = "people", "Foyers, responsables et enfants", 10
    rights = (
        "families.add_household",
        "families.change_household",
        "families.add_child",
        "families.add_guardian",
        "families.add_custody",
    )
    columns, doubts = COLUMNS, DOUBTS

    # What would become of the rows -------------------------------------------------------------------------

    def plan(self, run: Run, lot: Sequence[Record]) -> None:
        known = Known.of(run)
        wanted = [(record, _wanted(run, record)) for record in lot]
        known.load(run, [said for record, said in wanted])
        for record, said in wanted:
            if record.counts:
                _Row(run, known, record, said).plan()

    # Writing -----------------------------------------------------------------------------------------------

    def write(self, run: Run, lot: Sequence[Record]) -> None:
        of = _Lines(lot)
        new_homes = of.refs("homes", known=False)
        Household.objects.lock([ref.pk for ref in of.refs("homes", known=True) if ref.pk])
        _create(run, Household, new_homes, of)
        known = Known.of(run)
        for home in new_homes:
            known.homes[home.row.pk] = home
        _update(run, Household, of.refs("homes", known=True), of)
        _settle_addresses(run, of.refs("homes", known=True), of)
        for home in of.refs("homes", known=True):
            _settle_residence(run, home, of)
        _create(run, Child, of.refs("child", known=False), of)
        _update(run, Child, of.refs("child", known=True), of)
        adults = of.refs("adults", known=False)
        for adult in adults:
            adult.row.household_id = adult.home.pk
        _create(run, Guardian, adults, of)
        _update(run, Guardian, of.refs("adults", known=True), of)
        children = [*of.refs("child", known=None)]
        for child in children:
            known.children[child.row.pk] = child
        self._write_custodies(run, children, of)
        self._write_numbers(run, of)

    def _write_custodies(self, run: Run, children: Sequence[Any], of: "_Lines") -> None:
        joins = [(child, home, since) for child in children for home, since in child.joins]
        rows = homes.live_there(
            [(child.row.pk, home.row.pk, since) for child, home, since in joins],
            by=run.by,
            at=run.at,
            why=run.why,
        )
        for row, (child, _, _) in zip(rows, joins, strict=True):
            run.note(row, of=of.line_of(child))
            child.joins = []

    def _write_numbers(self, run: Run, of: "_Lines") -> None:
        said = [
            (ref, SourceNumber(source=run.source, number=ref.number, **{name: ref.pk}))
            for kind, name in (("homes", "household_id"), ("child", "child_id"))
            for ref in of.refs(kind, known=None)
            if ref.has_new_number
        ]
        if not said:
            return
        # Those of a household that joined another, say, are met by no name.
        rows = SourceNumber.objects.filter(source=run.source, number__in={row.number for _, row in said})
        taken = {(number, child is None) for number, child in rows.values_list("number", "child")}
        new = [(ref, row) for ref, row in said if (row.number, row.child_id is None) not in taken]
        SourceNumber.objects.bulk_create([row for _, row in new], batch_size=A_BATCH)
        for ref, row in new:
            run.note(row, of=of.line_of(ref))
        for ref, _ in said:
            ref.has_new_number = False


class _Lines:
    """The rows that a lot's records refer to, each once, with the first record that does."""

    def __init__(self, lot: Sequence[Record]) -> None:
        self.records: dict[int, Record] = {}
        self._refs: dict[str, dict[int, Any]] = {"homes": {}, "child": {}, "adults": {}}
        for record in lot:
            for kind, refs in (
                ("homes", record.homes),
                ("child", [record.child] if record.child else []),
                ("adults", record.adults),
            ):
                for ref in refs:
                    self._refs[kind].setdefault(id(ref), ref)
                    self.records.setdefault(id(ref), record)

    def refs(self, kind: str, *, known: bool | None) -> list[Any]:
        """`known`: whether it is written already, by this import too; None: all."""
        rows = self._refs[kind].values()
        return [ref for ref in rows if known is None or (ref.pk is not None) == known]

    def line_of(self, ref: Any) -> Record | None:
        return self.records.get(id(ref))


def _create(run: Run, model: type[M], refs: Sequence[Ref[M]], of: _Lines) -> None:
    if not refs:
        return
    bulk_create_with_history(
        [ref.row for ref in refs],
        model,
        batch_size=A_BATCH,
        default_user=run.by,
        default_change_reason=run.why,
        default_date=run.at,
    )
    for ref in refs:
        run.note(ref.row, of=of.line_of(ref))
        ref.before.clear()


def _update(run: Run, model: type[M], refs: Sequence[Ref[M]], of: _Lines) -> None:
    """Those that changed. What a save writes besides, the folded name, is written too."""
    changed = [ref for ref in refs if ref.before]
    if not changed:
        return
    names = {name for ref in changed for name in ref.before}
    folded_column: Any = model._meta.get_field("folded")
    for ref in changed:
        folded_column.pre_save(ref.row, False)
    _keep_what_was(run, model, [ref.row.pk for ref in changed])
    bulk_update_with_history(
        [ref.row for ref in changed],
        model,
        sorted({*names, "folded"}),
        batch_size=A_BATCH,
        default_user=run.by,
        default_change_reason=run.why,
        default_date=run.at,
    )
    for ref in changed:
        run.note(ref.row, of=of.line_of(ref), before=ref.before)
        ref.before = {}


def _keep_what_was(run: Run, model: type[Any], keys: Sequence[int]) -> None:
    """Of rows that have no version yet: what they were, as a page's first change keeps it."""
    told = set(model.history.filter(id__in=keys).values_list("id", flat=True))
    untold = list(model._base_manager.filter(pk__in=[key for key in keys if key not in told]))
    if untold:
        before = run.at - timedelta(milliseconds=1)
        model.history.bulk_history_create(
            untold, batch_size=A_BATCH, update=True, default_change_reason=KNOWN_BEFORE, default_date=before
        )


def _settle_addresses(run: Run, homes: Sequence[HomeRef], of: _Lines) -> None:
    """Another address counts from today on."""
    known = {home.pk: home for home in homes}
    moved = [(home.row, home.left) for home in homes if home.left is not None]
    for row in residences.move_all(moved, since=run.today, at=run.at):
        run.note(row, of=of.line_of(known[row.household_id]))
    for home in homes:
        home.left = None


def _settle_residence(run: Run, home: HomeRef, of: _Lines) -> None:
    """An address across the town's border changes what the household pays, from today on."""
    moves, home.moves = home.moves, None
    if moves is None:
        return
    record, was = of.line_of(home), home.row.resident
    before = {row.pk: row.resident for row in Residence.objects.filter(household=home.pk)}
    residences.settle(home.row, resident=moves, since=run.today, at=run.at)
    for row in Residence.objects.filter(household=home.pk):
        if row.pk not in before:
            run.note(row, of=record)
        elif before[row.pk] != row.resident:
            run.note(row, of=record, before={"resident": before[row.pk]})
    if home.row.resident != was:
        run.note(home.row, of=record, before={"resident": was})


# One row ------------------------------------------------------------------------------------------------


class _Row:
    """Whom one row means, and what it changes of them."""

    def __init__(self, run: Run, known: Known, record: Record, said: Wanted) -> None:
        self.run, self.known, self.record, self.said = run, known, record, said

    def plan(self) -> None:
        kid = self.said.child
        child = self._child(kid) if kid is not None else None
        if not self.record.counts:
            return
        if kid is None and not any(self.said.adults):
            self.record.wrong("", "cette ligne ne nomme ni enfant ni responsable.")
            return
        homes_found = []
        for place in range(len(self.said.addresses)):
            home = self._home(place, child)
            if not self.record.counts:
                return
            if home is not None:
                homes_found.append(home)
        if child is None and kid is not None:
            if not homes_found:
                self.record.wrong(
                    "home.street", "cet enfant n'est pas connu, et la ligne ne dit pas où il habite."
                )
                return
            child = self._new_child(kid)
        for place, home in enumerate(homes_found):
            self._say_home(home, self.said.addresses[place], place)
            for adult in self.said.adults[place]:
                self._adult(home, adult)
            if child is not None:
                self._lives(child, home)
            if not self.record.counts:
                return
        self.record.child, self.record.homes = child, list(homes_found)
        if child is not None and not self.record.homes:
            self.record.homes = list(child.homes)

    # The child ---------------------------------------------------------------------------------------------

    def _child(self, kid: Kid) -> ChildRef | None:
        record, known = self.record, self.known
        exact = known.identities[folded(kid.first), folded(kid.last), kid.birth] if kid.birth else []
        if kid.number and (ref := known.child_numbers.get(kid.number)):
            return self._of_number(ref, kid, exact)
        if kid.birth is None:
            return self._by_name(kid)
        if len(exact) > 1:
            record.wrong("child.last_name", "plusieurs enfants connus portent ce nom et sont nés ce jour.")
            return None
        if exact:
            return self._numbered(exact[0], kid)
        alike = [ref for ref in known.born[kid.birth] if _alike(ref, kid)]
        if alike:
            sentence = f"né(e) le même jour, {alike[0].row} est déjà connu : est-ce le même enfant ?"
            choice = record.doubt(self.run, "other_name", "child.last_name", sentence)
            return self._corrected(alike[0], kid) if choice == "same" else None
        return None

    def _of_number(self, ref: ChildRef, kid: Kid, exact: Sequence[ChildRef]) -> ChildRef | None:
        """A number finds a child whose name was corrected. Where the name is another child's (of twins, say),
        the number is wrong; where nothing of it is the same, somebody decides."""
        if exact and ref not in exact:
            text = f"ce numéro est celui de {ref.row}, et ce nom celui d'un autre enfant connu."
            self.record.wrong("child.number", text)
            return None
        first, last, _ = ref.identity
        if not {first, last} & {folded(kid.first), folded(kid.last)}:
            text = f"ce numéro est celui de {ref.row} : est-ce le même enfant ?"
            choice = self.record.doubt(self.run, "other_name", "child.last_name", text)
            if choice != "same":
                return None
        return self._corrected(ref, kid)

    def _by_name(self, kid: Kid) -> ChildRef | None:
        record, found = self.record, self.known.named[kid.name]
        if not found:
            sentence = "aucun enfant connu ne porte ce nom ; pour le créer, il faut sa date de naissance."
            record.wrong("child.last_name", sentence)
        elif len(found) > 1:
            record.wrong(
                "child.last_name", "plusieurs enfants portent ce nom : il faut la date de naissance."
            )
        else:
            born = short_day(found[0].row.birth_date, year=True)
            sentence = f"sans date de naissance : est-ce {found[0].row}, né(e) le {born} ?"
            if record.doubt(self.run, "by_name", "child.last_name", sentence) == "same":
                return found[0]
        return None

    def _corrected(self, ref: ChildRef, kid: Kid) -> ChildRef | None:
        """Names and day of birth as the file says them, of a child known by its number or by somebody."""
        for name, value in (("first_name", kid.first), ("last_name", kid.last)):
            if folded(getattr(ref.row, name)) != folded(value):
                self._change(ref, name, value, f"child.{name}")
        if kid.birth is not None and kid.birth != ref.row.birth_date:
            sentence = f"cet enfant est connu comme né(e) le {short_day(ref.row.birth_date, year=True)}."
            choice = self.record.doubt(self.run, "other_birth", "child.birth_date", sentence)
            if choice is None:
                return None
            if choice == "write":
                self._change(ref, "birth_date", kid.birth, "child.birth_date")
        return self._numbered(ref, kid)

    def _numbered(self, ref: ChildRef, kid: Kid) -> ChildRef:
        for name in ("first_name", "last_name", "birth_date"):
            ref.told.setdefault(name, self.record.line)
        if kid.number and not ref.number and kid.number not in self.known.child_numbers:
            ref.number, ref.has_new_number = kid.number, True
            self.known.child_numbers[kid.number] = ref
        return ref

    def _new_child(self, kid: Kid) -> ChildRef:
        if kid.birth is None:
            raise ValueError("a child without a day of birth is never made")
        row = Child(first_name=kid.first, last_name=kid.last, birth_date=kid.birth)
        ref = self.known.add_child(ChildRef(row))
        self.record.is_new(f"enfant : {kid}")
        return self._numbered(ref, kid)

    # Its homes ---------------------------------------------------------------------------------------------

    def _home(self, place: int, child: ChildRef | None) -> HomeRef | None:
        """The home that the row means in its first or its second place; None where it says nothing of one."""
        address, adults = self.said.addresses[place], self.said.adults[place]
        of_child = child.homes if child is not None else []
        home = self._found(place, of_child)
        if home is None and of_child:
            home = next((one for one in of_child if address and one.roof == address.roof), None)
        if home is not None and (not of_child or home in of_child):
            return self._home_numbered(home, place)
        if home is not None or (of_child and place):
            return self._elsewhere(home, of_child, place) if home or address else None
        if of_child:
            return self._among(of_child, address, adults)
        if address is None and not adults:
            return None
        if place == 0 and (home := self._beneath_one_roof(address, adults)):
            return self._home_numbered(home, place)
        return self._new_home(place, address) if self.record.counts else None

    def _found(self, place: int, of_child: Sequence[HomeRef]) -> HomeRef | None:
        """By its number, or where an adult of the row lives: with the child, or reached by the same means."""
        address, adults = self.said.addresses[place], self.said.adults[place]
        if place == 0 and self.said.number and (home := self.known.home_numbers.get(self.said.number)):
            return home
        known = [(adult, ref) for adult in adults for ref in self.known.adults_named[adult.name] if ref.home]
        for _, ref in known:
            if ref.home in of_child:
                return ref.home
        for adult, ref in known:
            phones = {ref.row.phone, ref.row.phone_work} - {""}
            beneath = ref.home is not None and address is not None and ref.home.roof == address.roof
            if beneath or (adult.email and adult.email in ref.addresses) or adult.phone in phones:
                return ref.home
        return None

    def _elsewhere(self, home: HomeRef | None, of_child: Sequence[HomeRef], place: int) -> HomeRef | None:
        """One more home lets other adults see the child: somebody says so, whatever the file does."""
        known, adults = of_child[0].row, self.said.adults[place]
        sentence = f"cet enfant est connu dans un autre foyer, {known.street}, {known.city}."
        if self.said.addresses[place] is None and adults:
            sentence = f"{adults[0]} n'est pas du foyer connu de cet enfant, {known.street}, {known.city}."
        choice = self.record.doubt(
            self.run, "other_home", "home2.street" if place else "home.street", sentence
        )
        if choice == "same":
            return of_child[0]
        if choice == "second":
            return home or self._new_home(place, self.said.addresses[place])
        return None

    def _among(
        self, of_child: Sequence[HomeRef], address: Address | None, adults: Sequence[Adult]
    ) -> HomeRef | None:
        if len(of_child) > 1:
            if address is not None or adults:
                text = "cet enfant vit dans deux foyers, et la ligne ne dit pas duquel elle parle."
                self.record.wrong("home.street", text)
            return None
        home = of_child[0]
        # An adult whom nobody there is sees what is the home's: not because a child's name stands beside.
        if (
            adults
            and home.adults
            and not {adult.name for adult in adults} & {one.name for one in home.adults}
        ):
            return self._elsewhere(None, of_child, 0)
        return self._home_numbered(home, 0)

    def _beneath_one_roof(self, address: Address | None, adults: Sequence[Adult]) -> HomeRef | None:
        """A brother or a sister is told by the address and the name only if somebody says so."""
        kid = self.said.child
        if address is None or kid is None or self.said.number:
            return None
        name = folded(kid.last)
        for home in self.known.roofs[address.roof]:
            if name in home.names and not (adults and home.adults):
                sentence = "un enfant du même nom vit à cette adresse : est-ce la même famille ?"
                choice = self.record.doubt(self.run, "same_roof", "home.street", sentence)
                return home if choice == "one" else None
        return None

    def _new_home(self, place: int, address: Address | None) -> HomeRef | None:
        group = "home2" if place else "home"
        missing = {
            "street": "l'adresse", "postcode": "le code postal", "city": "la commune"
        }  # fmt: skip
        lacks = [key for key in missing if not (address and getattr(address, key))]
        if address is None or lacks:
            text = f"il manque {missing[lacks[0]]} : ce foyer n'est pas encore connu."
            self.record.wrong(f"{group}.{lacks[0]}", text)
            return None
        row = Household(
            street=address.street,
            street_more=address.more,
            postcode=address.postcode,
            city=address.city,
            resident=approval.seems_resident(address.postcode, address.city),
            state=Household.State.ACCEPTED,
            decided_by=self.run.by,
            decided_at=self.run.at,
        )
        home = self.known.add_home(HomeRef(row))
        home.told = dict.fromkeys(ADDRESS, self.record.line)
        self.record.is_new(f"foyer : {address.street}, {address.postcode} {address.city}", f"{group}.street")
        return self._home_numbered(home, place)

    def _home_numbered(self, home: HomeRef, place: int) -> HomeRef:
        number = self.said.number
        if place == 0 and number and not home.number and number not in self.known.home_numbers:
            home.number, home.has_new_number = number, True
            self.known.home_numbers[number] = home
        return home

    def _say_home(self, home: HomeRef, address: Address | None, place: int) -> None:
        """Another address than that which is known."""
        if address is None or not address.whole:
            return
        same = home.roof == address.roof
        more = bool(address.more) and folded(address.more) != folded(home.row.street_more)
        if same and not more:
            for name in ADDRESS:
                home.told.setdefault(name, self.record.line)
            return
        was = (home.row.postcode, home.row.city)
        if home.pk and home.left is None:
            home.left = Place.of(home.row)
        values = {"street": address.street, "postcode": address.postcode, "city": address.city}
        group = "home2" if place else "home"
        for name, value in {} if same else values.items():
            if folded(getattr(home.row, name)) != folded(value):
                self._change(home, name, value, f"{group}.{name}")
        if more or (not same and home.row.street_more != address.more):
            self._change(home, "street_more", address.more, f"{group}.street_more")
        here = approval.seems_resident(home.row.postcode, home.row.city)
        if here != approval.seems_resident(*was) and here != home.row.resident:
            home.moves = here

    def _lives(self, child: ChildRef, home: HomeRef) -> None:
        home.names.add(folded(child.row.last_name))
        if home in child.homes:
            return
        if home.pk is not None and home.pk in child.left:
            left = short_day(child.left[home.pk], year=True)
            text = f"cet enfant a quitté ce foyer le {left} : son retour s'écrit sur sa page."
            self.record.wrong("home.street", text)
            return
        if self._is_own(home):
            return
        since = self.said.since or (self.run.today if child.homes and child.known else None)
        child.homes.append(home)
        child.joins.append((home, since))
        if child.known:
            self.record.is_new(f"{child.row} vit aussi {home.row.street}, {home.row.city}")

    # Its adults --------------------------------------------------------------------------------------------

    def _adult(self, home: HomeRef, adult: Adult) -> None:
        record = self.record
        ref = next((one for one in home.adults if one.name == adult.name), None)
        email = adult.email
        if ref is None and email:
            others = [one for one in self.known.adults_at[email] if one.name != adult.name]
            here = [one for one in others if one.home is home]
            if others:
                other = (here or others)[0]
                sentence = f"cette adresse est déjà celle de {other.row}."
                choice = record.doubt(self.run, "shared_email", f"{adult.group}.email", sentence)
                if choice is None:
                    return
                if choice == "same" and here:
                    ref = here[0]
                else:
                    email = ""
        if ref is None:
            if self._is_own(home):
                return
            row = Guardian(
                first_name=adult.first,
                last_name=adult.last,
                phone=adult.phone,
                phone_work=adult.work,
                email_given=email,
            )
            ref = self.known.add_adult(AdultRef(row), home)
            ref.told = dict.fromkeys(("phone", "phone_work", "email_given"), record.line)
            record.is_new(f"responsable : {adult}", f"{adult.group}.last_name")
        else:
            for name, value, key in (
                ("phone", adult.phone, "phone"),
                ("phone_work", adult.work, "phone_work"),
                # A login has its own address, which its owner proved.
                ("email_given", "" if ref.row.user_id else email, "email"),
            ):
                if value and getattr(ref.row, name) != value:
                    self._change(ref, name, value, f"{adult.group}.{key}")
                elif value:
                    ref.told.setdefault(name, record.line)
        record.adults.append(ref)

    # What is changed ---------------------------------------------------------------------------------------

    def _is_own(self, home: HomeRef) -> bool:
        if home.pk is not None and home.pk in (self.known.own or ()):
            self.record.wrong("", own.SOMEBODY_ELSE)
            return True
        return False

    def _change(self, ref: Any, name: str, value: Any, key: str) -> None:
        """Another value than the one known; of two that the file says, somebody keeps the first."""
        record = self.record
        at_home = (
            ref.homes if isinstance(ref, ChildRef) else [ref.home] if isinstance(ref, AdultRef) else [ref]
        )
        if any(self._is_own(home) for home in at_home if home is not None):
            return
        standing = getattr(ref.row, name)
        line = ref.told.setdefault(name, record.line)
        if line != record.line:
            text = f"la ligne {line} dit « {standing} » de la même personne ou du même foyer."
            record.doubt(self.run, TWO_VALUES, key, text)
            return
        record.changes(key, _shown(standing), _shown(value))
        ref.change(name, value)


def _shown(value: Any) -> str:
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else str(value)


def _alike(ref: ChildRef, kid: Kid) -> bool:
    """Of two children born the same day: whether one may be the other, its name written otherwise."""
    first, last, _ = ref.identity
    one, other = folded(kid.first), folded(kid.last)
    if last == other:
        return _close(first, one)
    turned = (first, last) == (other, one)
    shared = _close(last, other) or bool(set(last.split()) & set(other.split()))
    return turned or (first == one and shared)


def _close(one: str, other: str) -> bool:
    return (
        one.startswith(f"{other} ")
        or other.startswith(f"{one} ")
        or SequenceMatcher(None, one, other).ratio() >= ALIKE
    )
