"""A town's file as text, read into nodes with their lines; what YAML cannot read is answered in French.

What can only mean one thing is understood: « {prix: 3,20} », an indent of unbreakable spaces. Anything else
is refused with its line, what was read there, and how it is spelt.
"""

import codecs
import re
from collections.abc import Sequence

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from portal.reservations.towns.fields import FileProblem, TownFileError

# Of a word processor: they look like spaces, and YAML reads them as text.
UNBREAKABLE = "\u00a0\u202f\u2007"
INDENT = re.compile(rf"^[ {UNBREAKABLE}]+", re.MULTILINE)
TAB_AFTER_COLON = re.compile(r":\t[ \t]*(?=\S)")
WHOLE = re.compile(rf"-?\d{{1,3}}(?:[ {UNBREAKABLE}]?\d{{3}})*|-?\d+")
CENTS = re.compile(rf"\d{{1,6}}(?:[ {UNBREAKABLE}]?(?:€|%|euros?))?", re.IGNORECASE)
# « nom:Cantine », « -code: repas »: what a space would make readable.
NO_SPACE_AFTER_COLON = re.compile(r"\s*(?:-\s+)?(?P<key>[^\W\d][^:\s]*):(?P<value>[^\s:/].*)")
NO_SPACE_AFTER_DASH = re.compile(r"\s*-(?P<rest>[^\W\d][^:]*:(?:\s.*)?)")
BRACKET = re.compile(r"[\[\]{}]")
DEEPEST = 50
TOO_DEEP = "Trop de crochets ou d'accolades les uns dans les autres."
LONGEST_SAID = 60
# What parts values and rows: ten times what the largest town has. Reading takes as long as there are of them.
PARTED = re.compile(r"[,\n]|(?<!\S)[-?](?=\s)|:(?=\s)")
MOST_PARTED = 30_000
TOO_MANY = "Ce fichier a trop de lignes et de valeurs. Chargez-le en plusieurs fois."


def parse(text: str) -> MappingNode:
    """The file's tree of nodes; values stay the texts that were written. Raises TownFileError."""
    if sum(1 for _ in PARTED.finditer(text)) > MOST_PARTED:
        raise TownFileError([FileProblem(1, "", TOO_MANY)])
    cleaned = _cleaned(text)
    _check_depth(cleaned)
    try:
        root = YAML(typ="rt").compose(cleaned)
    except MarkedYAMLError as error:
        line, said = _explained(error, cleaned.splitlines())
        raise TownFileError([FileProblem(line, "", said)]) from error
    except ReaderError as error:
        line = cleaned.count("\n", 0, error.position) + 1
        said = "Un caractère invisible ne se lit pas ici. Effacez cette ligne et écrivez-la à nouveau."
        raise TownFileError([FileProblem(line, "", said)]) from error
    except RecursionError as error:
        raise TownFileError([FileProblem(1, "", TOO_DEEP)]) from error
    except YAMLError as error:
        raise TownFileError([FileProblem(1, "", "Ce fichier n'est pas lisible.")]) from error
    if not isinstance(root, MappingNode):
        said = "Le fichier doit contenir des rubriques, par exemple « commune: »."
        raise TownFileError([FileProblem(1, "", said)])
    _mend(root, set())
    return root


def _cleaned(text: str) -> str:
    """Without what looks like spaces and is none; its lines stay where they are."""
    text = text.removeprefix("\ufeff")
    text = INDENT.sub(lambda found: " " * len(found[0]), text)
    return TAB_AFTER_COLON.sub(": ", text)


def _check_depth(text: str) -> None:
    """Before anything is read: brackets in brackets cost more than they say."""
    depth = 0
    for found in BRACKET.finditer(text):
        depth = depth + 1 if found[0] in "[{" else max(depth - 1, 0)
        if depth > DEEPEST:
            line = text.count("\n", 0, found.start()) + 1
            raise TownFileError([FileProblem(line, "", TOO_DEEP)])


# What is understood -----------------------------------------------------------------------------------


def _mend(node: Node, seen: set[int]) -> None:
    """Joins the halves of an amount that a comma in braces cut; refuses what stands twice by reference."""
    if id(node) in seen:
        said = "« & » et « * » ne se lisent pas ici : écrivez les lignes en entier, chacune à sa place."
        raise TownFileError([FileProblem(node.start_mark.line + 1, "", said)])
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for item in node.value:
            _mend(item, seen)
    elif isinstance(node, MappingNode):
        if node.flow_style:
            node.value = _with_commas(node.value)
        for key, value in node.value:
            _mend(key, seen)
            _mend(value, seen)


def _with_commas(pairs: Sequence[tuple[Node, Node]]) -> list[tuple[Node, Node]]:
    """« {prix: 3,20} » reads as « prix: 3 » and a key « 20 » without value: no field is called so."""
    joined: list[tuple[Node, Node]] = []
    for key, value in pairs:
        if joined and _are_cents(joined[-1][1], key, value):
            first_key, first = joined[-1]
            amount = ScalarNode(first.tag, f"{first.value},{key.value}", first.start_mark, key.end_mark)
            joined[-1] = (first_key, amount)
        else:
            joined.append((key, value))
    return joined


def _are_cents(before: Node, key: Node, value: Node) -> bool:
    return (
        is_plain(before)
        and is_plain(key)
        and is_plain(value)
        and value.value == ""
        and WHOLE.fullmatch(before.value) is not None
        and CENTS.fullmatch(key.value) is not None
        and key.start_mark.line == before.end_mark.line
    )


def is_plain(node: Node) -> bool:
    """One value without quotes."""
    return isinstance(node, ScalarNode) and not node.style


# What is answered -------------------------------------------------------------------------------------


