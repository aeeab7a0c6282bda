"""Looks for what acts in a PDF: `python -I pdf_judge.py < file.pdf` (see `judging`).

Readers find objects by tables that a forger writes, so nothing is believed of them: every object that stands
anywhere in the file is read, of every revision, and those packed in object streams; names are spelled out
(`/J#61vaScript`). Content of pages and pictures is not read: nothing in there can act.
"""

import re
import resource
import sys
import zlib
from collections.abc import Iterator
from enum import IntEnum
from itertools import pairwise
from typing import Any

MOST_MEMORY = 256 * 1024 * 1024
MOST_SECONDS = 8
MOST_UNPACKED = (
    32 * 1024 * 1024
)  # of object streams, together; those of real files are a hundred times smaller
A_PIECE = 16 * 1024
DEEPEST = 60

# Whoever bears one of these names runs code, starts programs, sends what was typed, or holds files.
ACTING = {
    "JavaScript", "JS", "Launch", "SubmitForm", "ImportData", "GoToE", "Rendition", "OnInstantiate",
    "RichMedia", "RichMediaContent", "RichMediaExecute", "XFA", "EmbeddedFile", "EmbeddedFiles", "EF",
}  # fmt: skip
# What may happen without a click, when a document or a page opens: moving about in it.
HARMLESS_ACTIONS = {"GoTo", "Named", "Hide", "Thread", "Trans", "SetOCGState", "GoTo3DView"}
FILTERS_READ = {"FlateDecode", "Fl"}

SPACE = rb"\x00\t\n\x0c\r "
REGULAR = rb"[^\x00\t\n\x0c\r ()<>\[\]{}/%]"
TOKEN = re.compile(
    rb"[" + SPACE + rb"]*+"
    rb"(?:%[^\r\n]*|/(?P<name>" + REGULAR + rb"*)|(?P<text>\()|(?P<open><<|\[)|(?P<close>>>|\])"
    rb"|(?P<hex><[^>]*>?)|(?P<word>" + REGULAR + rb"+)|[){}>])"
)
GAP = rb"(?:[" + SPACE + rb"]|%[^\r\n]*[\r\n])"
# The numbers before « obj », in a window that ends there.
NUMBERED = re.compile(rb"(\d{1,10})" + GAP + rb"+\d{1,10}" + GAP + rb"*\Z")
WINDOW = 200
AFTER_STREAM = re.compile(rb" *(?:\r\n|\n|\r)?")
ESCAPED = re.compile(r"#([0-9A-Fa-f]{2})")
IN_TEXT = re.compile(rb"\\.|[()]", re.DOTALL)


class Verdict(IntEnum):
    """What a PDF is found to be; the process ends with it."""

    HARMLESS = 121
    ACTS = 122
    ENCRYPTED = 123
    UNREADABLE = 124


class Name(str):
    """A name of the file, spelled out."""

    __slots__ = ()


class Reference(int):
    """The number of another object."""


