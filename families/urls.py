"""Addresses of accounts and households, in French over allauth's names."""

from allauth.account import views as account
from django.urls import path

urlpatterns = [
    path("connexion/", account.login, name="account_login"),
    path("deconnexion/", account.logout, name="account_logout"),
]
