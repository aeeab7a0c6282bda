"""What this app, and the libraries beneath it, hold of people."""

from families.privacy.holdings import Fate, declare

PEOPLE = {
    "families.User": Fate.GONE,
    "families.Household": Fate.BLANK,
    "families.Guardian": Fate.GONE,
    "families.Child": Fate.BLANK,
    "families.Custody": Fate.GONE,
    "families.ChildHealth": Fate.GONE,
    "families.DietChoice": Fate.GONE,
    "families.HomeDiet": Fate.GONE,
    "families.CustodyCalendar": Fate.GONE,
    "families.CustodyDates": Fate.GONE,
    "families.AuthorisedPerson": Fate.GONE,
    "families.FamilyQuotient": Fate.GONE,
    "families.Residence": Fate.GONE,
    "families.FormerAddress": Fate.GONE,
    "families.QuotientConsent": Fate.GONE,
    "families.CivilIdentity": Fate.GONE,
    "families.QuotientRound": Fate.GONE,
    "families.QuotientAnswer": Fate.GONE,
    "families.HomeChange": Fate.BLANK,
    "families.ChangeRequest": Fate.GONE,
    "families.ErasureRequest": Fate.GONE,
    "families.Document": Fate.GONE,
    "families.Paper": Fate.GONE,
    "families.TextAnswer": Fate.GONE,
    "families.Thread": Fate.GONE,
    "families.ThreadMessage": Fate.GONE,
    "families.ThreadFile": Fate.GONE,
    "families.HouseholdNote": Fate.GONE,
    "families.SeenNote": Fate.GONE,
    "families.DataExport": Fate.GONE,
    "families.AccessOpening": Fate.GONE,
    "families.GuardianCode": Fate.GONE,
    # Which agent invited, and how many; the adults themselves go.
    "families.InvitationLot": Fate.STAFF,
    "families.Invited": Fate.GONE,
    "families.CalendarLink": Fate.GONE,
    "families.CalendarLink_hidden_children": Fate.GONE,
    "families.OwnDecision": Fate.GONE,
    "families.Letter": Fate.GONE,
    # To whom it went; what it said to many names nobody of them.
    "families.MessageCopy": Fate.GONE,
    "families.FamilyMessage": Fate.STAFF,
    "families.MessageFile": Fate.STAFF,
    "families.KeptFilter": Fate.GONE,
    "families.ReminderChoice": Fate.GONE,
    "families.Reminder": Fate.GONE,
    # Who of the staff read, and which kind of thing, stays a year; of whom goes.
    "families.Reading": Fate.BLANK,
    "families.Concerned": Fate.BLANK,
    "families.SecurityEvent": Fate.BLANK,
    # Numbers and keyed hashes only.
    "families.Erasure": Fate.STAFF,
    "families.DisposalList": Fate.STAFF,
    "families.User_groups": Fate.GONE,
    "families.User_user_permissions": Fate.GONE,
}
# What an erased family was named in, of lists on paper and answers that could still be taken back.
DESK = {
    "portal.PrintedList": Fate.GONE,
    "portal.PrintedPart": Fate.GONE,
    "portal.HeldDecision": Fate.GONE,
}
LIBRARIES = {
    "account.EmailAddress": Fate.GONE,
    "account.EmailConfirmation": Fate.GONE,
    "admin.LogEntry": Fate.GONE,
    "mfa.Authenticator": Fate.GONE,
    "usersessions.UserSession": Fate.GONE,
}


def declare_all() -> None:
    declare(PEOPLE | DESK | LIBRARIES)
