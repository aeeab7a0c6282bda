from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.core.checks import register
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.signals import post_migrate, pre_migrate
from django_tasks.signals import task_started
from django_tasks_db.apps import TasksAppConfig

from portal import checks, launching
from portal.database import schema, starting
from portal.files import closed
from portal.french import phones


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portail"

    def ready(self) -> None:
        from portal import nightly  # models must be loaded first
        from portal.database import clock, fresh
        from portal.desk import held, named_rows, printing, settling
        from portal.letters import mailbox
        from portal.letters.answers import Kind
        from portal.tasks import taking_up, workers
        from portal.town import territory
        from portal.town_time import activate, before_a_task

        launching.configured_or_leave()
        fresh.register("portal", "0008_refusal_reasons")
        named_rows.install()
        register(checks.private_storage)
        register(checks.scanner)
        register(checks.quotient_source)
        register(checks.somebody_else)
        register(checks.advice, deploy=True)
        register(checks.surroundings, deploy=True)
        register(checks.database_answers, deploy=True)
        nightly.register(
            "fichiers ouverts à d'autres",
            "{} fichier(s) ou dossier(s) fermé(s) aux autres utilisateurs de la machine.",
            lambda at: closed.close(connections[DEFAULT_DB_ALIAS]),
        )
        nightly.register(
            "tâches interrompues",
            "{} tâche(s) laissée(s) par un processus arrêté, reprise(s) ou notée(s).",
            lambda at: taking_up.take_up(at=clock.now(), silent_after=taking_up.SILENT_AT_NIGHT),
        )
        nightly.register(
            "décisions qui ne se reprennent plus",
            "{} décision(s) de « À traiter » devenue(s) définitive(s).",
            lambda at: settling.settle(at=at),
        )
        nightly.register(
            "décisions laissées",
            "{} décision(s) qui n'ont pas pu s'appliquer, oubliée(s).",
            held.forget_left,
        )
        nightly.register(
            "longues listes en PDF",
            "{} longue(s) liste(s) en PDF effacée(s).",
            printing.forget,
            foresee=printing.foresee,
        )
        if settings.MAILBOX_URL:
            nightly.register(
                "boîte aux lettres du portail",
                "{} message(s) revenu(s) dans la boîte aux lettres du portail.",
                lambda at: mailbox.read(settings.MAILBOX_URL, moment=at)[Kind.CAME_BACK],
                foresee=lambda at: 0,  # reading marks as read what is on another server
            )
        nightly.register(
            "processus arrêtés",
            "{} processus de travail oublié(s).",
            lambda at: workers.forget(at=clock.now()),
        )
        phones.home = territory
        starting.set_clock = activate
        task_started.connect(before_a_task, dispatch_uid="the town's clock")
        # Once a migration: the signals are sent for each app, after all their tables are there.
        pre_migrate.connect(schema.lift_before_tables_change, sender=self)
        post_migrate.connect(schema.complete_after_migrate, sender=self)


class PortalAdminConfig(AdminConfig):
    default_site = "portal.desk.site.PortalAdminSite"


class TasksConfig(TasksAppConfig):
    verbose_name = "Technique"
