"""Links of the desk's lists to people's pages."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families.models import Document, Guardian, household_number


def shown_to(user: Any, fields: Iterable[Any], needs: Mapping[str, Collection[str]]) -> list[Any]:
    """`fields` of a page, without those that lead where `user` may not go; `needs`: the rights of each."""
    return [name for name in fields if name not in needs or user.has_perms(needs[name])]


def household_page(household_id: int) -> str:
    """The address of a household's page."""
    return reverse("admin:families_household_change", args=[household_id])


def household_link(household_id: int) -> SafeString:
    """The household's number, leading to its page."""
    url = household_page(household_id)
    return format_html('<a href="{}">{}</a>', url, household_number(household_id))


def guardian_names(household_ids: Iterable[int]) -> dict[int, str]:
    """« Camille Roux, Alix Roux » of each of these households, in one query; "" of one without adults."""
    found: dict[int, list[str]] = {key: [] for key in household_ids}
    for adult in Guardian.objects.filter(household__in=found).order_by("pk"):
        found[adult.household_id].append(str(adult))
    return {key: ", ".join(names) for key, names in found.items()}


def document_link(document: Document) -> SafeString:
    """The name of a file that a family sent, leading to the file."""
    return format_html('<a href="{}">{}</a>', reverse("families:document", args=[document.pk]), document)


def papers_page(household_id: int) -> str:
    """The address of the list of a household's papers, whatever their state."""
    return f"{reverse('admin:families_paper_changelist')}?q={household_id}&etat=tous"


def papers_link(household_id: int) -> SafeString:
    """To a household's papers, and to noting or asking for one."""
    note = reverse("admin:families_paper_note", args=[household_id])
    text = '<a href="{}">Voir ses papiers</a> · <a href="{}">Noter ou demander un papier…</a>'
    return format_html(text, papers_page(household_id), note)


def copy_link(household_id: int) -> SafeString:
    """To the copy of its data that the law owes a household."""
    url = reverse("admin:families_dataexport_household", args=[household_id])
    return format_html('<a href="{}">Remettre une copie des données</a>', url)


def erase_household_link(household_id: int) -> SafeString:
    url = reverse("admin:families_erasure_household", args=[household_id])
    return format_html('<a href="{}">Effacer ce foyer…</a>', url)


def erase_child_link(child_id: int) -> SafeString:
    url = reverse("admin:families_erasure_child", args=[child_id])
    return format_html('<a href="{}">Effacer cet enfant…</a>', url)
