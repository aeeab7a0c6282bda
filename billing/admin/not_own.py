"""Rows at the desk that make a household pay more or less: nobody writes or removes one of the own."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from families.custody import own
from families.models import Custody
from portal.desk.site import DeskAdmin, M
from portal.web.signed_in import user_of


class NotOfOwnHousehold(DeskAdmin[M]):
    """Raises OwnHousehold before anything is written, of what a row was and of what it becomes."""

    def homes_of(self, rows: Iterable[M]) -> set[int]:
        """The households (keys) that pay."""
        raise NotImplementedError

    def _check_own(self, request: HttpRequest, rows: Iterable[M]) -> None:
        own.check(user_of(request), self.homes_of(rows), right=self.right_for("change"), at=timezone.now())

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        self._check_own(request, [obj, *self.model._default_manager.filter(pk=obj.pk)])
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        self._check_own(request, [obj])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        self._check_own(request, queryset)
        super().delete_queryset(request, queryset)


def homes_of_children(children: Iterable[int]) -> set[int]:
    """All of these children's (keys)."""
    return set(Custody.objects.filter(child__in=set(children)).values_list("household", flat=True))
