"""Who lives in the demo town: homes, adults with their logins, children with their school level."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone

from families import groups
from families.models import (
    Allergen,
    AuthorisedPerson,
    ChangeRequest,
    Child,
    ChildHealth,
    Custody,
    ErasureRequest,
    FamilyQuotient,
    Guardian,
    Household,
    Reading,
    User,
)
from families.traces import reading
from portal.demo.factories import (
    AuthorisedPersonFactory,
    ChildFactory,
    GuardianFactory,
    HealthFactory,
    HouseholdFactory,
    QuotientFactory,
    UserFactory,
    address_of,
)
from portal.demo.rows import Keys, reset_sequences
from portal.reservations.models import Establishment
from portal.reservations.staff import giving

# Small section to CM2: the age reached in the calendar year in which school begins.
YOUNGEST, OLDEST = 3, 10
LAST_LEVEL = OLDEST - YOUNGEST
FREQUENT_ALLERGENS = (Allergen.PEANUTS, Allergen.NUTS, Allergen.MILK, Allergen.EGGS)

# The family with the most children, whose home page is the longest.
LARGE_FAMILY = "famille0005"

FIRST_NAMES = (
    "Adam Adèle Agathe Alba Alice Ambre Anaïs Anna Arthur Augustin Axel Camille Charlie Charlotte Chloé "
    "Clément Côme Diane Éden Éléonore Élise Eliott Élina Émile Emma Ethan Eva Gabin Gabrielle Giulia Hugo "
    "Iris Isaac Ismaël Jade Jeanne Joseph Julia Juliette Kaïs Lana Léa Léna Léo Léon Léonie Liam Lina Lou "
    "Louis Lucas Lucie Lyna Maël Manon Margaux Marius Martin Mathilde Mia Mila Milo Mohamed Naël Nina "
    "Nino Noah Nolan Nour Olivia Oscar Paul Raphaël Rayan Robin Romane Romy Rose Sami Simon Sofia Soline "
    "Théa Tiago Tom Valentine Victor Victoire Yanis Zélie"
).split()


@dataclass
class DemoChild:
    """A child, the school it attends and its level (0 is small section) in the current school year."""

    child: Child
    level: int
    homes: list["DemoHome"]
    school: str


@dataclass
class DemoHome:
    """A household, the user its letters go to, and the children who live there."""

    household: Household
    user: User
    pupils: list[DemoChild] = field(default_factory=list)


@dataclass
class People:
    parent: DemoHome
    neighbour: DemoHome
    # `famille0005`: five children, all at the canteen.
    large_family: DemoHome
    others: list[DemoHome]
    agent: User
    regie: User
    manager: User
    # Of `parent`: two who eat at the canteen, one enrolled nowhere.
    at_canteen: list[DemoChild]
    not_enrolled: DemoChild
    # Lives with `neighbour` one week, in the first of the others the next.
    alternating: DemoChild

    @property
    def homes(self) -> list[DemoHome]:
        return [self.parent, self.neighbour, *self.others]

    @property
    def accepted(self) -> list[DemoHome]:
        return [home for home in self.homes if home.household.is_accepted]

    @property
    def pupils(self) -> list[DemoChild]:
        """Each child once, of the homes that the town hall has accepted."""
        return [pupil for home in self.accepted for pupil in home.pupils if pupil.homes[0] is home]


class Settlers:
    """Invents people, then writes them all at once."""

    def __init__(
        self, *, rng: Random, at: datetime, year_of_entry: int, password: str, schools: list[str]
    ) -> None:
        self.rng = rng
        self.at = at
        self.today = at.date()
        self.year_of_entry = year_of_entry
        self.password = password
        self.schools = schools
        self.key = {model: Keys(model) for model in (User, Household, Child)}
        self.users: list[User] = []
        self.households: list[Household] = []
        self.guardians: list[Guardian] = []
        self.children: list[Child] = []
        self.custodies: list[Custody] = []
        self.quotients: list[FamilyQuotient] = []
        self.health: list[ChildHealth] = []
        self.collectors: list[AuthorisedPerson] = []

    def user(self, login: str, first_name: str, last_name: str, *, is_staff: bool = False) -> User:
        user = UserFactory.build(
            pk=self.key[User](),
            username=login,
            password=self.password,
            first_name=first_name,
            last_name=last_name,
            is_staff=is_staff,
            date_joined=self.at - timedelta(days=self.rng.randint(90, 700)),
        )
        self.users.append(user)
        return user

    def home(
        self,
        login: str,
        *,
        name: str | None = None,
        first_name: str | None = None,
        school: str | None = None,
        levels: list[int] | None = None,
        names: list[str] | None = None,
    ) -> DemoHome:
        """A household with one or two adults; with `levels`, exactly those children."""
        rng = self.rng
        household = HouseholdFactory.build(pk=self.key[Household]())
        if rng.random() < 0.06:
            household.resident, household.city, household.postcode = False, "Port-Aubrelle", "01998"
        household.decided_at = self.at - timedelta(days=rng.randint(60, 500))
        self.households.append(household)
        first = GuardianFactory.build(household=household, user=None)
        first.first_name = first_name or first.first_name
        first.last_name = name or first.last_name
        first.user = self.user(login, first.first_name, first.last_name)
        self.guardians.append(first)
        home = DemoHome(household, first.user)
        if rng.random() < 0.6:
            second = GuardianFactory.build(household=household, user=None, is_payer=False)
            if rng.random() < 0.7:
                second.last_name = first.last_name
            if rng.random() < 0.8:
                second.user = self.user(f"{login}-2", second.first_name, second.last_name)
            self.guardians.append(second)
        if rng.random() < 0.87:
            value = min(max(round(rng.lognormvariate(6.75, 0.5)), 80), 4200)
            started = date(self.today.year, 1, 1)
            ends = date(self.today.year, 12, 31)
            self.quotients.append(
                QuotientFactory.build(household=household, value=value, valid_from=started, valid_to=ends)
            )
        if levels is None:
            number = rng.choices((1, 2, 3), (50, 40, 10))[0]
            levels = [rng.randint(0, LAST_LEVEL) for _ in range(number)]
        school = school or rng.choices(self.schools, (40, 27, 33)[: len(self.schools)])[0]
        given = iter(names or rng.sample(FIRST_NAMES, len(levels)))
        for level in levels:
            self.pupil(home, first.last_name, next(given), level, school)
        return home

    def pupil(self, home: DemoHome, last_name: str, first_name: str, level: int, school: str) -> DemoChild:
        rng = self.rng
        birth = date(self.year_of_entry - YOUNGEST - level, 1, 1) + timedelta(days=rng.randint(0, 364))
        child = ChildFactory.build(
            pk=self.key[Child](),
            first_name=first_name,
            last_name=last_name,
            birth_date=birth,
            photo_allowed=rng.random() < 0.7,
            leaves_alone=level > 5 and rng.random() < 0.4,
            emergency_care_allowed=rng.random() < 0.95,
        )
        self.children.append(child)
        self.custodies.append(Custody(child=child, household=home.household))
        if rng.random() < 0.6:
            has_pai = rng.random() < 0.05
            allergens = [rng.choice(FREQUENT_ALLERGENS).value] if has_pai else []
            treatment = "Trousse d'urgence au secrétariat de l'école." if has_pai else ""
            self.health.append(
                HealthFactory.build(child=child, has_pai=has_pai, allergens=allergens, treatment=treatment)
            )
        if rng.random() < 0.5:
            relation = rng.choice(("Grand-mère", "Grand-père", "Tante", "Voisine", "Assistante maternelle"))
            self.collectors.append(AuthorisedPersonFactory.build(child=child, relationship=relation))
        pupil = DemoChild(child, level, [home], school)
        home.pupils.append(pupil)
        return pupil

    def also_lives_with(self, pupil: DemoChild, home: DemoHome) -> None:
        """Alternating custody."""
        pupil.homes.append(home)
        home.pupils.append(pupil)
        self.custodies.append(Custody(child=pupil.child, household=home.household))

    def soon_without_quotient(self, home: DemoHome) -> None:
        """Its quotient ends in four weeks, and no other is known."""
        own = next((one for one in self.quotients if one.household is home.household), None)
        if own is None:
            own = QuotientFactory.build(
                household=home.household, value=640, valid_from=date(self.today.year, 1, 1)
            )
            self.quotients.append(own)
        own.valid_to = self.today + timedelta(days=28)

    def write(self) -> None:
        tables: tuple[tuple[type[Model], Sequence[Model]], ...] = (
            (User, self.users),
            (EmailAddress, [address_of(user) for user in self.users]),
            (Household, self.households),
            (Guardian, self.guardians),
            (Child, self.children),
            (Custody, self.custodies),
            (FamilyQuotient, self.quotients),
            (ChildHealth, self.health),
            (AuthorisedPerson, self.collectors),
        )
        for model, rows in tables:
            model._default_manager.bulk_create(rows, batch_size=2000)
        reset_sequences(User, Household, Child)


def settle(
    households: int,
    *,
    rng: Random,
    at: datetime,
    year_of_entry: int,
    password: str,
    schools: list[str],
    tick: Callable[[], object],
) -> People:
    """Peoples the town with `households` homes, the first two those of `parent` and `voisin`.

    `year_of_entry` is the calendar year in which the current school year begins, `password` a hash,
    `schools` codes of which the first is the one `parent` and `voisin` use; `tick` is called once a home.
    """
    settlers = Settlers(rng=rng, at=at, year_of_entry=year_of_entry, password=password, schools=schools)
    parent = settlers.home(
        "parent",
        name="Durand",
        first_name="Camille",
        school=schools[0],
        levels=[5, 3, 1],
        names=["Louise", "Gabriel", "Jules"],
    )
    settlers.soon_without_quotient(parent)
    tick()
    neighbour = settlers.home(
        "voisin",
        name="Lefèvre",
        first_name="Dominique",
        school=schools[0],
        levels=[4, 6],
        names=["Inès", "Sacha"],
    )
    tick()
    others = []
    for number in range(3, households + 1):
        others.append(_other_home(settlers, f"famille{number:04d}"))
        tick()
    large_family = next(home for home in others if home.user.username == LARGE_FAMILY)
    settlers.also_lives_with(neighbour.pupils[1], others[0])
    # The last ones have just created their account and wait for the town hall.
    for home in others[-max(1, min(4, households // 50)) :]:
        home.household.state = Household.State.REQUESTED
        home.household.decided_at = None
    agent = settlers.user("agent", "Nadia", "Fournier", is_staff=True)
    regie = settlers.user("regie", "Olivier", "Blanchet", is_staff=True)
    reception = settlers.user("accueil", "Colette", "Mercier", is_staff=True)
    manager = settlers.user("responsable", "Hélène", "Marchand", is_staff=True)
    director = settlers.user("direction", "Karim", "Benali", is_staff=True)
    animator = settlers.user("animation", "Lou", "Perrin", is_staff=True)
    cook = settlers.user("cuisine", "Yvonne", "Garnier", is_staff=True)
    reader = settlers.user("lecture", "Paul", "Vasseur", is_staff=True)
    accountant = settlers.user("comptable", "Sylvie", "Roche", is_staff=True)
    settlers.write()
    for login, names in (
        (agent, ("Agent",)),
        (reception, ("Agent", "Guichet")),
        (regie, ("Régie",)),
        (manager, ("Agent", "Fiches sanitaires", "Responsable")),
        (reader, (groups.READER,)),
        (accountant, (groups.ACCOUNTANT,)),
    ):
        for name in names:
            giving.give(login, Group.objects.get_or_create(name=name)[0], by=None)
    for login, name, codes in (
        (director, groups.DIRECTOR, ["hirondelles"]),
        (animator, groups.ANIMATOR, ["hirondelles", "tilleuls"]),
        (cook, groups.KITCHEN, ["verger"]),
    ):
        role = Group.objects.get_or_create(name=name)[0]
        giving.give(login, role, places=Establishment.objects.filter(code__in=codes), by=None)
    people = People(
        parent=parent,
        neighbour=neighbour,
        large_family=large_family,
        others=others,
        agent=agent,
        regie=regie,
        manager=manager,
        at_canteen=parent.pupils[:2],
        not_enrolled=parent.pupils[2],
        alternating=neighbour.pupils[1],
    )
    _ask_for_changes(people, rng, at)
    _read_files(people, at)
    _name_collectors(people, at)
    return people


def _other_home(settlers: Settlers, login: str) -> DemoHome:
    if login != LARGE_FAMILY:
        return settlers.home(login)
    return settlers.home(
        login,
        name="Perrin",
        first_name="Claire",
        school=settlers.schools[0],
        levels=[7, 6, 4, 2, 0],
        names=["Marius", "Jeanne", "Hugo", "Zélie", "Tom"],
    )


def _read_files(people: People, at: datetime) -> None:
    """What the town hall has opened these last days, of `parent` and of others: rows of the register."""
    Kind = Reading.Kind  # noqa: N806 a class
    own = people.parent
    some = [home.household.pk for home in people.accepted[:8]]
    lunch = [pupil.child.pk for pupil in people.at_canteen]
    for days, hour, who, kind, concerned in (
        (12, 16, people.regie, Kind.EXPORT, {"what": "Factures (CSV)", "households": some}),
        (6, 14, people.manager, Kind.HEALTH, {"child": people.at_canteen[0].child}),
        (6, 15, people.manager, Kind.HEALTH, {"child": people.alternating.child}),
        (4, 9, people.manager, Kind.HEALTH, {"what": "Effectifs de la cuisine", "children": lunch}),
        (2, 11, people.agent, Kind.PROOF, {"household": own.household, "what": "Justificatif n° 1"}),
        (1, 10, people.agent, Kind.PROOF, {"household": people.neighbour.household}),
    ):
        day = timezone.localtime(at) - timedelta(days=days)
        reading.add(who, kind, at=day.replace(hour=hour, minute=10 + days), **concerned)


def _name_collectors(people: People, at: datetime) -> None:
    """Somebody was allowed to collect a child by the town hall, and by the other home of a shared one."""
    for pupil, who, days in (
        (people.at_canteen[0], people.agent, 9),
        (people.alternating, people.alternating.homes[1].user, 5),
    ):
        person = AuthorisedPersonFactory.build(child=pupil.child, relationship="Voisine")
        AuthorisedPerson.objects.bulk_create([person])
        AuthorisedPerson.history.bulk_history_create(
            [person], default_user=who, default_date=at - timedelta(days=days)
        )


def _ask_for_changes(people: People, rng: Random, at: datetime) -> None:
    """A few families have moved, or send their new quotient."""
    asking = rng.sample([home for home in people.others if home.household.is_accepted][1:], 4)
    for number, home in enumerate(asking):
        if number % 2:
            change = ChangeRequest(
                kind=ChangeRequest.Kind.QUOTIENT,
                quotient=rng.randint(300, 1500),
                valid_from=at.date().replace(day=1),
            )
        else:
            change = ChangeRequest(
                kind=ChangeRequest.Kind.ADDRESS,
                street=f"{rng.randint(1, 60)} avenue de la Mirelle",
                postcode="01999",
                city="Valmirelle-les-Prés",
            )
        change.household = home.household
        change.requested_by = home.user
        change.save()
    leaves = asking[-1]
    ErasureRequest.objects.create(
        household=leaves.household,
        words="Nous déménageons à la fin du mois.",
        requested_by=leaves.user,
        requested_at=at,
    )
