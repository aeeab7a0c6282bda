"""Which column of a file is which: its row of headings, found among the first, and what each heading means.

    table = find(rows)                     the headings, and the rows below
    columns = propose(table.titles)        {0: "child.last_name", …}, by usual names
    records = split(row, columns)          a line as one record for each child that it names

Headings are compared without case, accents, plurals and small words; groups that are repeated to the right
(one child after the other, two addresses) are numbered.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from families.imports import cells, registry
from portal.files.sheets import Refused, Row, SheetCell
from portal.french.spelling import folded

# Rows in which headings are looked for.
LOOKED_AT = 12
# Children that one line may name.
MOST_CHILDREN = 12
SMALL_WORDS = frozenset("de du des d la le les l un une et en a au aux ou".split())
SAME_WORDS = {
    "eleve": "enfant",
    "usager": "enfant",
    "responsable": "adulte",
    "resp": "adulte",
    "representant": "adulte",
    "tuteur": "adulte",
    "parent": "adulte",
    "payeur": "adulte",
    "rl": "adulte",
    "cp": "code postal",
    "code": "code",
    "commune": "ville",
    "localite": "ville",
    "tel": "telephone",
    "portable": "mobile",
    "gsm": "mobile",
    "mobile": "mobile",
    "mail": "email",
    "mel": "email",
    "courriel": "email",
    "pere": "adulte 1",
    "mere": "adulte 2",
    "id": "identifiant",
    "n": "identifiant",
    "no": "identifiant",
    "num": "identifiant",
    "numero": "identifiant",
    "idfamille": "identifiant famille",
    "ne": "naissance",
    "nee": "naissance",
    "foyer": "famille",
    "dossier": "famille",
    "nais": "naissance",
    "prof": "professionnel",
    "pro": "professionnel",
    "travail": "professionnel",
    "bureau": "professionnel",
    "resid": "residence",
}
NO_HEADINGS = (
    "Aucune ligne de titres n'a été reconnue parmi les premières. Donnez un titre à chaque colonne, par "
    "exemple « Nom de l'enfant », « Prénom de l'enfant », « Date de naissance »."
)
NO_ROWS = "Ce fichier n'a que des titres : aucune ligne à importer."


def words(title: str) -> str:
    """« Téléphone(s) du Responsable 1 » → « 1 adulte telephone »: what is compared, in whatever order."""
    text = re.sub(r"\([a-z]{1,3}\)", "", title)
    # « nomResp1 », « TelPro »
    text = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Ý])|(?<=[^\W\d_])(?=\d)", " ", text.replace("_", " "))
    text = re.sub(r"[Ee]-?mails?\b", "email", text)
    said: list[str] = []
    for word in folded(text).split():
        if word in SMALL_WORDS:
            continue
        single = word[:-1] if len(word) > 3 and word[-1] in "sx" else word
        said += SAME_WORDS.get(single, single).split()
    return " ".join(sorted(set(said)))


def known() -> dict[str, str]:
    """What is compared → the column's key."""
    found: dict[str, str] = {}
    for column in registry.columns():
        for name in (column.title, column.key, *column.names):
            found.setdefault(words(name), column.key)
    return found


@dataclass(frozen=True)
class Table:
    """A file's headings and what stands below."""

    line: int
    titles: tuple[str, ...]
    rows: Iterator[Row]


def find(rows: Iterable[Row]) -> Table:
    """The row of headings is, among the first, that of which most is known; where a line of merged cells
    stands above it, both are read together. Raises Refused."""
    following = iter(rows)
    first = list(islice(following, LOOKED_AT))
    names = known()
    best: tuple[int, int, int, tuple[str, ...]] | None = None
    for place, row in enumerate(first):
        alone = _titles(row.cells)
        ways = [(0, alone)]
        if place:
            ways.append((1, _under(first[place - 1].cells, alone, names)))
        for together, titles in ways:
            score = len({key for title in titles if (key := _key_of(title, names))})
            if best is None or score > best[0]:
                best = (score, place, together, titles)
    if best is None or not best[0]:
        # Nothing is known: the first row with several texts, which somebody matches by hand.
        best = next(
            (
                (0, place, 0, _titles(row.cells))
                for place, row in enumerate(first)
                if sum(_is_text(cell) for cell in row.cells) > 1
            ),
            None,
        )
    if best is None:
        raise Refused(NO_HEADINGS)
    _, place, _, titles = best
    return Table(first[place].line, titles, chain(first[place + 1 :], following))