class Judgement:
    """What was met in the file so far."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.objects: dict[int, list[Any]] = {}  # by their numbers, each with its revisions
        self.automatic: list[Any] = []  # the values of OpenAction and AA
        self.unpacked = 0
        self.unreadable = False

    def read(self, content: bytes) -> Verdict:
        self._read_all(content)
        if "Encrypt" in self.names:
            return Verdict.ENCRYPTED
        if self.names & ACTING or any(self._acts(value, set()) for value in self.automatic):
            return Verdict.ACTS
        return Verdict.UNREADABLE if self.unreadable else Verdict.HARMLESS

    def _read_all(self, content: bytes) -> None:
        for start, number in _starts(content):
            values, end, stopped_by = self._parse(content, start)
            if number is not None and values:
                self.objects.setdefault(number, []).append(values[0])
            if stopped_by == b"stream":
                head = values[0] if values and isinstance(values[0], dict) else {}
                # An object stream is one by what it needs, whatever type it says it has.
                if head.get("Type") == "ObjStm" or {"First", "N"} <= set(head):
                    self._read_packed(content, end, head)

    def _read_packed(self, content: bytes, start: int, head: dict[str, Any]) -> None:
        filters = head.get("Filter") or []
        filters = filters if isinstance(filters, list) else [filters]
        start = AFTER_STREAM.match(content, start).end()  # type: ignore[union-attr]  # it matches nothing at least
        if not filters:
            packed = content[start : content.find(b"endstream", start)]
        elif len(filters) == 1 and filters[0] in FILTERS_READ and not head.get("DecodeParms"):
            packed = self._unpacked(content, start)
        else:
            self.unreadable = True
            return
        first: Any = head.get("First")
        table = re.findall(rb"(\d{1,10})\s+(\d{1,10})", packed[:first]) if isinstance(first, int) else []
        for number, place in table:
            values, _, _ = self._parse(packed, first + int(place), only_one=True)
            if values:
                self.objects.setdefault(int(number), []).append(values[0])
        self._parse(packed, 0, to_the_end=True)  # for the names, wherever its table says that objects are

    def _unpacked(self, content: bytes, start: int) -> bytes:
        """What the stream holds, as far as it can be read; a bomb no further than MOST_UNPACKED."""
        unpacking, found = zlib.decompressobj(), bytearray()
        for at in range(start, len(content), A_PIECE):
            room = MOST_UNPACKED - self.unpacked - len(found)
            if unpacking.eof or room <= 0:
                break
            try:
                found += unpacking.decompress(content[at : at + A_PIECE], room)
            except zlib.error:
                break
            if unpacking.unconsumed_tail:
                break
        self.unpacked += len(found)
        self.unreadable |= not unpacking.eof
        return bytes(found)

    # Objects ----------------------------------------------------------------------------------------------

    def _parse(
        self, data: bytes, at: int, *, only_one: bool = False, to_the_end: bool = False
    ) -> tuple[list[Any], int, bytes]:
        """The values from `at` to the end of the object, where that is, and the word that ended it."""
        stack: list[list[Any]] = [[]]
        kinds: list[bytes] = []
        stopped_by = b""
        while (token := TOKEN.match(data, at)) is not None:
            at = token.end()
            kind, here = token.lastgroup, stack[-1]
            if only_one and len(stack) == 1 and here:
                break
            if kind == "name":
                name = _spelled_out(token["name"])
                self.names.add(name)
                here.append(name)
            elif kind == "text":
                at = _end_of_text(data, at)
                here.append(None)
            elif kind == "hex":
                here.append(None)
            elif kind == "open":
                if len(stack) > DEEPEST:
                    self.unreadable = True
                    break
                stack.append([])
                kinds.append(token["open"])
            elif kind == "close":
                if kinds:
                    self._close(stack, kinds)
            elif kind == "word":
                word = token["word"]
                if word in (b"endobj", b"stream", b"obj") and not to_the_end:
                    stopped_by = word
                    break
                here.append(_value(word, here))
        while kinds:
            self._close(stack, kinds)
        return stack[0], at, stopped_by

    def _close(self, stack: list[list[Any]], kinds: list[bytes]) -> None:
        inside = stack.pop()
        if kinds.pop() == b"[":
            stack[-1].append(inside)
            return
        # However the keys are set out of step with their values.
        self.automatic += [value for name, value in pairwise(inside) if name in ("OpenAction", "AA")]
        found: dict[str, Any] = {}
        place = iter(inside)
        for key in place:
            if isinstance(key, Name):
                self.unreadable |= key == "S" and key in found  # which of the two, each reader decides
                found[key] = next(place, None)
        stack[-1].append(found)

    # What happens by itself ---------------------------------------------------------------------------------

    def _acts(self, value: Any, seen: set[int]) -> bool:
        """Whether an action, or one of a dictionary of them, does more than move about."""
        if isinstance(value, Reference):
            if value in seen:
                return False
            seen.add(value)
            return any(self._acts(revision, seen) for revision in self.objects.get(value, []))
        if isinstance(value, list):  # a place in the document, or actions that follow one another
            return any(self._acts(one, seen) for one in value if isinstance(one, dict))
        if not isinstance(value, dict):
            return False
        kinds = self._resolved(value["S"]) if "S" in value else []
        if any(kind not in HARMLESS_ACTIONS for kind in kinds):
            return True
        if kinds:
            following = value.get("Next")
            if isinstance(following, list):
                return any(self._acts(one, seen) for one in following)
            return self._acts(following, seen)
        return any(self._acts(one, seen) for key, one in value.items() if key not in ("D", "P", "Parent"))

    def _resolved(self, value: Any) -> list[Any]:
        return self.objects.get(value, []) if isinstance(value, Reference) else [value]


def _starts(content: bytes) -> Iterator[tuple[int, int | None]]:
    """Where objects may begin, with their numbers where they are near; trailers have none."""
    for found in re.finditer(rb"(?<![A-Za-z])obj|trailer", content):
        numbered = NUMBERED.search(content[max(0, found.start() - WINDOW) : found.start()])
        yield found.end(), int(numbered[1]) if numbered else None


def _spelled_out(name: bytes) -> Name:
    return Name(ESCAPED.sub(lambda code: chr(int(code[1], 16)), name.decode("latin-1")))


def _value(word: bytes, before: list[Any]) -> Any:
    """A number, or the reference that « 12 0 R » is; what else words say is of no matter."""
    if word == b"R" and len(before) > 1 and isinstance(before[-2], int):
        before.pop()
        return Reference(before.pop())
    return int(word) if word.isdigit() and len(word) < 12 else None


def _end_of_text(data: bytes, at: int) -> int:
    depth = 1
    for found in IN_TEXT.finditer(data, at):
        if found[0] == b"(":
            depth += 1
        elif found[0] == b")":
            depth -= 1
            if not depth:
                return found.end()
    return len(data)


def judge(content: bytes) -> Verdict:
    """What is in it, of every revision."""
    return Judgement().read(content)


def main() -> Verdict:
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return judge(sys.stdin.buffer.read())


if __name__ == "__main__":
    sys.exit(main())
