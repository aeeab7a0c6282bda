"""That a household is one on trial is said at its birth: a real one never becomes it, nor it a real one."""

from portal.database.final import aborts, calls, refuses
from portal.database.schema import SchemaPart

TABLE = "families_household"
SENTENCE = "Un foyer d'essai le reste, et un vrai foyer ne le devient jamais."
_FUNCTION = "families_trial_refuse"
_WHEN = f"BEFORE UPDATE ON {TABLE}"

FOR_EVER = SchemaPart(
    "families.trial",
    {
        "sqlite": [aborts("stays", TABLE, f"{_WHEN} WHEN OLD.trial IS NOT NEW.trial", SENTENCE, ["trial"])],
        "postgresql": [
            refuses(_FUNCTION, SENTENCE),
            calls("stays", TABLE, _WHEN, _FUNCTION, "OLD.trial IS DISTINCT FROM NEW.trial", ["trial"]),
        ],
    },
)
