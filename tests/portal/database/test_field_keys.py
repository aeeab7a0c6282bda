"""Texts encrypted under keys that follow one another."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.database.field_keys import MARK, CannotRead, FieldKey, KeyRing, is_encrypted, key_name, troubles

OLD, NEW, OTHER = "old-" * 12, "new-" * 12, "other" * 10
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_what_is_encrypted_comes_back_and_is_never_twice_the_same(text):
    ring = KeyRing([NEW, OLD])
    kept = ring.encrypt(text)
    assert ring.decrypt(kept) == text
    assert is_encrypted(kept) and key_name(kept) == ring.newest.name
    assert ring.encrypt(text) != kept
    assert len(text) < 4 or text not in kept


@given(TEXTS)
def test_an_older_key_opens_and_the_newest_writes(text):
    kept = KeyRing([OLD]).encrypt(text)
    after = KeyRing([NEW, OLD])
    assert after.decrypt(kept) == text
    assert after.decrypt(after.encrypt(text)) == text
    with pytest.raises(CannotRead):
        KeyRing([NEW]).decrypt(kept)


@given(TEXTS, st.integers(0, 10_000), st.characters(exclude_categories=["Cs"]))
def test_what_was_tampered_with_is_never_taken_for_the_text(text, place, sign):
    ring = KeyRing([NEW])
    kept = ring.encrypt(text)
    begins = len(ring.newest.mark)
    place = begins + place % (len(kept) - begins)
    forged = kept[:place] + sign + kept[place + 1 :]
    token = kept[begins:]
    try:
        same = base64.urlsafe_b64decode(forged[begins:]) == base64.urlsafe_b64decode(token)
    except ValueError:
        same = False
    if same:
        assert ring.decrypt(forged) == text
    else:
        with pytest.raises(CannotRead):
            ring.decrypt(forged)


def test_a_key_is_named_without_being_told():
    names = {FieldKey(text).name for text in (OLD, NEW, OTHER)}
    assert len(names) == 3 and all(len(name) == 8 for name in names)
    assert FieldKey(OLD).name == FieldKey(OLD).name
    assert FieldKey(OLD).mark == f"{MARK}{FieldKey(OLD).name}:"


@given(TEXTS, TEXTS)
def test_a_fingerprint_is_the_same_for_the_same_text_under_the_same_key(one, other):
    assert (FieldKey(NEW).fingerprint(one) == FieldKey(NEW).fingerprint(other)) == (one == other)
    assert FieldKey(NEW).fingerprint(one) != FieldKey(OLD).fingerprint(one)
    assert KeyRing([NEW, OLD]).fingerprints(one) == [
        FieldKey(NEW).fingerprint(one),
        FieldKey(OLD).fingerprint(one),
    ]


@pytest.mark.parametrize(
    ("texts", "found"),
    [([NEW], 0), ([NEW, OLD], 0), (["x" * 39], 1), ([NEW, "short"], 1), ([NEW, NEW], 1), (["a", "a"], 2)],
)
def test_keys_that_are_too_short_or_there_twice_are_named_without_being_told(texts, found):
    said = troubles(texts)
    assert len(said) == found
    assert not any(text in sentence for text in texts if len(text) > 4 for sentence in said)
