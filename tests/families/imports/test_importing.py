"""A file becomes families: what each row would do, doing it, doing it again, taking it back."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from families.custody import own
from families.groups import IMPORT
from families.imports import registry, running
from families.imports.running import ImportRefused, Stands
from families.models import (
    Child,
    Custody,
    DietChoice,
    FamilyQuotient,
    FileImport,
    Guardian,
    Household,
    ImportedRow,
    ImportLine,
    Letter,
    SourceNumber,
    User,
)
from families.privacy import erasing
from portal.files.sheets import Refused
from portal.reservations.acts import enrolling, trials
from portal.reservations.models import Enrolment, SchoolClass, Schooling
from portal.reservations.staff import giving
from portal.reservations.states import EnrolmentState
from tests.conftest import family
from tests.factories import (
    ChildFactory,
    DietFactory,
    GuardianFactory,
    HouseholdFactory,
    SchoolClassFactory,
    UserFactory,
)
from tests.families.imports.conftest import HEADINGS, ROUX, TOM, said

PUPILS = "Nom élève;Prénom élève;Date naissance;Adresse1;Cp1;Commune1;Adresse2;Cp2;Commune2;Libellé classe"
NUMBERED = f"Famille Identifiant;ID Enfant;{HEADINGS}"


def test_a_row_becomes_a_household_an_adult_a_child_and_its_class(imported, school_class):
    file = imported(ROUX, TOM)
    assert file.state == "done" and file.counts == {"new": 2}
    home = Household.objects.get()
    assert (home.street, home.postcode, home.city, home.state) == (
        "12 rue des Écoles",
        "01000",
        "Bourg",
        "accepted",
    )
    adult = Guardian.objects.get()
    assert (adult.first_name, adult.last_name, adult.phone, adult.email_given, adult.user) == (
        "Anne",
        "Roux",
        "06 12 34 56 78",
        "anne@exemple.fr",
        None,
    )
    lou, tom = Child.objects.order_by("birth_date")
    assert (lou.first_name, lou.last_name, lou.birth_date, lou.folded) == (
        "Lou",
        "Roux",
        date(2019, 1, 3),
        "lou roux",
    )
    assert {one.household for one in Custody.objects.filter(child__in=[lou, tom])} == {home}
    assert Schooling.objects.get().school_class == school_class
    assert file.made == {
        "created": {
            "families.Household": 1,
            "families.Child": 2,
            "families.Guardian": 1,
            "families.Custody": 2,
            "reservations.Schooling": 1,
        },
        "changed": {},
    }


def test_the_check_writes_nothing(bring, school_class):
    file = bring(ROUX, TOM)
    assert file.state == "checked" and file.counts == {"new": 2}
    assert not Household.objects.exists() and not Child.objects.exists()
    assert "2 new enfant : Lou Roux" in said(file)


def test_the_history_says_who_brought_it(imported, manager, school_class):
    file = imported(ROUX)
    version = Child.history.get()
    assert version.history_user == manager and version.history_change_reason == str(
        file.__class__(pk=file.pk)
    )


def test_the_same_file_twice_changes_nothing(imported, bring, school_class):
    imported(ROUX, TOM)
    again = bring(ROUX, TOM)
    assert again.counts == {"same": 2} and not again.lines.exists()
    with pytest.raises(ImportRefused) as refused:
        running.ask_run(again, by=again.by)
    assert str(refused.value) == running.NOTHING


def test_no_letter_leaves(imported, school_class, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        imported(ROUX, TOM)
    assert not mail.outbox and not Letter.objects.exists()


def test_spelling_alone_is_no_change(imported, bring, school_class):
    imported(ROUX)
    again = (
        ROUX.replace("ROUX", "roux").replace("Lou", "LOU").replace("12 rue des Écoles", "12, RUE DES ECOLES")
    )
    assert bring(again).counts == {"same": 1}


def test_what_changed_is_said_as_it_was_and_as_it_becomes(imported, bring, school_class):
    imported(ROUX)
    file = bring(ROUX.replace("612345678", "698765432").replace("12 rue des Écoles", "3 place du Marché"))
    assert file.counts == {"changed": 1}
    assert said(file) == [
        "2 changed « 12 rue des Écoles » devient « 3 place du Marché »",
        "2 changed « 06 12 34 56 78 » devient « 06 98 76 54 32 »",
    ]
    assert {one.column for one in file.lines.all()} == {"Adresse", "Portable"}


def test_a_change_of_class_that_is_planned_is_left_to_who_planned_it(imported, bring, school_class, now):
    imported(ROUX)
    later = SchoolClassFactory(school=school_class.school, school_year=school_class.school_year, name="CE2")
    child, in_january = Child.objects.get(), now.date() + timedelta(days=60)
    enrolling.attend(child, later, since=in_january, known_on=now.date())
    [sentence] = said(bring(ROUX))
    assert "wrong un changement de classe est déjà prévu le vendredi 8 janvier 2027" in sentence
    assert Schooling.objects.filter(child=child).count() == 2


def test_a_change_keeps_what_it_was(imported, school_class):
    imported(ROUX)
    imported(ROUX.replace("612345678", "698765432"))
    assert Guardian.objects.get().phone == "06 98 76 54 32"
    assert [one.phone for one in Guardian.history.order_by("history_id")] == [
        "06 12 34 56 78",
        "06 98 76 54 32",
    ]


def test_who_was_refused_is_no_family_that_is_known(imported, bring, school_class):
    imported(ROUX)
    Household.objects.update(state=Household.State.REFUSED)
    file = imported(ROUX)
    assert file.counts == {"new": 1}
    home = Household.objects.get(state=Household.State.ACCEPTED)
    assert home.children.count() == 1 and Child.objects.count() == 2
    assert bring(ROUX).counts == {"same": 1}


def test_of_a_trial_household_nobody_is_found(bring, manager, now, school_class):
    wanted = trials.Wanted([trials.TrialChild(date(2019, 1, 3))])
    home = trials.make(wanted, by=manager, at=now)
    Child._base_manager.update(first_name="Lou", last_name="Roux", folded="lou roux")
    Household._base_manager.filter(pk=home.pk).update(
        street="12 rue des Écoles", postcode="01000", city="Bourg"
    )
    file = bring(ROUX)
    assert file.counts == {"new": 1}
    assert {one.verdict for one in file.lines.all()} == {"new"}


def test_a_number_finds_the_child_whose_name_was_corrected(imported, bring):
    imported(f"7;21;{ROUX[:-3]}", titles=NUMBERED)
    file = imported(f"7;21;{ROUX[:-3].replace('Lou', 'Louise')}", titles=NUMBERED)
    assert file.counts == {"changed": 1}
    child = Child.objects.get()
    assert (child.first_name, child.folded) == ("Louise", "louise roux")
    assert {one.number for one in SourceNumber.objects.all()} == {"7", "21"}


def test_a_number_that_names_nobody_alike_is_asked_about(imported, bring):
    imported(f"7;21;{ROUX[:-3]}", titles=NUMBERED)
    other = f"7;21;{ROUX[:-3].replace('ROUX;Lou', 'SILVA;Zoé')}"
    assert bring(other, titles=NUMBERED).counts == {"doubtful": 1}
    assert bring(other, titles=NUMBERED, other_name="same").counts == {"changed": 1}


def test_numbers_of_twins_that_are_exchanged_rename_nobody(imported, bring):
    lou, tom = ROUX[:-3], ROUX[:-3].replace("ROUX;Lou", "ROUX;Tom")
    imported(f"7;21;{lou}", f"7;22;{tom}", titles=NUMBERED, other_name="new")
    file = bring(f"7;22;{lou}", f"7;21;{tom}", titles=NUMBERED)
    assert file.counts == {"wrong": 2}
    assert "ce numéro est celui de Tom Roux" in said(file)[0]


def test_numbers_are_kept_for_each_program(imported, bring):
    imported(f"7;21;{ROUX[:-3]}", titles=NUMBERED)
    other = ROUX[:-3].replace("ROUX", "SILVA").replace("Lou", "Zoé").replace("03/01", "04/05")
    other = other.replace("anne@", "zora@").replace("Anne", "Zora").replace("612345678", "698765432")
    imported(f"7;21;{other}", titles=NUMBERED, source="Autre")
    assert Child.objects.count() == Household.objects.count() == 2


# What is wrong, what is doubtful ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (ROUX.replace("03/01/2019", "03/01/19"), "l'année n'a que deux chiffres"),
        (ROUX.replace("03/01/2019", "03/01/1980"), "Vérifiez l'année de naissance"),
        (ROUX.replace("03/01/2019", "03/01/2030"), "La date de naissance est dans le futur"),
        (ROUX.replace("Lou", ""), "il manque le prénom de l'enfant"),
        (ROUX.replace("12 rue des Écoles", ""), "il manque l'adresse"),
        (ROUX.replace("1000;Bourg", "ici;Bourg"), "un code postal français a cinq chiffres"),
        (ROUX.replace("Lou", "<b>Lou</b>"), "ce n'est pas un nom"),
        (";;;;;;;;;;CE1", "cette ligne ne nomme ni enfant ni responsable"),
        ("ROUX;Lou;;ROUX;Anne;;;1 rue A;01000;Bourg;", "aucun enfant connu ne porte ce nom"),
    ],
)
def test_what_is_wrong_is_left_out_with_a_sentence(bring, school_class, line, sentence):
    file = bring(line)
    assert file.counts == {"wrong": 1}
    assert any(sentence in one.text for one in file.lines.all())


def test_a_telephone_that_cannot_be_read_is_decided(bring, school_class):
    file = bring(ROUX.replace("612345678", "liste rouge"))
    assert file.counts == {"doubtful": 1}
    assert said(file)[0] == "2 doubtful ce n'est pas un numéro de téléphone."
    with pytest.raises(ImportRefused):
        running.ask_run(file, by=file.by)


def test_a_rule_decides_all_and_a_line_decides_itself(bring, manager, now, school_class):
    bad = ROUX.replace("612345678", "liste rouge")
    file = bring(bad, TOM.replace("612345678", "aucun"), unread="without")
    assert file.counts == {"new": 2}
    running.decide(
        file, rules={}, lines={"3:unread": "skip", "3:nothing": "x", "x:unread": "skip", "2:unread": "?"}
    )
    file.refresh_from_db()
    assert file.decisions == {"rules": {"unread": "without"}, "lines": {"3:unread": "skip"}}
    running.ask_check(file)
    running.check(file.pk, at=now)
    file.refresh_from_db()
    assert file.counts == {"new": 1, "skipped": 1}


def test_a_child_of_nearly_the_same_name_is_asked_about(bring, imported, school_class):
    imported(ROUX)
    near = ROUX.replace("Lou", "Lou Anna")
    assert bring(near).counts == {"doubtful": 1}
    assert bring(near, other_name="same").counts == {"changed": 1}
    assert bring(near, other_name="new").counts == {"new": 1}
    assert bring(near, other_name="skip").counts == {"skipped": 1}


def test_a_name_alone_never_means_anybody(bring, imported, school_class):
    imported(ROUX)
    nameless = ROUX.replace("03/01/2019", "")
    assert bring(nameless).counts == {"doubtful": 1}
    assert bring(nameless, by_name="same").counts == {"same": 1}


def test_two_adults_with_one_address_are_asked_about(bring, imported, school_class):
    imported(ROUX)
    other = "SILVA;Zoé;04/05/2018;SILVA;Zora;anne@exemple.fr;;1 rue Basse;01000;Bourg;"
    assert bring(other).counts == {"doubtful": 1}
    imported(other, shared_email="without")
    assert Guardian.objects.get(first_name="Zora").email_given == ""


def test_another_home_of_a_known_child_is_never_opened_by_a_file_alone(bring, imported, school_class):
    imported(ROUX)
    father = ROUX.replace("ROUX;Anne;anne@exemple.fr;612345678", "PETIT;Paul;paul@exemple.fr;").replace(
        "12 rue des Écoles", "8 rue Haute"
    )
    assert bring(father).counts == {"doubtful": 1}
    imported(father, other_home="second")
    assert Custody.objects.count() == 2
    assert Custody.objects.order_by("pk").last().since == date(2026, 11, 9)


def test_an_adult_whom_nobody_knows_joins_no_known_home_by_a_file_alone(bring, imported, school_class):
    imported(ROUX)
    titles = ";".join(HEADINGS.split(";")[:6])
    row = "ROUX;Lou;03/01/2019;PETIT;Paul;paul@exemple.fr"
    file = bring(row, titles=titles)
    assert file.counts == {"doubtful": 1} and "Paul Petit n'est pas du foyer connu" in said(file)[0]
    imported(row, titles=titles, other_home="same")
    assert {str(one) for one in Guardian.objects.all()} == {"Anne Roux", "Paul Petit"}


def test_brothers_and_sisters_without_an_adult_are_one_family_if_somebody_says_so(bring, imported):
    lou = "ROUX;Lou;03/01/2019;12 rue des Écoles;01000;Bourg;;;;"
    tom = "ROUX;Tom;14/06/2021;12 rue des Écoles;01000;Bourg;;;;"
    assert bring(lou, tom, titles=PUPILS).counts == {"new": 1, "doubtful": 1}
    imported(lou, tom, titles=PUPILS, same_roof="one")
    assert Household.objects.count() == 1 and Child.objects.count() == 2


def test_two_addresses_are_two_homes(imported):
    imported("ROUX;Lou;03/01/2019;12 rue des Écoles;01000;Bourg;8 rue Haute;01000;Bourg;", titles=PUPILS)
    assert Household.objects.count() == Custody.objects.count() == 2


def test_adults_come_from_their_own_file(imported):
    imported("ROUX;Lou;03/01/2019;12 rue des Écoles;01000;Bourg;;;;", titles=PUPILS)
    titles = (
        "Civilité Responsable;Nom responsable;Prénom responsable;Adresse responsable;CP responsable;"
        "Commune responsable;Courriel;Téléphone portable;Nom de famille enfant;Prénom enfant"
    )
    file = imported(
        "MME;ROUX;Anne;12 rue des Écoles;01000;BOURG;anne@exemple.fr;0612345678;ROUX;Lou", titles=titles,
        by_name="same",
    )  # fmt: skip
    assert file.counts == {"new": 1}
    adult = Guardian.objects.get()
    assert adult.household.children.get().first_name == "Lou"


def test_of_two_values_in_a_file_the_first_stays_if_somebody_says_so(bring, imported, school_class):
    imported(ROUX, TOM)
    rows = (ROUX.replace("612345678", "698765432"), TOM.replace("612345678", "611111111"))
    assert bring(*rows).counts == {"changed": 1, "doubtful": 1}
    imported(*rows, two_values="first")
    assert Guardian.objects.get().phone == "06 98 76 54 32"


def test_of_two_values_one_may_be_the_known_one(bring, imported, school_class):
    imported(ROUX, TOM)
    rows = (ROUX, TOM.replace("612345678", "611111111"))
    assert bring(*rows).counts == {"same": 1, "doubtful": 1}
    assert bring(*reversed(rows)).counts == {"changed": 1, "doubtful": 1}


def test_a_class_that_does_not_exist_is_made_if_somebody_says_so(bring, imported, school_class, school):
    row = ROUX.replace(";CE1", ";CM2 B")
    options = {"schooling-school": str(school.pk)}
    assert bring(row, options=options).counts == {"doubtful": 1}
    imported(row, options=options, no_class="create")
    assert SchoolClass.objects.get(name="CM2 B").schoolings.count() == 1


def test_another_class_is_attended_from_today_on(imported, school_class, school, year):
    imported(ROUX)
    other = SchoolClass.objects.create(school=school, school_year=year, name="CE2")
    imported(ROUX.replace(";CE1", ";CLASSE  CE2"))
    before, after = Schooling.objects.order_by("pk")
    assert before.ends_on == date(2026, 11, 8) and after.starts_on == date(2026, 11, 9)
    assert after.school_class == other


def test_ones_own_family_is_a_colleagues(bring, manager, now, school_class):
    mine = family("famille", "Roux", "Lou")
    mine.child.birth_date = date(2019, 1, 3)
    mine.child.save()
    GuardianFactory(household=mine.household, user=manager, first_name="Maud", last_name="Roux")
    file = bring(ROUX.replace("Anne", "Camille").replace("12 rue des Écoles", "1 autre rue"))
    assert file.counts == {"wrong": 1}


@pytest.mark.parametrize(("title", "value"), [("QF", "10"), ("Régime", "sans porc")])
def test_nobody_writes_what_the_own_family_pays_or_eats(bring, manager, title, value):
    DietFactory(name="Sans porc")
    mine = family("famille", "Roux", "Lou")
    GuardianFactory(household=mine.household, user=manager, first_name="Maud", last_name="Roux")
    titles = f"Nom de l'enfant;Prénom de l'enfant;Date de naissance;{title}"
    file = bring(f"ROUX;Lou;{mine.child.birth_date:%d/%m/%Y};{value}", titles=titles)
    assert said(file) == [f"2 wrong {own.SOMEBODY_ELSE}"]


def test_what_is_ones_own_a_colleague_checks_and_imports(bring, manager, now, school_class):
    mine = family("famille", "Roux", "Lou")
    mine.child.birth_date = date(2019, 1, 3)
    mine.child.save()
    GuardianFactory(household=mine.household, user=manager, first_name="Maud", last_name="Roux")
    file = bring(ROUX.replace("Anne", "Camille").replace("12 rue des Écoles", "1 autre rue"))
    assert file.counts == {"wrong": 1}
    colleague = UserFactory(username="collegue", is_staff=True, is_superuser=True)
    running.ask_check(file, by=colleague)
    running.check(file.pk, at=now)
    file.refresh_from_db()
    assert "wrong" not in file.counts and file.by == manager


def test_a_right_at_one_place_is_none_for_a_file(canteen, now):
    user = UserFactory(username="verger", is_staff=True)
    role = Group.objects.create(name="Importe")
    wanted = {right.partition(".")[2] for right in (*running.People.rights, IMPORT)}
    role.permissions.set(Permission.objects.filter(codename__in=wanted))
    giving.give(user, role, by=None)
    giving.give(user, Group.objects.get(name="Agent"), places=[canteen.restaurant], by=None)
    user = User.objects.get(pk=user.pk)
    assert user.has_perm("reservations.change_enrolment")
    assert [part.code for part in registry.allowed(user)] == ["people"]


# Facts --------------------------------------------------------------------------------------------------


def test_quotients_diets_and_enrolments_come_along(imported, bring, canteen, school_class):
    diet = DietFactory(name="Sans porc")
    titles = f"{HEADINGS};Quotient familial;Quotient valable du;Régime;Activité;Jours habituels"
    row = f"{ROUX};412,50;01/09/2026;sans porc;{canteen.activity};lundi, jeudi"
    imported(row, titles=titles)
    quotient = FamilyQuotient.objects.get()
    assert (quotient.value, quotient.valid_from) == (Decimal("412.50"), date(2026, 9, 1))
    assert DietChoice.objects.get().diet == diet
    enrolment = Enrolment.objects.get()
    assert (enrolment.state, enrolment.weekdays, enrolment.establishment) == (
        EnrolmentState.ACCEPTED,
        0b1001,
        canteen.restaurant,
    )
    assert bring(row, titles=titles).counts == {"same": 1}


def test_a_new_quotient_ends_the_one_before(imported, school_class):
    titles = f"{HEADINGS};QF;QF valable du"
    imported(f"{ROUX};412,50;01/09/2025", titles=titles)
    file = imported(f"{ROUX};380;01/09/2026", titles=titles)
    assert file.counts == {"new": 1}
    old, new = FamilyQuotient.objects.order_by("valid_from")
    assert old.valid_to == date(2026, 8, 31) and new.value == 380


@pytest.mark.parametrize(
    ("title", "first", "second"), [("QF", "412,50", "380"), ("Régime", "sans porc", "sans viande")]
)
def test_rows_that_say_different_things_are_asked_about(bring, school_class, title, first, second):
    for name in ("Sans porc", "Sans viande"):
        DietFactory(name=name)
    titles = f"{HEADINGS};{title}"
    file = bring(f"{ROUX};{first}", f"{ROUX};{second}", titles=titles)
    assert file.counts == {"new": 1, "doubtful": 1}
    assert bring(f"{ROUX};{first}", f"{ROUX};{second}", titles=titles, two_values="first").counts["new"] == 1


def test_two_classes_of_one_child_are_asked_about(bring, school_class, school, year):
    SchoolClass.objects.create(school=school, school_year=year, name="CE2")
    assert bring(ROUX, ROUX.replace(";CE1", ";CE2")).counts == {"new": 1, "doubtful": 1}


def test_an_enrolment_begins_within_its_year(bring, imported, canteen, school_class, year):
    titles = f"{HEADINGS};Activité;Inscrit à partir du"
    assert bring(f"{ROUX};{canteen.activity};01/09/2031", titles=titles).counts == {"wrong": 1}
    imported(f"{ROUX};{canteen.activity};01/09/2020", titles=titles)
    assert Enrolment.objects.get().starts_on == year.starts_on


def test_what_the_town_does_not_have_is_asked_about(bring, canteen, school_class):
    DietFactory(name="Sans porc")
    titles = f"{HEADINGS};Régime;Activité"
    file = bring(f"{ROUX};sans sel;escrime", titles=titles)
    assert file.counts == {"doubtful": 1}
    assert {one.doubt for one in file.lines.exclude(doubt="")} == {"no_diet", "no_activity"}


# The way back -------------------------------------------------------------------------------------------


def undone(file: FileImport, manager, now) -> FileImport:
    running.ask_undo(file, by=manager)
    running.undo(file.pk, at=now)
    file.refresh_from_db()
    return file


def test_an_import_is_taken_back_whole(imported, manager, now, canteen, school_class):
    DietFactory(name="Sans porc")
    titles = f"{HEADINGS};Famille Identifiant;Quotient familial;Régime;Activité"
    file = imported(f"{ROUX};7;412,50;sans porc;{canteen.activity}", f"{TOM};7;412,50;;", titles=titles)
    assert undone(file, manager, now).state == "undone"
    for model in (
        Household,
        Guardian,
        Child,
        Custody,
        Schooling,
        FamilyQuotient,
        DietChoice,
        Enrolment,
        SourceNumber,
    ):
        assert not model.objects.exists(), model
    assert not Child.history.exists() and not ImportedRow.objects.exists()


def test_what_was_changed_is_as_before(imported, manager, now, school_class, school, year):
    imported(ROUX)
    SchoolClass.objects.create(school=school, school_year=year, name="CE2")
    file = imported(ROUX.replace("612345678", "698765432").replace(";CE1", ";CE2"))
    assert undone(file, manager, now).state == "undone"
    assert Guardian.objects.get().phone == "06 12 34 56 78"
    schooling = Schooling.objects.get()
    assert (schooling.school_class, schooling.ends_on) == (school_class, None)


def test_what_stands_on_it_is_said(imported, manager, school_class):
    file = imported(ROUX)
    child = Child.objects.get()
    home = HouseholdFactory()
    Custody.objects.create(child=child, household=home)
    with pytest.raises(Stands) as stands:
        running.ask_undo(file, by=manager)
    assert str(stands.value) == "Cet import ne s'annule plus : 1 garde."
    assert FileImport.objects.get().state == "done"


def test_what_was_changed_since_stays(imported, manager, school_class):
    imported(ROUX)
    file = imported(ROUX.replace("612345678", "698765432"))
    Guardian.objects.update(phone="06 00 00 00 00")
    with pytest.raises(Stands) as stands:
        running.ask_undo(file, by=manager)
    assert stands.value.what == ["1 responsable : des valeurs ont changé depuis l'import"]


def test_what_a_later_import_changed_is_not_taken_away(imported, manager, now, school_class):
    file = imported(ROUX)
    later = imported(ROUX.replace("612345678", "698765432"))
    with pytest.raises(Stands) as stands:
        running.ask_undo(file, by=manager)
    assert stands.value.what == [f"{later} a changé ce qu'il avait créé"]
    assert undone(later, manager, now).state == "undone"
    assert undone(file, manager, now).state == "undone" and not Child.objects.exists()


def test_a_number_goes_with_the_import_that_gave_it(imported, manager, now):
    imported(ROUX[:-3])
    file = imported(f"7;21;{ROUX[:-3].replace('612345678', '698765432')}", titles=NUMBERED)
    assert SourceNumber.objects.count() == 2
    assert undone(file, manager, now).state == "undone"
    assert not SourceNumber.objects.exists() and Child.objects.count() == 1


def test_who_moved_across_the_border_is_back_with_the_address(imported, manager, now, town):
    town.address, town.name = "1 place de la Mairie, 01000 Bourg", "Bourg"
    town.save()
    imported(ROUX[:-3])
    assert Household.objects.get().resident
    file = imported(ROUX[:-3].replace("12 rue des Écoles;1000;Bourg", "3 quai Bas;69001;Lyon"))
    home = Household.objects.get()
    assert not home.resident and home.residences.count() == 2
    assert undone(file, manager, now).state == "undone"
    home.refresh_from_db()
    assert (home.city, home.resident, home.residences.count()) == ("Bourg", True, 0)


def test_a_login_opened_since_is_never_taken_away(imported, manager, school_class):
    file = imported(ROUX)
    guardian = Guardian.objects.get()
    guardian.user = family("autre", "Petit", "Tom").user
    guardian.save()
    with pytest.raises(Stands) as stands:
        running.ask_undo(file, by=manager)
    assert "1 compte de famille" in stands.value.what


# Once, whole, and forgotten -----------------------------------------------------------------------------


def test_all_of_it_or_nothing(bring, manager, now, monkeypatch, school_class):
    file = bring(ROUX, TOM)
    running.ask_run(file, by=manager)

    def dies(*args, **kwargs):
        raise ImportRefused("assez")

    monkeypatch.setattr(running.People, "_write_numbers", dies)
    running.run(file.pk, at=now)
    file.refresh_from_db()
    assert (file.state, file.trouble) == ("failed", "assez")
    assert not Household.objects.exists() and not ImportedRow.objects.exists()


def test_what_changed_since_the_check_stops_it(bring, manager, now, school_class):
    file = bring(ROUX)
    ChildFactory(first_name="Lou Anna", last_name="Roux", birth_date=date(2019, 1, 3))
    running.ask_run(file, by=manager)
    running.run(file.pk, at=now)
    file.refresh_from_db()
    assert (file.state, file.trouble) == ("failed", running.UNDECIDED)
    assert not Household.objects.exists()


def test_a_value_corrected_since_the_check_is_not_written_over(bring, imported, manager, now, school_class):
    imported(ROUX)
    file = bring(ROUX, TOM)
    assert file.counts == {"same": 1, "new": 1}
    Guardian.objects.update(phone="06 00 00 00 00")
    running.ask_run(file, by=manager)
    running.run(file.pk, at=now)
    file.refresh_from_db()
    assert (file.state, file.trouble) == ("failed", running.UNDECIDED)
    assert Guardian.objects.get().phone == "06 00 00 00 00" and Child.objects.count() == 1


def test_in_several_lots_what_is_written_is_what_the_check_said(
    imported, bring, monkeypatch, canteen, school_class
):
    monkeypatch.setattr(running, "A_LOT", 2)
    DietFactory(name="Sans porc")
    titles = f"Famille Identifiant;ID Enfant;{HEADINGS};QF;Régime;Activité"
    lines = [
        f"{home};{home}{child};{row[:-3]};{400 + home};sans porc;{canteen.activity}"
        for child in (1, 2)
        for home, row in enumerate(rows(0, 4))
    ]
    lines = [line if place < 4 else line.replace(";Lou;", ";Zacharie;") for place, line in enumerate(lines)]
    file = imported(*lines, titles=titles)
    assert (file.state, file.trouble, file.counts) == ("done", "", {"new": 8})
    assert Household.objects.count() == 4 and Child.objects.count() == 8
    assert bring(*lines, titles=titles).counts == {"same": 8}


def test_an_import_whose_agent_is_gone_blocks_no_other(bring, manager, now, school_class):
    file = bring(ROUX)
    running.ask_run(file, by=manager)
    FileImport.objects.update(done_by=None)
    running.run(file.pk, at=now)
    file.refresh_from_db()
    assert (file.state, file.trouble) == ("failed", running.NOBODY_LEFT)


def test_the_file_goes_once_it_is_imported(
    bring, manager, now, school_class, django_capture_on_commit_callbacks
):
    file = bring(ROUX)
    storage = FileImport._meta.get_field("file").storage
    assert storage.exists(file.file.name)
    name = file.file.name
    running.ask_run(file, by=manager)
    with django_capture_on_commit_callbacks(execute=True):
        running.run(file.pk, at=now)
        assert storage.exists(name)
    assert not storage.exists(name) and not FileImport.objects.get().file


def test_what_nobody_imports_is_forgotten(
    bring, imported, now, school_class, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        waiting, done = bring(TOM), imported(ROUX)
    assert running.forget(now + timedelta(days=6)) == 0
    running.forget(now + timedelta(days=8))
    waiting.refresh_from_db()
    assert waiting.state == "dropped" and not waiting.lines.exists()
    running.forget(now + timedelta(days=31))
    assert not ImportLine.objects.exists() and not ImportedRow.objects.exists()
    with pytest.raises(ImportRefused):
        running.ask_undo(done, by=done.by)
    assert running.forget(now + timedelta(days=32)) == 0


@pytest.mark.parametrize("content", [HEADINGS.encode(), b"", b"%PDF-1.7"])
def test_a_file_with_nothing_in_it_is_refused(manager, now, content):
    with pytest.raises(Refused):
        running.receive(content, name="x.csv", source="", by=manager, at=now)
    assert not FileImport.objects.exists()


def test_what_was_said_of_the_columns_is_proposed_again(bring, manager, now):
    titles = "Zork;Blorb;Date de naissance;Adresse;Code postal;Commune"
    file = running.receive(f"{titles}\na;b;c;d;e;f".encode(), name="x.csv", source="A", by=manager, at=now)
    assert "0" not in file.columns
    columns = {0: "child.last_name", 1: "child.first_name", 2: "child.birth_date"}
    running.match(file, columns, source="A", options={}, at=now)
    again = running.receive(f"{titles}\ng;h;i;j;k;l".encode(), name="y.csv", source="", by=manager, at=now)
    assert again.columns == {"0": "child.last_name", "1": "child.first_name", "2": "child.birth_date"}
    assert again.source == "A"


def test_two_columns_do_not_say_the_same(bring, manager, now):
    file = running.receive(f"{HEADINGS}\n{ROUX}".encode(), name="x.csv", source="A", by=manager, at=now)
    with pytest.raises(ImportRefused) as refused:
        running.match(file, {0: "child.last_name", 1: "child.last_name"}, source="A", options={}, at=now)
    assert str(refused.value) == "Deux colonnes ne peuvent pas dire la même chose : Nom de l'enfant."


NAMES = "Alix Bruno Carla David Elsa Farid Gina Hugo Iris Jules Karim".split()


def rows(first: int, number: int) -> list[str]:
    return [
        f"{NAMES[one]};Lou;{one + 1:02d}/01/2019;{NAMES[one]};Anne;{NAMES[one]}@exemple.fr;6123456{one:02d};"
        f"{one + 1} rue des Écoles;01000;Bourg;CE1"
        for one in range(first, first + number)
    ]


def test_ten_rows_ask_the_database_no_more_than_one(bring, manager, now, school_class):
    counts = []
    for first, number in ((0, 1), (1, 10)):
        file = bring(*rows(first, number))
        assert file.counts == {"new": number}
        running.ask_run(file, by=manager)
        with CaptureQueriesContext(connection) as queries:
            running.run(file.pk, at=now)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_of_who_is_erased_nothing_stays_of_the_import(imported, manager, now, school_class):
    imported(f"7;21;{ROUX[:-3]}", titles=NUMBERED)
    home = Household.objects.get()
    assert ImportLine.objects.exists() and SourceNumber.objects.count() == 2
    erasing.erase(erasing.household_leaving(home), why="desk", by=manager, at=now)
    for model in (ImportLine, ImportedRow, SourceNumber):
        assert not model.objects.exists(), model


def test_who_is_erased_is_named_by_no_line_of_a_file_that_nobody_imported(
    imported, bring, manager, now, school_class
):
    imported(f"7;21;{ROUX[:-3]}", titles=NUMBERED)
    titles = f"{HEADINGS};Nom du responsable 2;Prénom du responsable 2"
    bring(
        f"{ROUX.replace('03/01/2019', '03/01/19')};;",
        f"{TOM.replace('ROUX;Tom', 'PETIT;Zoé').replace('Anne', 'Ida')};Roux;ANNE",
        f"{TOM.replace('ROUX;Tom', 'ROUX;Anna').replace('ROUX;Anne', 'ROUX;Ida')};;",
        titles=titles,
    )
    erasing.erase(erasing.household_leaving(Household.objects.get()), why="desk", by=manager, at=now)
    left = [f"{one.who} {one.value} {one.text}" for one in ImportLine.objects.all()]
    assert left and not any("Lou" in text or "Anne" in text.title() for text in left), left
