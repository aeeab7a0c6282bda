from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import register
from django_tasks_db.apps import TasksAppConfig

from portal import town
from portal.checks import private_storage
from portal.french import phones


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portail"

    def ready(self) -> None:
        register(private_storage)
        phones.home = town.territory


class PortalAdminConfig(AdminConfig):
    default_site = "portal.desk.site.PortalAdminSite"


class TasksConfig(TasksAppConfig):
    verbose_name = "Technique"
