"""Which column is which, in the files that towns have."""

import pytest

from families.imports import headings
from portal.files import sheets
from portal.files.sheets import Refused, Row

BE1D = (
    "Nom Elève;Nom d'usage Elève;Prénom Elève;Date naissance;Sexe;Adresse1;Cp1;Commune1;Pays1;Adresse2;Cp2;"
    "Commune2;Pays2; Cycle;Niveau;Classe;Attestation fournie;Autorisations associations;Autorisations photos;"
    "Décision de passage"
)
ONDE = (
    "Nom élève;Nom d'usage élève;Prénom élève;Date naissance;Sexe;INE;Adresse1;Cp1;Commune1;Pays1;Adresse2;Cp2;"
    "Commune2;Pays2; Cycle;Niveau;Libellé classe;Identifiant classe;Attestation fournie;"
    "Autorisation associations;Autorisation photo;Décision de passage"
)
RESPONSABLES = (
    "Civilité Responsable;Nom usage responsable;Nom responsable;Prénom responsable;Adresse responsable;"
    "CP responsable;Commune responsable;Pays;Courriel;Téléphone domicile;Téléphone travail;Téléphone portable;"
    "Nom d'usage enfant;Nom de famille enfant;Prénom enfant;Classes enfants;"
    "Nom d'usage enfant;Nom de famille enfant;Prénom enfant;Classes enfants"
)
PARASCOL = (
    "Famille Identifiant;Enfant Civilité;Enfant Nom;Enfant Prénom;Enfant Date de naissance;Responsable 1 Civilité;"
    "Responsable 1 Nom;Responsable 1 Prénom;Responsable 1 Adresse;Responsable 1 Code postal;Responsable 1 Ville;"
    "Responsable 1 Téléphone;Responsable 1 Portable;Responsable 1 TelPro;Responsable 1 Mail;"
    "Responsable 2 Civilité;Responsable 2 Nom;Responsable 2 Prénom;Responsable 2 Portable;Responsable 2 Mail"
)
BL_ENFANCE = (
    "id famille;aliasTiers;sexeResp1;nomResp1;prenomResp1;adrNumeroVoie;adrcodePostal;adrLocalite;telephoneResp1;"
    "portableResp1;telephoneProResp1;emailResp1;nomResp2;prenomResp2;portableResp2;emailResp2"
)
CERIG = (
    "ID Enfant;Enfant Nom;Enfant Prénom;Enfant Sexe;Enfant Date Naissance;Civilité Payeur;Nom Payeur;"
    "Prénom Payeur;Adresse Payeur;Code Postal Payeur;Ville Payeur;Téléphone Domicile;Téléphone Portable;Courriel;"
    "Nom Payeur 2;Prénom Payeur 2"
)
ILOISE = "Nom;Prénom;Civilité;Adresse;Code postal;Commune;Tel;Portable;Courriel;Organisme;Num.Alloc."
NOETHYS = "IDFAMILLE;CIVILITE;NOM;PRENOM;DATE_NAISS;RUE_RESID;CP_RESID;VILLE_RESID;TELEPHONE_PORTABLE;EMAIL_PERSONNEL"
PLAIN = "Nom;Prénom;Date de naissance;Classe;École"


def known(titles: str) -> dict[str, str]:
    """Title → key, of what is recognised."""
    said = titles.split(";")
    return {f"{said[place]}": key for place, key in headings.propose(said).items()}


def test_the_pupils_of_onde_old_and_new():
    for titles in (BE1D, ONDE):
        found = set(known(titles).values())
        assert {
            "child.last_name",
            "child.usage_name",
            "child.first_name",
            "child.birth_date",
            "home.street",
            "home.postcode",
            "home.city",
            "home2.street",
            "home2.postcode",
            "home2.city",
            "school.class",
        } <= found
    assert known(ONDE)["INE"] == "child.number"
    assert "Identifiant classe" not in known(ONDE)


