"""The canteen at the town hall's desk: menus and their import, what the kitchen has to cook."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone

from billing.admin import adults
from catering import first_steps as first_steps
from catering import kitchen, menu_import
from catering.models import SERVICE, Dish, Menu
from families.admin.health import opens_details
from families.models import Allergen, Reading
from families.traces import reading
from portal.desk import jobs, rights
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import spreadsheet
from portal.french import moments
from portal.french.day_fields import DayField
from portal.french.plurals import counted
from portal.reservations.days.calendars import week_of
from portal.reservations.desk.today import DayPage, shows_days
from portal.reservations.models import Establishment, Formula
from portal.reservations.models.queries import where_meals_are_eaten
from portal.web.bodies import takes_files
from portal.web.form_fields import field_of

MAY_IMPORT = ("catering.add_menu", "catering.change_menu")
shows_days(SERVICE, DayPage("catering_kitchen", "restaurant", "families.view_dietchoice"))


class DishForm(forms.ModelForm[Dish]):
    allergens = forms.MultipleChoiceField(
        label="Allergènes",
        choices=Allergen.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    class Meta:
        model = Dish
        fields = ("course", "name", "allergens", "order")


class DishInline(admin.TabularInline[Dish, Menu]):
    model = Dish
    form = DishForm
    extra = 0
    min_num = 1


class KitchenForm(forms.Form):
    """Which place and which days; the places are few, so a plain list."""

    restaurant = forms.ModelChoiceField(Establishment.objects.none(), label="Lieu du repas", empty_label=None)
    jour = DayField(label="Jour")
    vue = forms.ChoiceField(
        label="Durée",
        choices=[("jour", "Ce jour"), ("semaine", "Toute la semaine")],
        widget=forms.RadioSelect,
        initial="jour",
    )

    def __init__(self, *args: Any, places: QuerySet[Establishment], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "restaurant", forms.ModelChoiceField).queryset = places


class MenuFileForm(forms.Form):
    file = forms.FileField(label="Fichier CSV, XLSX, XLS ou ODS")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > menu_import.MOST_BYTES:
            raise forms.ValidationError("Ce fichier dépasse 1 Mo : partagez-le en plusieurs.")
        return file


@admin.register(Menu)
class MenuAdmin(OwnPages[Menu]):
    desk_order = 5
    desk_links = (
        DeskLink(
            "Effectifs de la cuisine",
            "catering_kitchen",
            "families.view_dietchoice",
            "repas attendus par école, classe et régime",
        ),
        DeskLink("Importer des menus", "catering_menu_import", "catering.add_menu", "depuis un tableau"),
    )
    list_display = ("day_shown", "restaurant", "dishes_shown")
    list_filter = ("restaurant",)
    list_select_related = ("restaurant",)
    search_fields = ("dishes__name",)
    date_hierarchy = "day"
    ordering = ("-day", "restaurant__name")
    inlines = (DishInline,)
    change_list_template = "admin/catering/menu_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Menu]:
        return super().get_queryset(request).prefetch_related("dishes")

    @admin.display(description="jour", ordering="day")
    def day_shown(self, obj: Menu) -> str:
        return moments.day(obj.day, year=True)

    @admin.display(description="plats")
    def dishes_shown(self, obj: Menu) -> str:
        return ", ".join(dish.name for dish in obj.dishes.all())

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("importer/", wrap(self.import_view), name="catering_menu_import"),
            path("importer/modele/", wrap(self.template_view), name="catering_menu_template"),
            path("effectifs/", wrap(self.kitchen_view), name="catering_kitchen"),
            *super().get_urls(),
        ]

    # Importing menus ------------------------------------------------------------------------------------

    @takes_files
    def import_view(self, request: HttpRequest) -> HttpResponse:
        """A file, then what it would write, then « Enregistrer »."""
        self.demand(request, *MAY_IMPORT)
        if request.method == "POST" and "content" in request.POST:
            return self._write_menus(request, request.POST["content"])
        sent = request.method == "POST"
        form = MenuFileForm(request.POST, request.FILES) if sent else MenuFileForm()
        if sent and form.is_valid():
            content = form.cleaned_data["file"].read()
            file = menu_import.read(content, _restaurants(request, *MAY_IMPORT))
            sent_back = "" if file.mistakes else menu_import.as_text(content)
            return self._import_page(request, MenuFileForm(), sent_back, file)
        return self._import_page(request, form)

    def _write_menus(self, request: HttpRequest, content: str) -> HttpResponse:
        # Read again: what the browser sends back is no more trusted than the file was.
        file = menu_import.read(content.encode(), _restaurants(request, *MAY_IMPORT))
        try:
            count = menu_import.write(file, replacing="replace" in request.POST)
        except menu_import.MenusRefused as refusal:
            messages.error(request, str(refusal))
            return self._import_page(request, MenuFileForm(), content, file)
        messages.success(request, f"{counted(count, 'menu enregistré', 'menus enregistrés')}.")
        return redirect("admin:catering_menu_changelist")

    def _import_page(
        self,
        request: HttpRequest,
        form: MenuFileForm,
        content: str = "",
        file: menu_import.MenuFile | None = None,
    ) -> HttpResponse:
        context = {
            "form": form,
            "content": content,
            "file": file,
            "columns": menu_import.COLUMNS,
            "courses": Dish.Course.labels,
            "allergens": Allergen.labels,
        }
        return self.page(request, "admin/catering/menu_import.html", "Importer des menus", context)

    def template_view(self, request: HttpRequest) -> HttpResponse:
        self.demand(request, "catering.add_menu")
        first = _restaurants(request, "catering.add_menu").filter(active=True).first()
        rows = menu_import.template_rows(str(first) if first else "Nom du restaurant")
        return spreadsheet("modele-menus.csv", rows)

    # The kitchen's counts -------------------------------------------------------------------------------

    def kitchen_view(self, request: HttpRequest) -> HttpResponse:
        """What to cook, on screen, on paper or as CSV."""
        self.demand(request, "families.view_dietchoice")
        today = timezone.localdate()
        eaten = where_meals_are_eaten(today)
        places = rights.within_all(request.user, eaten, "families.view_dietchoice")
        first = places.first()
        asked = {"restaurant": first.pk if first else "", "jour": today.isoformat(), "vue": "jour"}
        asked |= {name: request.GET[name] for name in asked if name in request.GET}
        form = KitchenForm(asked, places=places)
        context: dict[str, Any] = {"form": form, "counts": None, "without_meal": _without_meal()}
        if not form.is_valid():
            return self.page(request, "admin/catering/kitchen.html", "Effectifs de la cuisine", context)
        chosen = form.cleaned_data
        with_health = rights.may(request.user, chosen["restaurant"], "families.view_childhealth")
        day: date = chosen["jour"]
        week = chosen["vue"] == "semaine"
        days = week_of(day) if week else [day]
        as_file = request.GET.get("format") == "csv"  # numbers, and no name
        details = with_health and not as_file and opens_details(request)
        counts = kitchen.expected(
            chosen["restaurant"],
            days,
            with_health=with_health,
            details=details,
            with_adults=adults.AT_TABLE in jobs.used(),
        )
        dates = moments.span(days[0], days[-1], year=True) if week else moments.day(day, year=True)
        if as_file:
            return _kitchen_csv(counts, days[0], with_health)
        if details and counts.watched:
            what = f"Effectifs de la cuisine, {counts.restaurant}, {dates}"
            watched = (one.child_id for one in counts.watched)
            reading.note(request, Reading.Kind.HEALTH, what=what, children=watched)
        of_adults = counts.total(group=kitchen.ADULTS)
        context |= {
            "counts": counts,
            "sheets": [
                (one, counts.of_day(one), [child for child in counts.watched if child.day == one])
                for one in counts.days
            ],
            "week": week,
            "groups": counts.groups_by_day(),
            "diets": counts.diets_by_day(),
            "with_health": with_health,
            "details": details,
            "dates": dates,
            "of_adults": counted(of_adults, "d’adulte", "d’adultes") if of_adults else "",
        }
        return self.page(request, "admin/catering/kitchen.html", "Effectifs de la cuisine", context)


def _restaurants(request: HttpRequest, *needed: str) -> QuerySet[Establishment]:
    """Those that each of `needed` reaches."""
    restaurants = Establishment.objects.filter(kind=Establishment.Kind.RESTAURANT)
    return rights.within_all(request.user, restaurants, *needed)


def _without_meal() -> list[Formula]:
    """What the canteen offers without a meal in it: nothing is cooked for it."""
    offered = Formula.objects.filter(activity__service=SERVICE, activity__active=True, active=True)
    return list(offered.filter(with_meal=False).select_related("activity"))


def _kitchen_csv(counts: kitchen.KitchenCounts, first: date, with_health: bool) -> HttpResponse:
    """One line a day, group and diet; PAI counted for permitted staff."""
    rows: list[list[Any]] = [
        ["jour", "restaurant", "école", "classe", "régime", "repas"]
        + (["dont PAI ou allergie"] if with_health else [])
    ]
    for day in counts.days:
        for group in counts.groups:
            for diet in counts.diets:
                meals = counts.total(day=day, group=group, diet=diet)
                if not meals:
                    continue
                watched = sum((one.day, one.group, one.diet) == (day, group, diet) for one in counts.watched)
                rows.append(
                    [day.strftime("%d/%m/%Y"), str(counts.restaurant), *group, diet, meals]
                    + ([watched] if with_health else [])
                )
    return spreadsheet(f"effectifs-{counts.restaurant.code}-{first:%Y-%m-%d}.csv", rows)
