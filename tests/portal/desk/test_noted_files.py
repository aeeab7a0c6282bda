"""Files that leave the desk are written down in the register of reading."""

import ast
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
# Files at the desk that hold nobody, or one household's own document.
NOBODY = {
    "portal/reservations/desk/town_file.py:export_town",
    "portal/reservations/desk/town_file.py:past_file",
    "families/admin/codes.py:_letter",
    "families/admin/paper_letters.py:one",
    "catering/admin.py:template_view",
    "catering/admin.py:_kitchen_csv",
    "billing/admin/accounts.py:account",
    "billing/admin/accounts.py:carried",
    "billing/admin/answers.py:one_pdf",
    "billing/admin/cash_desk.py:receipt_pdf",
    "billing/admin/charts.py:chart",
    "billing/admin/documents.py:one_pdf",
    "billing/admin/yearly.py:tax_pdf",
    # Noted by the view that calls it.
    "leisure/admin_registers.py:_pdf",
    # Forms to fill in, with invented examples.
    "families/admin/imports.py:model_file",
    # Counts without names.
    "portal/reservations/desk/statistics.py:_file",
}
# `pass_out` is lent by `families.admin.exporting`, which notes.
NOTES = {"note", "note_export", "note_households", "_note", "pass_out"}


def test_no_file_leaves_the_desk_unnoted():
    """Whoever adds one notes it, or says here that it holds nobody."""
    found = {}
    for path in ROOT.glob("*/**/*.py"):
        place = path.relative_to(ROOT)
        if not any(part in ("admin", "desk") or part.startswith("admin") for part in place.parts):
            continue
        for one in ast.walk(ast.parse(path.read_text())):
            if isinstance(one, ast.FunctionDef):
                calls = [call.func for call in ast.walk(one) if isinstance(call, ast.Call)]
                names = {getattr(call, "attr", getattr(call, "id", "")) for call in calls}
                if names & {"hand_over", "spreadsheet", "FileResponse", "StreamingHttpResponse"}:
                    found[f"{place}:{one.name}"] = bool(names & NOTES)
    assert {place for place, noted in found.items() if not noted} == NOBODY
    assert sum(found.values()) > 8
