from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import register
from django.db.models.signals import post_migrate, pre_migrate
from django_tasks_db.apps import TasksAppConfig

from portal.checks import private_storage
from portal.database import schema
from portal.french import phones


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portail"

    def ready(self) -> None:
        from portal.desk import named_rows  # models must be loaded first
        from portal.town import territory

        named_rows.install()
        register(private_storage)
        phones.home = territory
        # Once a migration: the signals are sent for each app, after all their tables are there.
        pre_migrate.connect(schema.lift_before_tables_change, sender=self)
        post_migrate.connect(schema.complete_after_migrate, sender=self)


class PortalAdminConfig(AdminConfig):
    default_site = "portal.desk.site.PortalAdminSite"


class TasksConfig(TasksAppConfig):
    verbose_name = "Technique"
