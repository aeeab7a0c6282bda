"""What a backup or a restore ends with when it cannot be done, each with its French sentence."""


class Refused(Exception):
    """Nothing was written, or what was begun was taken away again."""


class Damaged(Refused):
    """The archive is not as it was written."""


class KeyMissing(Refused):
    """A key that the archive asks for is not at hand."""


class NotEmpty(Refused):
    """Something is there already, which a restore would write over."""
