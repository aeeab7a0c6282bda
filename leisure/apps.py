from django.apps import AppConfig


class LeisureConfig(AppConfig):
    name = "leisure"
    verbose_name = "Accueil de loisirs et périscolaire"

    def ready(self) -> None:
        # Models must be loaded first.
        from families.joining import fates
        from families.privacy import erasing, holdings, telling
        from leisure import people
        from leisure.models import ActivityCriterion, Centre, PriorityFact, PriorityStreet
        from portal.reservations.staff import scopes

        scopes.register(Centre, scopes.at("pk", adds=False))
        scopes.register(ActivityCriterion, scopes.TOWN)
        scopes.register(PriorityStreet, scopes.TOWN)
        scopes.register(PriorityFact, scopes.of_household("household"))
        holdings.declare(people.HOLDINGS)
        erasing.register("loisirs", people.PART)
        fates.declare(people.KEYS)
        telling.register("loisirs", tables=people.tables)
