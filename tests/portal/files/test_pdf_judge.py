"""What acts in a PDF is found however it is hidden; what only is read passes."""

import io
import subprocess
import sys
import zlib

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.actions import JavaScript
from pypdf.annotations import Link
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from billing.documents import weasy
from portal.files import pdf_judge
from portal.files.pdf_judge import Verdict, judge

pytestmark = pytest.mark.once


PAGES = "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>"
SCRIPT = "<</S/JavaScript/JS(app.alert\\(1\\))>>"


def pdf(catalog: str, *others: str, after: bytes = b"") -> bytes:
    """A file with that catalog, a page, and other objects from number 4 on."""
    body = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    for number, one in enumerate((catalog, *PAGES, *others), start=1):
        body += f"{number} 0 obj\n{one}\nendobj\n".encode("latin-1")
    return body + after + b"trailer\n<</Root 1 0 R/Size 9>>\nstartxref\n0\n%%EOF\n"


def packed(*objects: str, head: str = "/Type/ObjStm", content: bytes | None = None) -> bytes:
    """An object stream, number 20, that holds `objects` from number 10 on."""
    table, text = "", ""
    for number, one in enumerate(objects, start=10):
        table += f"{number} {len(text)} "
        text += one + " "
    said = zlib.compress((table + text).encode()) if content is None else content
    size = f"/N {len(objects)}/First {len(table)}/Length {len(said)}"
    return b"20 0 obj\n<<%b/Filter/FlateDecode>>stream\r\n%b\nendstream\nendobj\n" % (
        (head + size).encode(),
        said,
    )


CATALOG = "<</Type/Catalog/Pages 2 0 R%s>>"
WHOLE = CATALOG % ""

HARMFUL = {
    "a script when it opens": pdf(CATALOG % f"/OpenAction{SCRIPT}"),
    "a script by reference": pdf(CATALOG % "/OpenAction 4 0 R", SCRIPT),
    "a script among names": pdf(CATALOG % "/Names<</JavaScript 4 0 R>>", "<</Names[(a) 5 0 R]>>", SCRIPT),
    "letters of a name as codes": pdf(CATALOG % "/OpenAction<</S/J#61v#61Script/J#53(x)>>"),
    "a program": pdf(WHOLE, "<</Type/Action/S/Launch/F(cmd.exe)>>"),
    "a program behind a link": pdf(WHOLE, "<</Subtype/Link/A<</S /L#61unch/Win<</F(cmd)>>>>>>"),
    "a page that acts": pdf(WHOLE, f"<</Type/Page/AA<</O{SCRIPT}>>>>"),
    "an address asked for when it opens": pdf(CATALOG % "/OpenAction<</S/URI/URI(http://x.example/)>>"),
    "the same by reference": pdf(CATALOG % "/OpenAction 4 0 R", "<</S/URI/URI(http://x.example/)>>"),
    "its kind by reference": pdf(CATALOG % "/OpenAction<</S 4 0 R/URI(http://x.example/)>>", "/URI"),
    "another file, of a server, when a page opens": pdf(
        WHOLE, "<</Type/Page/AA<</O<</S/GoToR/F(\\\\\\\\x.example\\\\a)>>>>>>"
    ),
    "a move, then an address": pdf(CATALOG % "/OpenAction<</S/GoTo/D[3 0 R/Fit]/Next<</S/URI/URI(h)>>>>"),
    "two kinds at once": pdf(CATALOG % "/OpenAction<</S/URI/S/GoTo/D[3 0 R/Fit]>>"),
    "keys out of step": pdf(CATALOG % "/X/OpenAction<</S/URI/URI(h)>>"),
    "a file inside": pdf(CATALOG % "/Names<</EmbeddedFiles 4 0 R>>", "<</Names[(a)<</EF<</F 5 0 R>>>>]>>"),
    "a form of another kind": pdf(CATALOG % "/AcroForm<</XFA 4 0 R/Fields[]>>"),
    "a film with its player": pdf(WHOLE, "<</Subtype/RichMedia>>"),
    "a form that sends itself": pdf(WHOLE, "<</A<</S/SubmitForm/F(http://x.example/)>>>>"),
    "a script in an object stream": pdf(WHOLE, after=packed(SCRIPT)),
    "codes in an object stream": pdf(WHOLE, after=packed("<</S/#4aavaScript/#4a#53(x)>>")),
    "an object stream that says it is none": pdf(WHOLE, after=packed(SCRIPT, head="/Type/XObject")),
    "an address in an object stream": pdf(
        CATALOG % "/OpenAction 11 0 R", after=packed("null", "<</S/URI/URI(h)>>")
    ),
    "an object stream whose table lies": pdf(
        WHOLE, after=packed("null").replace(b"/First 5", b"/First 9") + packed("(a) 1", SCRIPT)
    ),
    "an earlier revision": pdf(f"<</Type/Catalog/OpenAction{SCRIPT}>>") + pdf(WHOLE),
    "a later revision": pdf(WHOLE)
    + b"1 0 obj<</Type/Catalog/OpenAction 4 0 R>>endobj 4 0 obj"
    + SCRIPT.encode(),
    "an object inside a stream": pdf(WHOLE, f"<</Length 99>>stream\n9 0 obj{SCRIPT}endobj\nendstream"),
    "an object inside a text": pdf(WHOLE, f"(9 0 obj {SCRIPT} endobj)"),
    "an object that is not closed": pdf(WHOLE, f"<</A{SCRIPT}").replace(b"endobj", b"") + b"%%EOF",
    "a number far from its word": pdf(WHOLE, after=b"4 % a\n % b\n 0 %c\n obj" + SCRIPT.encode()),
    "a number very far from it": pdf(WHOLE, after=b"4 0 %" + b"a" * 500 + b"\n obj" + SCRIPT.encode()),
}
PASSING = {
    "a page": pdf(WHOLE),
    "a place to open at": pdf(CATALOG % "/OpenAction[3 0 R/FitH 200]"),
    "a place to open at, as an action": pdf(CATALOG % "/OpenAction<</S/GoTo/D[3 0 R/XYZ 0 0 0]>>"),
    "the same by reference": pdf(CATALOG % "/OpenAction 4 0 R", "[3 0 R/Fit]"),
    "a link": pdf(WHOLE, "<</Subtype/Link/A<</S/URI/URI(https://www.impots.gouv.fr/)>>>>"),
    "a form without scripts": pdf(
        CATALOG % "/AcroForm<</Fields[4 0 R]>>", "<</FT/Tx/T(nom)/V(Roux)/DA(/Helv 0 Tf)>>"
    ),
    "the words in a text": pdf(WHOLE, "<</Title(Comment couper /JavaScript et /Launch)>>"),
    "the words in a page's content": pdf(WHOLE, "<</Length 30>>stream\n/JavaScript /JS /Launch\nendstream"),
    "objects in a stream": pdf(WHOLE, after=packed("<</Title(a)>>", "[1 2 3]", "<</S/GoTo/D[3 0 R/Fit]>>")),
    "a signature": pdf(WHOLE, "<</Type/Sig/Filter/Adobe.PPKLite/Contents<00ff>/ByteRange[0 1 2 3]>>"),
}


