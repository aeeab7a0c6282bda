from django.apps import AppConfig


class ReservationsConfig(AppConfig):
    name = "portal.reservations"
    label = "reservations"
    # The desk shows the engine's tables in the portal's group.
    verbose_name = "Portail"

    def ready(self) -> None:
        # Models must be loaded first.
        from families import child_facts
        from families.custody import ending
        from portal.reservations.acts.leaving import DaysAndEnrolments
        from portal.reservations.pages.child_facts import school

        child_facts.register("École", school)
        ending.register("réservations", DaysAndEnrolments())
