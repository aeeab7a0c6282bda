"""Who asks, where any request may come."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from portal.web.signed_in import user_of


def test_the_user_of_a_request_behind_the_login(books, rf):
    request = rf.get("/")
    request.user = books.user
    assert user_of(request) == books.user


def test_nobody_is_refused(rf):
    request = rf.get("/")
    request.user = AnonymousUser()
    with pytest.raises(PermissionDenied):
        user_of(request)
