"""docs/town-file.md says every key of the town's file: what it means, what is usual, an example.

`write()` writes the page's tables anew; what stands around them is written by hand.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

from portal.reservations.towns.fields import REQUIRED, Field, Flag, ListOf, Text, Words
from portal.reservations.towns.town_file import Rows, on_a_page, sections

HEAD = ("champ", "veut dire", "d'usage", "exemple")
# Where a model says no more than the key does.
IN_GENERAL = {
    "activité": "le code de l'activité",
    "au": "dernier jour, compris",
    "classe": "`année/école/classe`",
    "code": "ce à quoi la ligne se reconnaît d'un chargement à l'autre ; gardez-le",
    "colonne": "le nom d'une colonne de la grille",
    "colonnes": "les colonnes de la grille, dans leur ordre",
    "demandé": "`non` : n'est plus demandé",
    "du": "premier jour",
    "durée": "combien de jours, de mois ou d'années",
    "école": "le code de l'école",
    "en_service": "`non` : n'accueille plus",
    "établissement": "le code de l'établissement",
    "établissements": "les codes des établissements",
    "formule": "`activité/formule`, par leurs codes",
    "jour": "le jour",
    "jours": "les jours de la semaine",
    "lettre": "la lettre, par son objet habituel ; `toutes` : toutes",
    "liste_d'attente": "qui n'a pas de place peut attendre",
    "nom": "comme on le lit",
    "ordre": "le rang dans les listes, le plus petit d'abord",
    "papier": "le code d'un papier demandé",
    "places": "combien de places ce moment-là",
    "prix": "un prix, ou un par colonne",
    "proposé": "`non` : n'est plus proposé, et reste où il est déjà",
    "proposée": "`non` : n'est plus proposée, et ses jours réservés ferment",
    "règle": "le nom d'une règle de délai",
    "service": "le service : celui qui répond aux familles, ou celui de l'activité",
    "tableau": "la limite de chaque jour visé",
    "texte": "ce que lisent les familles",
    "titre": "en quelques mots",
    "utilisé": "`non` : n'est plus proposé nulle part",
    "valeur": "le montant, le pourcentage, le coefficient ou le nombre de rangs",
    "à": "l'heure de fin, ou la borne haute comprise",
}
BLOCK = re.compile(r"(<!-- champs : (?P<key>[^ ]+) -->\n).*?(<!-- fin -->)", re.DOTALL)


def page() -> Path:
    return Path(settings.BASE_DIR) / "docs" / "town-file.md"


def blocks(text: str) -> dict[str, str]:
    """By section, the tables that a page has of it."""
    return {found["key"]: found[0][len(found[1]) : -len(found[3])] for found in BLOCK.finditer(text)}


def write() -> None:
    """The page's tables anew, after a key has changed."""
    known = {section.key: tables(section) for section in sections()}
    text = page().read_text(encoding="utf-8")
    text = BLOCK.sub(lambda found: found[1] + known.get(found["key"], "") + found[3], text)
    page().write_text(text, encoding="utf-8")


def tables(section: Rows) -> str:
    """A table of a section, and one of each list under it."""
    return "\n".join(_parts(section, ())) + "\n"


def _parts(rows: Rows, above: tuple[str, ...]) -> Iterator[str]:
    if above:
        whole = " Cette liste est exactement celle du fichier." if rows.exact else ""
        yield f"\nSous `{rows.key}` :{whole}\n"
    yield _row(HEAD)
    yield _row(("---",) * len(HEAD))
    for one in rows.fields:
        yield _row((f"`{one.key}`", meaning(rows.model, one), usual(one), example(one)))
    for child in rows.children:
        yield from _parts(child, (*above, rows.key))


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def meaning(model: type[models.Model], one: Field) -> str:
    """In the model's own words, with the words that may stand there."""
    column = model._meta.get_field(one.name)
    said = one.says or str(getattr(column, "verbose_name", one.name))
    if said.lower().replace(" ", "_") == one.key:
        said = IN_GENERAL.get(one.key, said)
    more = str(getattr(column, "help_text", "")) if not one.says else ""
    parts = [said, more.rstrip(".")] if more else [said]
    words = _words(one.kind)
    if words:
        parts.append(f"Possible : {words}")
    return ". ".join(parts).replace("|", "\\|").replace("\n", " ")


def _words(kind: Text) -> str:
    inner = kind.kind if isinstance(kind, ListOf) else kind
    if not isinstance(inner, Words) or isinstance(inner, Flag):
        return ""
    return ", ".join(f"`{word}`" for word in inner.words)


def usual(one: Field) -> str:
    """What counts where the field is left out."""
    if one.default is REQUIRED:
        return "**à écrire**"
    value: Any = one.usual
    if isinstance(one.kind, Words) and value in one.kind.words.values():
        return f"`{one.kind.write(value)}`"
    if value is None or value == {} or (value == "" and isinstance(one.kind, Words)):
        return "vide"
    written = on_a_page(one.kind.write(value))
    return f"`{written}`" if written else "vide"


def example(one: Field) -> str:
    return f"`{one.key}: {one.example or one.kind.example}`".replace("|", "\\|")
