from django.apps import AppConfig
from django.db.models.signals import m2m_changed


class ReservationsConfig(AppConfig):
    name = "portal.reservations"
    label = "reservations"
    # The desk shows the engine's tables in the portal's group.
    verbose_name = "Portail"

    def ready(self) -> None:
        # Models must be loaded first.
        from families import approval, at_home, child_facts
        from families.custody import ending, whose_days
        from families.groups import IMPORT
        from families.imports import registry as imports
        from families.joining import fates
        from families.joining import joining as joining_of_homes
        from families.messages import audiences
        from families.models import User
        from families.papers import asking as asking_of_papers
        from families.privacy import erasing as erasing_of_people
        from families.privacy import holdings, telling
        from families.reminders import choices as reminder_choices
        from families.reminders import kinds as reminder_kinds
        from families.texts import standing as standing_of_texts
        from families.threads import places as places_of_threads
        from portal.database import fresh
        from portal.desk import rights
        from portal.reservations import joining
        from portal.reservations.acts import (
            asked_first,
            booking,
            brought,
            carts,
            conditions,
            enrolling,
            erasing,
            next_periods,
            next_year,
            oversights,
            reservation_drafts,
            tasks,
        )
        from portal.reservations.acts.leaving import DaysAndEnrolments
        from portal.reservations.days import openings
        from portal.reservations.days.asked_papers import PapersOfActivities
        from portal.reservations.days.whole_holidays import whole_holidays
        from portal.reservations.desk import audience, outgoing, year_turns
        from portal.reservations.desk.acting import register_buttons
        from portal.reservations.desk.lots import register_actions
        from portal.reservations.desk.threads import ThreadPlaces
        from portal.reservations.pages import blocks, chronicle, own_data, waiting
        from portal.reservations.pages import carts as cart_pages
        from portal.reservations.pages import oversights as oversight_pages
        from portal.reservations.pages.child_facts import school
        from portal.reservations.presence import kinds, processing
        from portal.reservations.reminders.freed_places import FREED
        from portal.reservations.reminders.usual_days import USUAL, have_usual_days
        from portal.reservations.staff import giving
        from portal.reservations.staff.rights import StaffRights
        from portal.reservations.statistics import figures
        from portal.waiting import moments

        fresh.register("reservations", "0012_usual_audiences")
        approval.lend(enrolling.Prepared())
        tasks.lend(booking.let_offers_go, carts.let_go, serve=booking.serve)
        at_home.register(4, cart_pages.asked)
        at_home.register(5, waiting.offers)
        at_home.register(12, oversight_pages.asked)
        at_home.register(30, blocks.unfinished)
        at_home.register(35, blocks.to_renew)
        child_facts.register("École", school)
        reminder_choices.lend(have_usual_days)
        reminder_kinds.register(USUAL)
        reminder_kinds.register(FREED)
        ending.register("réservations", DaysAndEnrolments())
        whose_days.lend(whole_holidays)
        moments.register(openings.find)
        asking_of_papers.lend(asked_first.Asking())
        standing_of_texts.lend(PapersOfActivities())
        conditions.register(asked_first.papers)
        conditions.register(asked_first.texts)
        oversights.register_all()
        rights.lend(StaffRights(), giving)
        m2m_changed.connect(
            giving.follow_groups, sender=User.groups.through, dispatch_uid="reservations.staff"
        )
        holdings.declare(erasing.HOLDINGS)
        erasing_of_people.register("réservations", erasing.PART)
        fates.declare(joining.KEYS)
        joining_of_homes.register("réservations", joining.PART)
        chronicle.register_all()
        imports.register(brought.Schoolings())
        imports.register(brought.Enrolments())
        outgoing.register_all()
        register_buttons()
        register_actions()
        places_of_threads.lend(ThreadPlaces())
        audiences.register(audience.Children, order=20, rights=audience.RIGHTS)
        telling.register("réservations", tables=own_data.tables)
        processing.register_all()
        kinds.register_all(reservation_drafts.KEPT.days)
        figures.register_all()
        next_periods.register_all()
        next_year.bring_newcomers(
            next_year.Newcomers("Importer des familles", "families_fileimport_add", IMPORT)
        )
        year_turns.register_all()
