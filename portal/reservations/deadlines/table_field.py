"""The form field of a deadline table: seven rows of « jour limite, heure », not JSON."""

from collections.abc import Mapping
from datetime import time
from typing import Any

from django import forms

from portal.french.dates import WEEKDAYS
from portal.reservations.deadlines import rule_rows
from portal.reservations.deadlines.rules import TableRow
from portal.web.posted import posted_number

NEVER = "never"
PRECEDING, WEEK_EARLIER = "0", "1"
EARLIER_CHOICES = [(PRECEDING, "précédent"), (WEEK_EARLIER, "une semaine plus tôt")]

# One row as typed: limit weekday ("" or NEVER when none), hour, weeks earlier.
Typed = tuple[str, str, str]
EMPTY: Typed = ("", "", PRECEDING)


class DeadlineTableWidget(forms.Widget):
    """Seven rows. `empty` is what a row left out means."""

    template_name = "admin/reservations/deadline_table.html"

    def __init__(self, empty: str, with_never: bool = False, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.choices = [("", empty)]
        if with_never:
            self.choices.append((NEVER, "jamais"))
        self.choices += [(str(day), name) for day, name in enumerate(WEEKDAYS)]

    def use_required_attribute(self, initial: Any) -> bool:
        return False

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_0" if id_ else ""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        typed = value if isinstance(value, list) else [EMPTY] * 7
        base = context["widget"]["attrs"].get("id", f"id_{name}")
        context["widget"] |= {
            "choices": self.choices,
            "earlier_choices": EARLIER_CHOICES,
            "rows": [
                {
                    "target": WEEKDAYS[day],
                    "name": f"{name}-{day}",
                    "id": f"{base}_{day}",
                    "weekday": weekday,
                    "at": at,
                    "earlier": earlier,
                }
                for day, (weekday, at, earlier) in enumerate(typed)
            ],
        }
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[Typed]:
        return [
            (
                data.get(f"{name}-{day}", ""),
                data.get(f"{name}-{day}-at", "").strip(),
                data.get(f"{name}-{day}-earlier", PRECEDING),
            )
            for day in range(7)
        ]

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return not any(f"{name}-{day}" in data for day in range(7))


class DeadlineTableField(forms.Field):
    """Reads and gives the JSON of `rule_rows.read_table`."""

    def __init__(self, *, empty: str, with_never: bool = False, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs["widget"] = DeadlineTableWidget(empty, with_never)
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> list[Typed]:
        """Seven typed rows of the stored JSON; a table nobody can read shows empty."""
        if isinstance(value, list):
            return value
        try:
            rows = rule_rows.read_table(value or {})
        except rule_rows.MalformedTable:
            rows = {}
        return [self._typed(rows, day) for day in range(7)]

    def clean(self, value: list[Typed]) -> dict[str, Any]:
        rows: dict[int, TableRow | None] = {}
        for day, (weekday, at, earlier) in enumerate(value):
            if weekday == "":
                if at:
                    raise forms.ValidationError(f"Choisissez le jour limite pour le {WEEKDAYS[day]}.")
            elif weekday == NEVER:
                rows[day] = None
            elif (before := posted_number(weekday, most=6)) is not None:
                rows[day] = TableRow(before, _hour(at, day), int(earlier == WEEK_EARLIER))
            else:
                raise forms.ValidationError(f"Choisissez un jour de la semaine pour le {WEEKDAYS[day]}.")
        return rule_rows.write_table(rows)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.prepare_value(initial) != [tuple(row) for row in data]

    def _typed(self, rows: Mapping[int, TableRow | None], day: int) -> Typed:
        if day not in rows:
            return EMPTY
        row = rows[day]
        if row is None:
            return (NEVER, "", PRECEDING)
        return (
            str(row.weekday),
            row.at.isoformat("minutes") if row.at else "",
            WEEK_EARLIER if row.more_weeks else PRECEDING,
        )


def _hour(typed: str, day: int) -> time | None:
    if not typed:
        return None
    try:
        return time.fromisoformat(typed.lower().replace(" ", "").replace("h", ":").removesuffix(":").zfill(5))
    except ValueError as error:
        raise forms.ValidationError(
            f"L'heure du {WEEKDAYS[day]} n'est pas lisible : écrivez par exemple 12:00."
        ) from error
