"""The desk's classes are written in one dialect, so that a page is found by its place in the class."""

from django.contrib import admin
from django.db import models
from django.forms import fields_for_model

from portal.desk.columns import TypedColumns
from portal.desk.pages import ShownOnlyInline
from portal.desk.site import DeskAdmin
from portal.french.numbers import TypedDecimalField

TYPED = (models.DecimalField, models.DateField)
PACKAGES = ("portal", "families", "catering", "leisure", "billing")
# What it is, the list, what is decided, the page of one row.
ORDER = """
    model desk_order work_queues desk_links
    list_display list_display_links list_filter list_select_related list_per_page show_full_result_count
    search_fields search_help_text number_fields date_hierarchy ordering
    actions decisions refusals refuse_title tints
    form extra min_num verbose_name verbose_name_plural inlines named_by
    prepopulated_fields autocomplete_fields fieldsets fields readonly_fields formfield_overrides
    show_change_link change_list_template change_form_template
""".split()


def classes():
    """Every class of ours that a page of the desk is made of."""
    found = {}
    for page in admin.site._registry.values():
        for made_of in (type(page), *page.inlines):
            for one in made_of.__mro__:
                if one.__module__.split(".")[0] in PACKAGES:
                    found[f"{one.__module__}.{one.__name__}"] = one
    return found


def test_attributes_stand_in_one_order():
    found = classes()
    assert {"TownAdmin", "InvoiceLineInline"} <= {one.__name__ for one in found.values()}
    for name, one in found.items():
        written = [attribute for attribute in vars(one) if attribute in ORDER]
        assert written == sorted(written, key=ORDER.index), name


def test_lists_of_fields_are_tuples():
    for name, one in classes().items():
        lists = [attribute for attribute in ORDER if isinstance(vars(one).get(attribute), list)]
        assert not lists, name


def test_amounts_and_days_are_typed_as_french_hands_do_on_every_page():
    """« 38,50 », not « 38.50 », and no year 9999: on pages of rows and in their inlines."""
    looked = 0
    for model, page in admin.site._registry.items():
        if not isinstance(page, DeskAdmin):
            continue
        for its, one in [(model, type(page)), *((one.model, one) for one in page.inlines)]:
            typed = [column for column in its._meta.fields if column.editable and isinstance(column, TYPED)]
            if typed and not issubclass(one, ShownOnlyInline):
                assert issubclass(one, TypedColumns), one
                looked += 1
    assert looked > 60


def test_a_price_is_shown_with_a_comma_and_taken_either_way():
    page = next(page for page in admin.site._registry.values() if type(page).__name__ == "AdultPriceAdmin")
    form = fields_for_model(
        page.model, ["amount"], formfield_callback=lambda column: page.formfield_for_dbfield(column, None)
    )
    field = form["amount"]
    assert isinstance(field, TypedDecimalField)
    assert (
        field.widget.get_context("amount", field.prepare_value(field.clean("6.5")), {})["widget"]["value"]
        == "6,5"
    )
    assert field.clean("6,50 €") == field.clean("6.50") == 6.5