def test_the_adults_of_onde_repeat_their_children_to_the_right():
    keys = list(headings.propose(RESPONSABLES.split(";")).values())
    assert {"adult.last_name", "adult.usage_name", "adult.first_name", "adult.email", "home.street"} <= set(
        keys
    )
    assert {"adult.phone", "adult.phone_home", "adult.phone_work"} <= set(keys)
    assert {"child.last_name", "child.first_name", "child2.last_name", "child2.first_name"} <= set(keys)


def test_a_line_that_names_two_children_is_two_records():
    titles = RESPONSABLES.split(";")
    cells = ["Mme", "", "ROUX", "Anne", "1 rue A", "01000", "Bourg", "", "a@b.fr", "", "", "",
             "", "ROUX", "Lou", "CP", "", "ROUX", "Tom", "CE1"]  # fmt: skip
    records = headings.split(Row(7, cells), headings.propose(titles))
    assert [(one.values["child.first_name"], one.values["adult.first_name"]) for one in records] == [
        ("Lou", "Anne"),
        ("Tom", "Anne"),
    ]
    cells[12:] = [""] * 8
    assert len(headings.split(Row(8, cells), headings.propose(titles))) == 1


@pytest.mark.parametrize(
    ("titles", "keys"),
    [
        (PARASCOL, "family.number child.last_name child.birth_date adult.email adult.phone home.street adult2.last_name "
                   "adult2.email adult2.phone"),
        (BL_ENFANCE, "family.number adult.last_name adult.first_name adult.phone adult.email home.street "
                     "home.postcode home.city adult2.last_name adult2.email"),
        (CERIG, "child.number child.last_name child.birth_date adult.last_name home.street adult.phone adult.email "
                "adult2.last_name adult2.first_name"),
        (ILOISE, "adult.last_name adult.first_name home.street home.postcode home.city adult.phone adult.email"),
        (NOETHYS, "family.number person.civility person.last_name person.first_name person.birth_date home.street"),
        (PLAIN, "child.last_name child.first_name child.birth_date school.class school.name"),
    ],
)  # fmt: skip
def test_the_files_of_usual_programs_are_recognised(titles, keys):
    assert set(keys.split()) <= set(headings.propose(titles.split(";")).values())


def test_of_a_person_a_line_the_civility_says_who_is_a_child():
    columns = headings.propose(NOETHYS.split(";"))
    child = headings.split(Row(2, ["7", "Fille", "ROUX", "Lou", "03/01/2019"]), columns)[0]
    adult = headings.split(Row(3, ["7", "Mme", "ROUX", "Anne", "", "1 rue A", "01000", "Bourg"]), columns)[0]
    assert child.values["child.first_name"] == "Lou" and "adult.first_name" not in child.values
    assert adult.values["adult.first_name"] == "Anne" and "child.first_name" not in adult.values


def test_headings_stand_below_a_title_and_merged_cells():
    content = "Liste des familles;;;;\n\nEnfant;;;Responsable 1;\nNom;Prénom;Né(e) le;Nom;Prénom\nRoux;Lou;03/01/2019;Roux;Anne\n"
    table = headings.find(sheets.read(content.encode()))
    assert table.line == 4
    assert set(headings.propose(table.titles).values()) == {
        "child.last_name",
        "child.first_name",
        "child.birth_date",
        "adult.last_name",
        "adult.first_name",
    }
    assert [list(row.cells)[1] for row in table.rows] == ["Lou"]


def test_headings_that_nobody_knows_are_matched_by_hand():
    table = headings.find(sheets.read(b"Zork;Blorb\na;b\n"))
    assert table.titles == ("Zork", "Blorb") and headings.propose(table.titles) == {}


def test_a_file_without_headings_says_so():
    with pytest.raises(Refused) as refused:
        headings.find(sheets.read(b"12\n13\n"))
    assert str(refused.value) == headings.NO_HEADINGS


def test_the_same_headings_have_the_same_mark():
    assert headings.mark(["Nom", "Prénom"]) == headings.mark(["NOM", "prenoms"])
    assert headings.mark(["Nom", "Prénom"]) != headings.mark(["Prénom", "Nom"])
