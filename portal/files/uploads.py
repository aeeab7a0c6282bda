"""Files that families send: what may come in, judged by content and never by name."""

import re
from types import ModuleType
from typing import IO, Any

import puremagic
from django.core.exceptions import ValidationError
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.http import FileResponse

from portal.files import judging, pdf_judge, picture_judge, scanning
from portal.files.handing_over import hand_over

LARGEST_BYTES = 10 * 1024 * 1024
MOST_PIXELS = 50_000_000  # the largest photos of phones; more is a bomb
MOST_PIXELS_OF_HEIC = 25_000_000  # it has to be unfolded whole; phones' photos as they come have fewer

# How pictures begin; HEIC says it four letters later, after the length of its first box.
PICTURES = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|.{4}ftyp", re.DOTALL)
# What programs leave before a PDF and after it, and how much else may follow its end.
AROUND_A_PDF = b"\xef\xbb\xbf\x00 \t\r\n"
AFTER_ITS_END = 8 * 1024
SUFFIXES = {"application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "image/heic": ".heic"}

WRONG_KIND = "Ce fichier n'est pas un PDF, une image JPEG, PNG ou HEIC. Envoyez-le dans l'un de ces formats."
TOO_LARGE = "Ce fichier dépasse 10 Mo. Envoyez une version plus légère, par exemple une photo réduite."
DAMAGED = "Ce fichier est abîmé ou incomplet. Vérifiez qu'il s'ouvre sur votre appareil, puis renvoyez-le."
TOO_MANY_PIXELS = (
    "Cette image est trop grande : 25 millions de points au plus pour une photo HEIC, 50 millions pour une "
    "autre image. Envoyez-la en taille réduite."
)
PRINT_IT = (
    "Imprimez-le dans un nouveau PDF (« Imprimer », puis « Enregistrer au format PDF »), ou envoyez-en une "
    "photo."
)
ACTS = (
    "Ce PDF contient du code, un fichier joint ou une action qui se lance toute seule. Par sécurité, il n'est"
    f" pas accepté. {PRINT_IT}"
)
ENCRYPTED = f"Ce PDF est protégé : la mairie ne pourrait pas le vérifier. {PRINT_IT}"
TOO_MUCH = f"Ce fichier est trop compliqué pour être vérifié. {PRINT_IT}"
BUSY = "Le portail vérifie déjà d'autres fichiers. Patientez une minute, puis renvoyez le vôtre."

INFECTED = (
    "L'antivirus a trouvé quelque chose de dangereux dans ce fichier : il n'est pas accepté. Envoyez une "
    "photo du document, et faites vérifier votre appareil."
)
NOT_SCANNED = "Le fichier n'a pas pu être vérifié. Rien n'est perdu : réessayez dans quelques minutes."

CONTENT_TYPES = {
    picture_judge.Verdict.JPEG: "image/jpeg",
    picture_judge.Verdict.PNG: "image/png",
    picture_judge.Verdict.HEIF: "image/heic",
    pdf_judge.Verdict.HARMLESS: "application/pdf",
}
REFUSALS = {
    picture_judge.Verdict.WRONG_KIND: ("wrong_kind", WRONG_KIND),
    picture_judge.Verdict.TOO_MANY_PIXELS: ("too_many_pixels", TOO_MANY_PIXELS),
    picture_judge.Verdict.DAMAGED: ("damaged", DAMAGED),
    pdf_judge.Verdict.ACTS: ("acts", ACTS),
    pdf_judge.Verdict.ENCRYPTED: ("encrypted", ENCRYPTED),
    pdf_judge.Verdict.UNREADABLE: ("too_much", TOO_MUCH),
}


class PrivateStorage(FileSystemStorage):
    """Files without any address: only a view that checks who asks gives them out."""

    def url(self, name: str | None) -> str:
        raise ValueError("This file is not accessible via a URL.")


def check(file: Any) -> str:
    """The content type of an uploaded file (PDF, JPEG, PNG or HEIC), read from its content.

    Raises ValidationError, in French, for anything else, for a file over LARGEST_BYTES, for an image that
    cannot be decoded to its end, for a PDF in which something acts, and for what the town's scanner does not
    say to be clean. Leaves the file at its beginning.
    """
    if file.size > LARGEST_BYTES:
        raise ValidationError(TOO_LARGE, code="too_large")
    content: bytes = file.read()
    file.seek(0)
    content_type = _kind(content)
    try:
        scanning.scan(content)
    except scanning.Infected:
        raise ValidationError(INFECTED, code="infected") from None
    except scanning.NotScanned:
        raise ValidationError(NOT_SCANNED, code="not_scanned") from None
    return content_type


def _kind(content: bytes) -> str:
    if _is_pdf(content):
        content = content.strip(AROUND_A_PDF)
        if b"%%EOF" not in content[-AFTER_ITS_END:]:  # its sending was cut off
            raise ValidationError(DAMAGED, code="damaged")
        return _judged(pdf_judge, content)
    if PICTURES.match(content):
        return _judged(picture_judge, content, MOST_PIXELS_OF_HEIC, MOST_PIXELS)
    raise ValidationError(WRONG_KIND, code="wrong_kind")


def _is_pdf(content: bytes) -> bool:
    head = content[:1024].lstrip(AROUND_A_PDF)[:64]
    if not head.startswith(b"%PDF-"):
        return False
    return any(match.mime_type == "application/pdf" for match in puremagic.magic_string(head))


def _judged(judge: ModuleType, content: bytes, *told: int) -> str:
    try:
        verdict = judging.verdict(judge, content, *told)
    except judging.Busy:
        raise ValidationError(BUSY, code="busy") from None
    if verdict in CONTENT_TYPES:
        return CONTENT_TYPES[verdict]
    code, sentence = REFUSALS[verdict] if verdict is not None else ("too_much", TOO_MUCH)
    raise ValidationError(sentence, code=code)


def safe_name(name: str, content_type: str) -> str:
    """A file name to show and to offer: no path, no control character, the suffix of its real type."""
    stem = re.sub(r"[^\w .()'’-]", "", name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]).strip(
        " ."
    )
    return f"{(stem or 'document')[:100]}{SUFFIXES[content_type]}"


def response(file: IO[bytes], *, name: str, content_type: str) -> FileResponse:
    """Serves a file that came from outside so that no browser runs anything in it."""
    answer = hand_over(file, name, content_type)
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def private_storage() -> Storage:
    """Where files of families lie: never under a public path."""
    return storages["private"]
