from allauth.account import signals as allauth_signals
from allauth.usersessions.apps import UserSessionsConfig
from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate

from portal.database import rotating, schema


class FamiliesConfig(AppConfig):
    default = True  # of those that this module knows
    name = "families"
    verbose_name = "Familles"

    def ready(self) -> None:
        # Models must be loaded first.
        from families import at_home, groups
        from families.as_family import Part
        from families.chronicle import own as chronicle
        from families.correspondence import Correspondence
        from families.custody import letters as custody_letters
        from families.found import FOUND
        from families.imports import audience, facts, leaving, outgoing, people
        from families.imports import registry as imports
        from families.joining import fates, joining
        from families.joining import people as joining_people
        from families.messages import attachments, audiences, own_parts, sending
        from families.privacy import (
            declared,
            departures,
            erasing,
            holdings,
            kinds,
            own_data,
            processing,
            retention,
            telling,
        )
        from families.reminders import kinds as reminder_kinds
        from families.reminders.papers import PAPERS
        from families.reminders.quotients import QUOTIENT
        from families.reminders.texts import TEXTS
        from families.signing_in import factor_events, factor_secrets, letters, lifetimes, noted
        from families.traces.reading import REGISTER
        from families.trial_marks import FOR_EVER
        from portal.letters import mailing

        letters.make_them()
        mailing.make_live(custody_letters.INVITATION, custody_letters.invitation)
        mailing.lend(Correspondence())
        mailing.lend_files(sending.KIND, attachments.read)
        own_parts.register_own()
        mailing.urgent("account/", "families/access_", "families/invitation", "families/opening_")
        schema.register(REGISTER)
        schema.register(FOUND)
        schema.register(FOR_EVER)
        user_logged_in.connect(lifetimes.note_opening, dispatch_uid="families.lifetimes")
        factor_events.listen()
        rotating.register(factor_secrets.ROTATED)
        post_migrate.connect(groups.give_rights, dispatch_uid="families.groups")
        post_migrate.connect(retention.make_rules, sender=self, dispatch_uid="families.retention")
        declared.declare_all()
        fates.declare(joining_people.KEYS)
        joining.register("familles", joining_people.PART, first=True)
        kinds.register_all()
        departures.register_all()
        processing.register_people()
        telling.register("familles", tables=own_data.tables, files=own_data.files)
        noted.connect()
        reminder_kinds.register(QUOTIENT)
        reminder_kinds.register(PAPERS)
        reminder_kinds.register(TEXTS)
        chronicle.register_all()
        holdings.declare(leaving.HOLDINGS)
        erasing.register("imports", leaving.PART)
        for part in (people.People(), facts.Quotients(), facts.Diets()):
            imports.register(part)
        outgoing.register_own()
        audiences.register(audience.OfImports, order=45, rights=audience.RIGHTS)
        at_home.register(15, at_home.address)
        at_home.register(20, at_home.answers)
        at_home.register(40, at_home.quotient)
        at_home.register(45, at_home.papers, Part.PAPERS)
        at_home.register(46, at_home.texts, Part.PAPERS)
        at_home.register(50, at_home.proofs)


class SessionsConfig(UserSessionsConfig):
    """allauth's rows of sessions. At a login it would read every session that the account has open, three
    queries each, to drop the rows of those that are over: the night does that."""

    def ready(self) -> None:
        # Models must be loaded first.
        from allauth.usersessions.signals import on_user_logged_in

        from families.signing_in import sessions

        super().ready()
        allauth_signals.user_logged_in.disconnect(on_user_logged_in)
        allauth_signals.user_logged_in.connect(sessions.begun, dispatch_uid="families.sessions")
