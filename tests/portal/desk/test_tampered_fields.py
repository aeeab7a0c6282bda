"""Whatever is posted to the desk, it answers with a form: a tampered field is an error in words."""

from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.urls import reverse

pytestmark = pytest.mark.once


GARBAGE = ("NaN", "9" * 30, "1e400", "a\x00b", "²")
# How many rows an inline has is a number that Django reads itself.
MANAGEMENT = ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS")


class Fields(HTMLParser):
    """The names of a page's fields."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("name")
        if tag in ("input", "select", "textarea") and name and name != "csrfmiddlewaretoken":
            self.names[name] = found.get("value") or ""


def fields(page) -> dict[str, str]:
    parser = Fields()
    parser.feed(page.text)
    # The template of a row to come is not posted, the row is.
    return {name.replace("__prefix__", "0"): value for name, value in parser.names.items()}


def garbled(names: dict[str, str], turn: int) -> dict[str, str]:
    """One row of every inline, garbage in every field, another one at another `turn`."""
    posted = {}
    for place, (name, value) in enumerate(names.items(), start=turn):
        if name.endswith("-TOTAL_FORMS"):
            posted[name] = str(max(1, int(value)))
        elif name.endswith(MANAGEMENT):
            posted[name] = value
        else:
            posted[name] = GARBAGE[place % len(GARBAGE)]
    return posted


def forms(client):
    """Every page of the desk that adds or changes a row, with its fields."""
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = model._default_manager.order_by("pk").first()
        for url in (reverse(f"{name}_add"), row and reverse(f"{name}_change", args=[row.pk])):
            page = client.get(url) if url else None
            if page is not None and page.status_code == 200 and "_save" in page.text:
                yield url, fields(page)


@pytest.mark.parametrize("turn", [0, 2])
def test_garbage_in_every_field_is_an_error_in_words(lived_in, chief_client, turn):
    chief_client.raise_request_exception = False
    asked = {url: chief_client.post(url, garbled(names, turn)) for url, names in forms(chief_client)}
    assert len(asked) > 30
    assert {url: page.status_code for url, page in asked.items() if page.status_code not in (200, 302)} == {}


@pytest.mark.parametrize("key", ["NaN", "abc", "9" * 30])
def test_a_tampered_household_is_a_choice_that_does_not_exist(lived_in, chief_client, key):
    page = chief_client.post(reverse("admin:billing_mandate_add"), {"household": key})
    assert page.status_code == 200
    [error] = page.context["adminform"].form.errors["household"]
    assert error == "Sélectionnez un choix valide. Ce choix ne fait pas partie de ceux disponibles."


def test_a_row_chosen_beside_a_tampered_one_stays_chosen(lived_in, chief_client, canteen):
    """Nothing typed is lost, whatever was tampered with."""
    posted = {"name": "Printemps", "activity": str(canteen.activity.pk), "establishments": ["abc", "9" * 30]}
    page = chief_client.post(reverse("admin:reservations_period_add"), posted)
    assert "establishments" in page.context["adminform"].form.errors
    assert f'<option value="{canteen.activity.pk}" selected>{canteen.activity}</option>' in page.text