def _is_text(cell: SheetCell) -> bool:
    return isinstance(cell, str) and any(sign.isalpha() for sign in cell)


def _titles(row: Sequence[SheetCell]) -> tuple[str, ...]:
    return tuple(cells.as_text(cell)[:120] for cell in row)


def _key_of(title: str, names: Mapping[str, str]) -> str | None:
    said = words(title)
    return names.get(said) or _numbered(said, names)


def _under(above: Sequence[SheetCell], titles: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Each with the merged cell above it, which says something in the first of its columns only; alone where
    that makes nothing known (« Adresse » above « Rue »)."""
    group, found = "", []
    for place, title in enumerate(titles):
        said = cells.as_text(above[place]) if place < len(above) else ""
        group = said or group
        together = f"{title} {group}".strip()
        found.append(together if title and _key_of(together, names) else title)
    return tuple(found)


def mark(titles: Sequence[str]) -> str:
    """The same for the same headings in the same order."""
    return hashlib.sha256("\n".join(words(title) for title in titles).encode()).hexdigest()


# What is what -------------------------------------------------------------------------------------------

# Whose a bare « Nom » is, is said by the other headings.
BARE = {
    "nom": "last_name",
    "famille nom": "last_name",
    "prenom": "first_name",
    "nom prenom": "full_name",
    "naissance": "birth_date",
    "date naissance": "birth_date",
    "civilite": "civility",
    "sexe": "sex",
}


def propose(titles: Sequence[str]) -> dict[int, str]:
    """What each column seems to be, by its number from 0; those that are nothing known are left out."""
    names = known()
    said = [words(title) for title in titles]
    found: dict[int, str] = {}
    bare: dict[int, str] = {}
    for place, heading in enumerate(said):
        if not heading:
            continue
        if heading in BARE:
            bare[place] = BARE[heading]
        elif heading in names:
            found[place] = names[heading]
        elif (key := _numbered(heading, names)) is not None:
            found[place] = key
    whose = _whose(set(found.values()), set(bare.values()))
    known_keys = _keys()
    for place, name in bare.items():
        of = whose if f"{whose}.{name}" in known_keys else "child"
        if f"{of}.{name}" in known_keys:
            found[place] = f"{of}.{name}"
    return dict(sorted(_number(found).items()))


def _keys() -> set[str]:
    return {column.key for column in registry.columns()}


def _whose(found: set[str], bare: set[str]) -> str:
    """Of bare names: a child's, an adult's, or of whoever the civility of the line says."""
    if "civility" in bare and "family.number" in found and not any(key.startswith("child.") for key in found):
        return "person"
    if any(key.startswith("child.") and key.endswith("_name") for key in found):
        return "adult"
    if (
        bare & {"birth_date"}
        or found & {"school.class", "child.birth_date"}
        or any(key.startswith("adult.") and key.endswith("_name") for key in found)
    ):
        return "child"
    return "adult"


def _numbered(heading: str, names: Mapping[str, str]) -> str | None:
    """« adresse 2 », « nom enfant 3 »: what is numbered at its end, or within."""
    said = heading.split()
    numbers = [word for word in said if word.isdigit()]
    if len(numbers) != 1:
        return None
    plain = " ".join(word for word in said if word != numbers[0])
    key = names.get(plain)
    if key is None:
        return None
    group, _, name = key.partition(".")
    place = int(numbers[0])
    if group not in ("child", "adult", "home") or not 1 <= place <= MOST_CHILDREN:
        return None
    return key if place == 1 else f"{group}{place}.{name}"


def _number(found: Mapping[int, str]) -> dict[int, str]:
    """A key that comes again begins the next group of its kind: children to the right, a second address."""
    seen: set[str] = set()
    numbered: dict[int, str] = {}
    for place, key in sorted(found.items()):
        group, _, name = key.partition(".")
        kind = group.rstrip("0123456789")
        number = int(group[len(kind) :] or 1)
        most = MOST_CHILDREN if kind == "child" else 2 if kind in ("home", "adult") else 1
        while key in seen and number < most:
            number += 1
            key = f"{kind}{number}.{name}"
        if key not in seen:
            numbered[place] = key
            seen.add(key)
    return numbered


def plain_key(key: str) -> str:
    """« child3.last_name » is a « child.last_name »."""
    group, _, name = key.partition(".")
    return f"{group.rstrip('0123456789')}.{name}"


def title_of(key: str) -> str:
    """How a column is called: « Adresse (2) »."""
    plain = plain_key(key)
    title = next((column.title for column in registry.columns() if column.key == plain), plain)
    number = "".join(sign for sign in key.partition(".")[0] if sign.isdigit())
    return f"{title} ({number})" if number else title


# From a line to records ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """What a line says, of one child or of none."""

    line: int
    values: Mapping[str, SheetCell] = field(default_factory=dict)


def split(row: Row, columns: Mapping[int, str]) -> list[Line]:
    """A record for each child that the line names; all that is not about a child is said to each."""
    shared: dict[str, SheetCell] = {}
    children: dict[str, dict[str, SheetCell]] = {}
    for place, key in columns.items():
        cell = row.cells[place] if place < len(row.cells) else None
        if cell is None or cell == "":
            continue
        group, _, name = key.partition(".")
        if group.startswith("child"):
            children.setdefault(group, {})[f"child.{name}"] = cell
        else:
            shared[key] = cell
    shared = _unpacked(_person(shared))
    if any(key.startswith("child.") for key in shared):
        return [Line(row.line, shared)]
    several = [shared | child for _, child in sorted(children.items(), key=lambda one: _place(one[0]))]
    return [Line(row.line, values) for values in several] or [Line(row.line, shared)]


PHONES = ("phone", "phone_home", "phone_work")
POSTCODE = re.compile(r"(\d{5}|\d{4})\b *(.*)", re.ASCII)


def _unpacked(values: dict[str, SheetCell]) -> dict[str, SheetCell]:
    """Cells that say several things one below the other (Domino): an adult, an address, telephones by their
    kinds."""
    several = {
        key: [line.strip() for line in cell.splitlines() if line.strip()]
        for key, cell in values.items()
        if isinstance(cell, str) and ("\n" in cell or (":" in cell and key.partition(".")[2] in PHONES))
    }
    if not several:
        return values
    found = dict(values)
    for key, lines in several.items():
        group, _, name = key.partition(".")
        if name == "full_name":
            said = _of_adult(lines)
        elif name == "street":
            said = _of_address(lines)
        elif name in PHONES:
            said = _of_phones(lines)
        else:
            continue
        del found[key]
        # A column of its own says it better.
        for one, value in said.items():
            if value:
                found.setdefault(f"{group}.{one}", value)
    return found


def _of_adult(lines: Sequence[str]) -> dict[str, str]:
    mails = [line for line in lines if "@" in line]
    numbers = [line for line in lines if line not in mails and sum(map(str.isdigit, line)) > 5]
    names = [line for line in lines if line not in mails and line not in numbers]
    said = {"email": mails[0]} if mails else {}
    said |= _of_phones(numbers)
    if len(names) == 2:
        return said | {"last_name": names[0], "first_name": names[1]}
    return said | {"full_name": " ".join(names)}


def _of_address(lines: Sequence[str]) -> dict[str, str]:
    """« 12 rue des Écoles ⏎ 01000 ⏎ BOURG »."""
    for place, line in enumerate(lines):
        if place and (code := POSTCODE.fullmatch(line)):
            city = code[2] or " ".join(lines[place + 1 :])
            street, *more = lines[:place]
            return {"street": street, "street_more": " ".join(more), "postcode": code[1], "city": city}
    return {"street": lines[0], "street_more": " ".join(lines[1:])}


def _of_phones(lines: Iterable[str]) -> dict[str, str]:
    """« Pro : 04… », « Portable : 06… »: which is which is said by its word, or by its first digits."""
    said: dict[str, str] = {}
    for line in lines:
        kind, _, number = line.rpartition(":")
        what = words(kind).split()
        if "professionnel" in what:
            said.setdefault("phone_work", number.strip())
        elif "mobile" in what or re.match(r"(?:\+33 ?|0)[67]", number.strip()):
            said.setdefault("phone", number.strip())
        else:
            said.setdefault("phone_home", number.strip())
    return said


def _place(group: str) -> int:
    return int(group.removeprefix("child") or 1)


def _person(values: dict[str, SheetCell]) -> dict[str, SheetCell]:
    """Of a file with a person a line: the civility says whether it is a child."""
    if not any(key.startswith("person.") for key in values):
        return values
    said = cells.civility(cells.as_text(values.get("person.civility")))
    whose = "child" if said == "child" else "adult"
    return {
        (f"{whose}.{key.partition('.')[2]}" if key.startswith("person.") else key): cell
        for key, cell in values.items()
    }