@pytest.mark.parametrize("what", HARMFUL)
def test_what_acts_is_found(what: str):
    assert judge(HARMFUL[what]) in (Verdict.ACTS, Verdict.UNREADABLE)
    assert judge(HARMFUL[what]) == Verdict.ACTS or what in ("two kinds at once",)


@pytest.mark.parametrize("what", PASSING)
def test_what_is_only_read_passes(what: str):
    assert judge(PASSING[what]) == Verdict.HARMLESS


def written(writer: PdfWriter) -> bytes:
    found = io.BytesIO()
    writer.write(found)
    return found.getvalue()


def test_files_of_other_programs():
    """As the library for tests writes them, which shares nothing with the judge."""
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.add_annotation(0, Link(rect=(0, 0, 50, 50), url="https://www.caf.fr/"))
    assert judge(written(writer)) == Verdict.HARMLESS
    writer.add_open_action(JavaScript("app.alert('x')"))
    assert judge(written(writer)) == Verdict.ACTS
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.add_attachment("facture.xml", b"<a/>")
    assert judge(written(writer)) == Verdict.ACTS


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_an_encrypted_file_hides_what_it_does(algorithm: str):
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.encrypt("", "owner", algorithm=algorithm)
    assert judge(written(writer)) == Verdict.ENCRYPTED
    assert PdfReader(io.BytesIO(written(writer))).is_encrypted


def test_an_encrypted_object_stream_is_known_as_encrypted():
    hidden = packed(SCRIPT, content=b"\x01\x02\x03 not deflated")
    assert (
        judge(pdf(WHOLE, after=hidden + b"7 0 obj<</Type/XRef/Encrypt 8 0 R>>stream\n")) == Verdict.ENCRYPTED
    )


def test_our_own_documents_pass():
    text = "<h1>Facture</h1><p><a href='https://example.org/'>Payer</a></p>" * 50
    drawn = weasy.pdf_of(text, [], identifier="a")
    assert judge(drawn) == Verdict.HARMLESS


@pytest.mark.parametrize(
    "filters", ["/ASCIIHexDecode", "[/ASCII85Decode/FlateDecode]", "[/FlateDecode/FlateDecode]", "9 0 R"]
)
def test_objects_packed_as_nobody_packs_them_are_not_read(filters: str):
    hidden = packed(SCRIPT).replace(b"/Filter/FlateDecode", f"/Filter {filters}".encode())
    assert judge(pdf(WHOLE, after=hidden)) == Verdict.UNREADABLE


def test_a_bomb_unfolds_no_further_than_its_share():
    bomb = zlib.compress(b" " * 40_000_000)
    assert judge(pdf(WHOLE, after=packed("null", content=bomb))) == Verdict.UNREADABLE
    many = b"".join(packed("null", content=zlib.compress(b" " * 8_000_000)) for _ in range(8))
    assert judge(pdf(WHOLE, after=many)) == Verdict.UNREADABLE
    assert judge(pdf(WHOLE, "<<" * 100_000)) == Verdict.UNREADABLE


@pytest.mark.parametrize(
    "slow",
    [
        b"1%" * 2_000_000,
        b"1 0 obj(" * 400_000,
        pytest.param(b"1 0 obj<</A[" * 400_000, marks=pytest.mark.long),
        pytest.param(b"1 0 obj[" * 400_000, marks=pytest.mark.long),
    ],
)
def test_whatever_it_is_made_of_it_takes_seconds_and_little_memory(slow: bytes):
    """A verdict, or the end of its process by its own limits."""
    command = [sys.executable, "-I", pdf_judge.__file__]
    done = subprocess.run(
        command, input=pdf(WHOLE, after=slow), check=False, timeout=60, stderr=subprocess.DEVNULL
    )
    assert done.returncode != Verdict.ACTS


def test_a_page_of_a_real_pdf_read_back():
    content = DecodedStreamObject()
    content.set_data(b"BT /F1 12 Tf (/JS) Tj ET")
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    page[NameObject("/Contents")] = writer._add_object(content.flate_encode())
    page[NameObject("/Resources")] = DictionaryObject()
    assert judge(written(writer)) == Verdict.HARMLESS
