"""Every error that this project raises on purpose, in one tree.

RetrainError
├── UserError               a mistake in what was asked for; the command line exits with 2
│   ├── SourceError         the reviews cannot be read: missing, truncated, not the layout that was expected
│   │   └── UnavailableSourceError  the source did not answer, for a reason that can pass
│   ├── OptionError         an option, a setting or a folder that cannot be used
│   ├── QueryError          a question that the store does not answer: no SQL, more than reading, or too much of it
│   └── NotFoundError       a run, a champion or a model of that name is not there; exits with 4
├── NothingChangedError     a finished run has given what this one would; the command line exits with 0
├── SlotTakenError          another run has the slot of the schedule that this one is for
├── DataRejectedError       a check refused the data before training; exits with 3
├── TrainingError           training ended in a state that cannot be scored, such as a NaN loss
├── SchedulingError         Prefect's server, worker or deployments could not be set up or stopped
├── ContentError            a published folder is not what its manifest says: torn, changed or incomplete
└── StoreError              the metrics store cannot be used as it is
    ├── MissingStoreError   nothing was written yet; a NotFoundError too
    ├── SchemaVersionError  the database is older than this program, and not upgraded yet, or a later one's
    └── StaleDecisionError  somebody else changed the champion, or used the test set, in the meantime

Messages are sentences for a person: what happened, what was expected, what was received, how to fix it.
"""


class RetrainError(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        run_id: The run that it ended, once that is known.
    """

    run_id: str | None = None


class UserError(RetrainError):
    """Something that the user asked for cannot be done as asked."""


class SourceError(UserError):
    """The reviews cannot be read."""


class UnavailableSourceError(SourceError):
    """The source did not answer, for a reason that can pass: try again later."""


class OptionError(UserError):
    """An option, a setting or a folder cannot be used."""


class QueryError(UserError):
    """A question in SQL that the store does not answer."""


class NotFoundError(UserError):
    """What was named does not exist."""


class NothingChangedError(RetrainError):
    """A finished run has given what this one would: it is skipped."""


class SlotTakenError(RetrainError):
    """Another run has, or is working on, the result of this run's slot, or of a later one: it is skipped."""


class DataRejectedError(RetrainError):
    """A check refused the data, so nothing was trained."""


class TrainingError(RetrainError):
    """Training ended without a model that can be scored."""


class SchedulingError(RetrainError):
    """Prefect could not be set up for scheduled runs, or not be stopped."""


class ContentError(RetrainError):
    """A published folder does not hold what its manifest says."""


class StoreError(RetrainError):
    """The metrics store cannot be used as it is."""


class MissingStoreError(StoreError, NotFoundError):
    """There is no metrics store yet."""


class SchemaVersionError(StoreError):
    """The database's tables are not this program's: older ones, which can be upgraded, or a later program's."""


class StaleDecisionError(StoreError):
    """The champion or the test set's ledger changed since the decision was computed."""
