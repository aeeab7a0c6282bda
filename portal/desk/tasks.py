"""« Tâches », for superusers: what the worker was asked to do, and what failed; never what a letter says."""

import json
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.forms import CheckboxInput
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django_tasks_db.admin import DBTaskResultAdmin
from django_tasks_db.models import DBTaskResult

from portal.french.plurals import counted
from portal.tasks import taking_up

LETTERS = "portal.letters."
NOT_SHOWN = "Le contenu des messages n'est pas affiché."


class TaskAdmin(DBTaskResultAdmin):
    """The package's own, whose titles are in French where its catalogue cannot say them."""

    # The package's tuples have a length, and are typed with it.
    list_display = ("name", "outcome", "enqueued_at", "started_at", "finished_at", "queue_name")  # type: ignore[assignment]  # shorter
    list_filter = ("status", "queue_name")  # type: ignore[assignment]  # shorter

    actions = ("do_again",)

    def has_redo_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    @admin.action(description="Recommencer ce qui a échoué ou s'est interrompu", permissions=["redo"])
    def do_again(self, request: HttpRequest, queryset: QuerySet[DBTaskResult[Any, Any]]) -> None:
        rows = list(queryset)
        again = taking_up.do_again(rows)
        text = counted(again, "travail est de nouveau demandé", "travaux sont de nouveau demandés")
        if left := len(rows) - again:
            text += f" ; {counted(left, 'autre n’avait pas échoué', 'autres n’avaient pas échoué')}"
        self.message_user(request, f"{text}.", messages.WARNING if left else messages.SUCCESS)

    def action_checkbox(self, obj: DBTaskResult[Any, Any]) -> SafeString:
        """Named by what is done: what the package calls a row is a program's word."""
        said = {"class": "action-select", "aria-label": f"Choisir {obj.task_name} ({obj.pk})"}
        return CheckboxInput(said, lambda value: False).render(ACTION_CHECKBOX_NAME, str(obj.pk))

    def get_readonly_fields(
        self, request: HttpRequest, obj: DBTaskResult[Any, Any] | None = None
    ) -> list[str]:
        found = super().get_readonly_fields(request, obj)
        return ["given" if name == "args_kwargs" else name for name in found]

    @admin.display(description="demandé avec")
    def given(self, obj: DBTaskResult[Any, Any]) -> str:
        if obj.task_path.startswith(LETTERS):
            return NOT_SHOWN
        return json.dumps(obj.args_kwargs, ensure_ascii=False)

    @admin.display(description="état", ordering="status")
    def outcome(self, obj: DBTaskResult[Any, Any]) -> str:
        return "Interrompue" if taking_up.is_interrupted(obj) else str(obj.get_status_display())

    @admin.display(description="travail", ordering="task_path")
    def name(self, obj: DBTaskResult[Any, Any]) -> str:
        return obj.task_name

    @admin.display(description="trace de l'erreur")
    def formatted_traceback(self, obj: DBTaskResult[Any, Any]) -> str:
        return super().formatted_traceback(obj)

    @admin.display(description="pas avant")
    def display_run_after(self, obj: DBTaskResult[Any, Any]) -> datetime | str:
        return super().display_run_after(obj)
