"""Addresses of accounts and households, in French. Account pages keep allauth's names, which it reverses."""

from allauth.account import views as account
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from families.pages import (
    access,
    accounts,
    calendars,
    chronicle,
    codes,
    factors,
    first_address,
    funds,
    letters,
    newcomers,
    papers,
    people,
    privacy,
    readings,
    reminders,
    sessions,
    texts,
    threads,
)

account_pages = [
    path("connexion/", account.login, name="account_login"),
    path("deconnexion/", account.logout, name="account_logout"),
    path("compte-inactif/", account.account_inactive, name="account_inactive"),
    path("creer-un-compte/", accounts.create_account, name="account_signup"),
    path(
        "creer-un-compte/verifiez-vos-messages/",
        first_address.verification_sent,
        name="account_email_verification_sent",
    ),
    path("jai-recu-un-code/", codes.use, name="account_code"),
    path("creer-un-compte/corriger-mon-adresse/", first_address.correct, name="correct_address"),
    path("confirmer-mon-adresse/<key>/", account.confirm_email, name="account_confirm_email"),
    path("confirmer-mon-identite/", account.reauthenticate, name="account_reauthenticate"),
    path("mon-adresse-e-mail/", account.email, name="account_email"),
    path("mon-mot-de-passe/", account.password_change, name="account_change_password"),
    path("mon-mot-de-passe/choisir/", account.password_set, name="account_set_password"),
    path("mot-de-passe-oublie/", account.password_reset, name="account_reset_password"),
    path("mot-de-passe-oublie/envoye/", account.password_reset_done, name="account_reset_password_done"),
    path(
        "mot-de-passe-oublie/modifie/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^mot-de-passe-oublie/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
]

passkey_pages = [
    path("", RedirectView.as_view(pattern_name="mfa_index"), name="mfa_list_webauthn"),
    path("ajouter/", factors.AddPasskeyPage.as_view(), name="mfa_add_webauthn"),
    path("<int:pk>/nom/", factors.RenamePasskeyPage.as_view(), name="mfa_edit_webauthn"),
    path("<int:pk>/retirer/", factors.RemovePasskeyPage.as_view(), name="mfa_remove_webauthn"),
]

factor_pages = [
    path("connexion/double-authentification/", factors.AskFactorPage.as_view(), name="mfa_authenticate"),
    path("confirmer-mon-identite/code/", factors.CodeAgainPage.as_view(), name="mfa_reauthenticate"),
    path(
        "confirmer-mon-identite/cle/",
        factors.PasskeyAgainPage.as_view(),
        name="mfa_reauthenticate_webauthn",
    ),
    path("double-authentification/", factors.FactorsPage.as_view(), name="mfa_index"),
    path(
        "double-authentification/application/",
        factors.AddApplicationPage.as_view(),
        name="mfa_activate_totp",
    ),
    path("double-authentification/application/retirer/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("double-authentification/cles/", include(passkey_pages)),
    path(
        "double-authentification/codes/", recovery_codes.view_recovery_codes, name="mfa_view_recovery_codes"
    ),
    path(
        "double-authentification/codes/renouveler/",
        recovery_codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "double-authentification/codes/telecharger/",
        factors.DownloadCodesPage.as_view(),
        name="mfa_download_recovery_codes",
    ),
]

household_pages = [
    path("deconnexion/partout/", accounts.log_out_everywhere, name="log_out_everywhere"),
    path("mes-connexions/", sessions.my_sessions, name="sessions"),
    path("mes-messages/", letters.letters, name="letters"),
    path("mes-messages/<int:letter_id>/", letters.letter, name="letter"),
    path("mes-messages/mairie/ecrire/", threads.write, name="write"),
    path("mes-messages/mairie/<int:thread_id>/", threads.thread, name="thread"),
    path("mes-messages/<int:letter_id>/pieces/<int:file_id>/", letters.attached, name="letter_file"),
    path("mon-historique/", chronicle.chronicle, name="chronicle"),
    path("mes-rappels/", reminders.reminders, name="reminders"),
    path("mes-rappels/arreter/<token>/", reminders.stop_reminders, name="stop_reminders"),
    path("foyer/", people.household, name="household"),
    path("foyer/choisir/", people.choose_household, name="choose_household"),
    path("foyer/demandes/<int:change_id>/retirer/", newcomers.withdraw_request, name="withdraw_request"),
    path("foyer/inviter/", newcomers.invite, name="invite"),
    path("foyer/invitations/<int:opening_id>/", newcomers.answer_invitation, name="answer_invitation"),
    path("invitation/<token>/", newcomers.invitation, name="invitation"),
    path("mairie-invitation/<token>/", accounts.staff_invitation, name="staff_invitation"),
    path("foyer/acces/", access.who_has_access, name="access"),
    path("foyer/acces/<int:opening_id>/", access.answer_access, name="answer_access"),
    path("foyer/consultations/", readings.readings, name="readings"),
    path("foyer/corriger/", people.send_again, name="send_again"),
    path("foyer/telephones/", people.phones, name="phones"),
    path("foyer/adresse/", people.address, name="address"),
    path("foyer/quotient/", people.quotient, name="quotient"),
    path("foyer/quotient/caf-msa/", funds.quotient_from_fund, name="quotient_from_fund"),
    path("foyer/quotient/caf-msa/demander/", funds.ask_fund_again, name="ask_fund_again"),
    path("foyer/quotient/caf-msa/arreter/", funds.end_fund_consent, name="end_fund_consent"),
    path("foyer/justificatifs/<int:document_id>/", people.document, name="document"),
    path("textes/<slug:code>/", texts.asked_text, name="asked_text"),
    path("textes/versions/<int:version_id>/", texts.text_file, name="text_file"),
    path("mes-papiers/", papers.papers, name="papers"),
    path("mes-papiers/<int:kind_id>/", papers.send_paper, name="send_household_paper"),
    path("mes-papiers/<int:kind_id>/enfants/<int:child_id>/", papers.send_paper, name="send_paper"),
    path("foyer/mes-donnees/", privacy.own_data, name="own_data"),
    path("foyer/mes-donnees/effacer/", privacy.ask_erasure, name="ask_erasure"),
    path("foyer/mes-donnees/<int:export_id>/", privacy.download_data, name="download_data"),
    path("enfants/ajouter/", newcomers.add_child, name="add_child"),
    path("enfants/<int:child_id>/", people.child, name="child"),
    path("enfants/<int:child_id>/calendrier-de-garde/", calendars.calendar, name="custody_calendar"),
    path("enfants/<int:child_id>/sante/", people.health, name="health"),
    path("enfants/<int:child_id>/autorisations/", people.authorisations, name="authorisations"),
    path("enfants/<int:child_id>/personnes/ajouter/", people.add_person, name="add_person"),
    path("enfants/<int:child_id>/personnes/<int:person_id>/", people.change_person, name="change_person"),
    path(
        "enfants/<int:child_id>/personnes/<int:person_id>/retirer/",
        people.remove_person,
        name="remove_person",
    ),
]

urlpatterns = [
    *account_pages,
    *factor_pages,
    path("", include((household_pages, "families"))),
]
