"""Where nobody said from when bookings are billed: as far back as the first run looked, which was a year.

No rule looks back by a number of days any more; what no run has ever looked at stays out.
"""

from datetime import timedelta
from typing import Any

from django.db import migrations
from django.db.models import Min

LOOKED_BACK = timedelta(days=366)


def write(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    runs, rows = (
        apps.get_model("billing", name).objects.using(alias) for name in ("BillingRun", "BillingSettings")
    )
    first = runs.aggregate(first=Min("month"))["first"]
    if first is None:
        return
    settings, _ = rows.get_or_create(pk=1)
    if settings.starts_on is None:
        rows.filter(pk=1).update(starts_on=first - LOOKED_BACK)


class Migration(migrations.Migration):
    dependencies = [("billing", "0012_statements")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
