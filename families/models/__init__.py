"""People: accounts, households, guardians, children. Knows nothing of what they book."""

from families.models.accounts import (
    User as User,
)
from families.models.asked_papers import (
    Paper as Paper,
)
from families.models.asked_papers import (
    PaperKind as PaperKind,
)
from families.models.asked_papers import (
    PaperQuerySet as PaperQuerySet,
)
from families.models.asked_papers import (
    openable as openable,
)
from families.models.asked_papers import (
    paper_kinds as paper_kinds,
)
from families.models.asked_texts import (
    AskedText as AskedText,
)
from families.models.asked_texts import (
    TextAnswer as TextAnswer,
)
from families.models.asked_texts import (
    TextVersion as TextVersion,
)
from families.models.asked_texts import (
    asked_texts as asked_texts,
)
from families.models.asked_texts import (
    in_force as in_force,
)
from families.models.calendar import (
    CalendarLink as CalendarLink,
)
from families.models.children import (
    Allergen as Allergen,
)
from families.models.children import (
    AuthorisedPerson as AuthorisedPerson,
)
from families.models.children import (
    Child as Child,
)
from families.models.children import (
    ChildHealth as ChildHealth,
)
from families.models.children import (
    ChildQuerySet as ChildQuerySet,
)
from families.models.children import (
    Custody as Custody,
)
from families.models.children import (
    Diet as Diet,
)
from families.models.children import (
    DietChoice as DietChoice,
)
from families.models.children import (
    HomeDiet as HomeDiet,
)
from families.models.children import (
    age_on as age_on,
)
from families.models.children import (
    allergies_in_words as allergies_in_words,
)
from families.models.custody import (
    CustodyCalendar as CustodyCalendar,
)
from families.models.custody import (
    CustodyCalendarQuerySet as CustodyCalendarQuerySet,
)
from families.models.custody import (
    CustodyDates as CustodyDates,
)
from families.models.decisions import (
    AlreadyAnswered as AlreadyAnswered,
)
from families.models.decisions import (
    Decided as Decided,
)
from families.models.funds import (
    CivilIdentity as CivilIdentity,
)
from families.models.funds import (
    QuotientAnswer as QuotientAnswer,
)
from families.models.funds import (
    QuotientConsent as QuotientConsent,
)
from families.models.funds import (
    QuotientConsentQuerySet as QuotientConsentQuerySet,
)
from families.models.funds import (
    QuotientRound as QuotientRound,
)
from families.models.home_changes import (
    HomeChange as HomeChange,
)
from families.models.households import (
    QUOTIENT_ENDS_SOON as QUOTIENT_ENDS_SOON,
)
from families.models.households import (
    FamilyQuotient as FamilyQuotient,
)
from families.models.households import (
    FamilyQuotientQuerySet as FamilyQuotientQuerySet,
)
from families.models.households import (
    FormerAddress as FormerAddress,
)
from families.models.households import (
    Guardian as Guardian,
)
from families.models.households import (
    Household as Household,
)
from families.models.households import (
    HouseholdQuerySet as HouseholdQuerySet,
)
from families.models.households import (
    Residence as Residence,
)
from families.models.households import (
    household_number as household_number,
)
from families.models.households import (
    is_followed as is_followed,
)
from families.models.imports import ColumnMatch as ColumnMatch
from families.models.imports import FileImport as FileImport
from families.models.imports import ImportedRow as ImportedRow
from families.models.imports import ImportLine as ImportLine
from families.models.imports import SourceNumber as SourceNumber
from families.models.invitations import (
    InvitationLot as InvitationLot,
)
from families.models.invitations import (
    Invited as Invited,
)
from families.models.kept_filters import KeptFilter as KeptFilter
from families.models.letters import (
    Letter as Letter,
)
from families.models.letters import (
    LetterQuerySet as LetterQuerySet,
)
from families.models.letters import PaperLetter as PaperLetter
from families.models.letters import (
    Reminder as Reminder,
)
from families.models.letters import (
    ReminderChoice as ReminderChoice,
)
from families.models.letters import (
    ReminderRound as ReminderRound,
)
from families.models.letters import (
    UndeliveredLetter as UndeliveredLetter,
)
from families.models.messages import FamilyMessage as FamilyMessage
from families.models.messages import MessageCopy as MessageCopy
from families.models.messages import MessageFile as MessageFile
from families.models.openings import (
    AccessOpening as AccessOpening,
)
from families.models.openings import GuardianCode as GuardianCode
from families.models.openings import (
    OwnDecision as OwnDecision,
)
from families.models.papers import (
    ChangeRequest as ChangeRequest,
)
from families.models.papers import (
    ChangeRequestQuerySet as ChangeRequestQuerySet,
)
from families.models.papers import (
    Document as Document,
)
from families.models.papers import (
    DocumentQuerySet as DocumentQuerySet,
)
from families.models.privacy import (
    DataExport as DataExport,
)
from families.models.privacy import (
    DisposalList as DisposalList,
)
from families.models.privacy import (
    Erasure as Erasure,
)
from families.models.privacy import (
    ErasureRequest as ErasureRequest,
)
from families.models.privacy import (
    ProcessingTexts as ProcessingTexts,
)
from families.models.privacy import (
    RetentionRule as RetentionRule,
)
from families.models.staff import (
    StaffMember as StaffMember,
)
from families.models.threads import (
    HouseholdNote as HouseholdNote,
)
from families.models.threads import (
    NoteQuerySet as NoteQuerySet,
)
from families.models.threads import (
    ReadyAnswer as ReadyAnswer,
)
from families.models.threads import (
    SeenNote as SeenNote,
)
from families.models.threads import (
    Thread as Thread,
)
from families.models.threads import (
    ThreadFile as ThreadFile,
)
from families.models.threads import (
    ThreadKind as ThreadKind,
)
from families.models.threads import (
    ThreadMessage as ThreadMessage,
)
from families.models.threads import (
    ThreadQuerySet as ThreadQuerySet,
)
from families.models.traces import Concerned as Concerned
from families.models.traces import LoginCounter as LoginCounter
from families.models.traces import Reading as Reading
from families.models.traces import SecurityEvent as SecurityEvent
from families.models.trials import TrialHousehold as TrialHousehold
