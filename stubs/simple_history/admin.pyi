from typing import TypeVar

from django.contrib.admin import ModelAdmin
from django.db.models import Model

M = TypeVar("M", bound=Model)

class SimpleHistoryAdmin(ModelAdmin[M]): ...
