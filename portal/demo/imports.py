"""A file that whoever heads the service has brought: checked, with something to decide, nothing written."""

from datetime import datetime

from django.utils import timezone

from families.imports import running
from portal.demo.people import People
from portal.reservations.models import SchoolClass, SchoolYear

TITLES = (
    "Famille Identifiant;Nom enfant;Prénom enfant;Né(e) le;Classe;École;Nom responsable;Prénom responsable;"
    "Courriel;Portable;Adresse;CP;Commune"
)


def bring(people: People, at: datetime) -> None:
    """A family that comes to live here, one of whose children has a class that nobody has written; one that
    the town knows, which moves; one with a slip."""
    year = SchoolYear.objects.serving(timezone.localdate(at)).order_by("starts_on").first()
    known = SchoolClass.objects.filter(school_year=year).select_related("school").order_by("pk")[0]
    school = f"{known.name};{known.school}"
    child, home = people.large_family.pupils[0].child, people.large_family.household
    place = f"{home.postcode};{home.city}"
    adult = f"Nguyen;Mai;mai.nguyen@exemple.fr;612345678;18 rue du Lavoir;{place}"
    moved = f"87;{child.last_name};{child.first_name};{child.birth_date:%d/%m/%Y};;"
    lines = [
        f"412;NGUYEN;Linh;14/05/2019;{school};{adult}",
        f"412;NGUYEN;Théo;02/09/2021;Les Coccinelles;{known.school};{adult}",
        f"{moved};;;;;5 place du Marché;{place}",
        f"413;PEREIRA;Inès;30/11/19;{school};Pereira;Rui;;;2 impasse des Vignes;{place}",
    ]
    content = "\n".join((TITLES, *lines)).encode()
    file = running.receive(content, name="rentree.csv", source="Ancien logiciel", by=people.manager, at=at)
    columns = {int(place): key for place, key in file.columns.items()}
    running.match(file, columns, source=file.source, options={}, at=at)
    running.ask_check(file)
    running.check(file.pk, at=at)
