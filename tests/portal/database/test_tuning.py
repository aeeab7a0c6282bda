"""How the portal speaks with its database, as the settings say."""

from portal.database.tuning import tuned

SERVER = {"ENGINE": "django.db.backends.postgresql", "NAME": "portail"}


def test_behind_a_pooler_neither_plans_nor_cursors_are_kept_from_one_query_to_the_next():
    own = tuned(SERVER, kept=600, prepared=True)
    assert own["OPTIONS"]["prepare_threshold"] == 5
    assert "DISABLE_SERVER_SIDE_CURSORS" not in own, "An export of a large town is read piece by piece."
    shared = tuned(SERVER, kept=0, prepared=False)
    assert shared["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert "prepare_threshold" not in shared["OPTIONS"], "Django prepares nothing unless told to."


def test_what_the_address_says_besides_is_kept():
    said = SERVER | {"OPTIONS": {"sslmode": "require"}}
    assert tuned(said, kept=600, prepared=True)["OPTIONS"]["sslmode"] == "require"
    assert tuned(said, kept=600, prepared=False)["OPTIONS"] == {"sslmode": "require"}