def _explained(error: MarkedYAMLError, lines: Sequence[str]) -> tuple[int, str]:
    """The line (from 1) that is to be changed, and how."""
    mark, context = error.problem_mark or error.context_mark, str(error.context or "")
    number, column, problem = (mark.line, mark.column, str(error.problem or "")) if mark else (0, 0, "")
    line = lines[number] if number < len(lines) else ""
    begun = error.context_mark.line if error.context_mark else number
    if problem.startswith(("found character", "found undefined alias")):
        if "\t" in line[: column + 1]:
            return number + 1, "Une tabulation ne se lit pas ici. Mettez des espaces, deux par niveau."
        read = line[column:].strip()
        return (
            number + 1,
            f"« {_cut(read)} » : un texte qui commence par « {read[:1]} » se met entre guillemets.",
        )
    if "quoted scalar" in context:
        return begun + 1, f"Un guillemet s'ouvre ici et ne se ferme pas : « {_said(lines, begun)} »."
    if "block scalar" in context:
        return number + 1, (
            "Un texte de plusieurs lignes commence à la ligne d'après, en retrait ;"
            " après « | » ou « > », n'écrivez rien."
        )
    if "single document" in context:
        return number + 1, "« --- » commence un second fichier. Retirez cette ligne."
    if "flow" in context:
        return _bracket(context, problem, lines, begun, number, column)
    if problem.startswith("mapping values") or "simple key" in context:
        return _key(lines, begun if "simple key" in context else number, column)
    if "<scalar>" in problem:
        return number + 1, (
            f"« {_said(lines, number)} » : un guillemet ou une apostrophe ferme ce texte trop tôt."
            ' Mettez-le entre guillemets doubles : "l\'école".'
        )
    if problem.endswith(("'}'", "']'")):
        return number + 1, f"« {line[column : column + 1]} » ferme ce qui n'est pas ouvert. Retirez ce signe."
    return _slip(lines, number) or _indent(lines, number)


def _bracket(
    context: str, problem: str, lines: Sequence[str], begun: int, number: int, column: int
) -> tuple[int, str]:
    ended = "stream end" in problem
    if "content" in problem and not ended:
        return number + 1, f"« {_said(lines, number)} » : une virgule est de trop, ou une valeur manque."
    opened = "{" if "mapping" in context else "["
    if ended:
        begun, opened = _left_open(lines)
    closed = "}" if opened == "{" else "]"
    if number == begun and not ended:
        return number + 1, (
            f"« {_said(lines, number)} » : entre « {opened} » et « {closed} », une virgule sépare deux"
            " valeurs. Un texte avec une virgule ou des guillemets se met entre guillemets."
        )
    return begun + 1, (
        f"« {opened} » s'ouvre ici et ne se ferme pas : ajoutez « {closed} »"
        f" à la fin de « {_said(lines, begun)} »."
    )


def _left_open(lines: Sequence[str]) -> tuple[int, str]:
    """Of a file that ends too early, the last bracket that is open, and its line."""
    left: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        for found in BRACKET.findall(line):
            if found in "[{":
                left.append((number, found))
            elif left:
                left.pop()
    return left[-1] if left else (0, "[")


def _key(lines: Sequence[str], number: int, column: int) -> tuple[int, str]:
    """A colon where YAML expects none."""
    line = lines[number] if number < len(lines) else ""
    head, sign, rest = line.partition(": ")
    if sign and len(head) < column:
        text = rest.strip().replace('"', "'")
        return number + 1, (
            "Un texte qui contient « : » se met entre guillemets :"
            f' {head.strip().removeprefix("- ")}: "{_cut(text)}".'
        )
    return _slip(lines, number) or _indent(lines, number)


def _slip(lines: Sequence[str], number: int) -> tuple[int, str] | None:
    """A missing space or colon, on this line or on the one before it that is not empty."""
    before = [at for at in range(min(number, len(lines))) if lines[at].strip() and not _is_comment(lines[at])]
    for at in (number, *before[-1:]):
        if at >= len(lines):
            continue
        if said := no_space(lines[at]):
            return at + 1, said
        text = lines[at].strip()
        if at != number and ":" not in text and not text.startswith("- "):
            word, _, value = text.partition(" ")
            written = f"{word}: {value}".strip()
            return at + 1, f"« {_cut(text)} » : il manque les deux-points. Écrivez « {_cut(written)} »."
    return None


def no_space(line: str) -> str:
    """The sentence for « nom:Cantine » or « -code: repas »; empty where it is none of them."""
    read = f"« {_cut(line.strip())} »"
    if found := NO_SPACE_AFTER_DASH.fullmatch(line):
        return f"{read} : une espace manque après le tiret. Écrivez « - {_cut(found['rest'])} »."
    if found := NO_SPACE_AFTER_COLON.fullmatch(line):
        right = f"{found['key']}: {found['value'].strip()}"
        return (
            f"« {_cut(line.strip())} » : une espace manque après les deux-points. Écrivez « {_cut(right)} »."
        )
    return ""


def _indent(lines: Sequence[str], number: int) -> tuple[int, str]:
    line = lines[number] if number < len(lines) else ""
    return min(number + 1, max(len(lines), 1)), (
        f"« {_cut(line.strip())} » n'est pas aligné avec les lignes voisines. Les champs d'un même bloc"
        " commencent tous sous la même colonne, avec des espaces."
    )


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _said(lines: Sequence[str], number: int) -> str:
    return _cut(lines[number].strip()) if number < len(lines) else ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID].rstrip()}…"


# Bytes ------------------------------------------------------------------------------------------------


def decoded(content: bytes) -> str | None:
    """A file's text by its mark, else UTF-8, else as Windows writes French; None where it is no text."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\0" in content:
        return None
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None
