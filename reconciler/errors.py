"""The error tree. Every message says what is wrong, where, and what to do about it.

ReconcilerError
├── SettingsError            a setting is missing, misspelt or has a wrong value
├── ServerError              a ComfyUI server did not give a usable answer
│   ├── ServerRefused        nothing listens there, or the name does not resolve
│   ├── ServerTimeout        it listens, and did not answer in time: no evidence of anything
│   └── ServerAnswer         it answered with something that is not what was asked for
├── DatabaseError            Postgres cannot be reached, refuses us, or lacks what we need
│   ├── TableError           the jobs table lacks a column that is needed
│   ├── StatementRefused     Postgres refused one statement for what is in it (a CHECK, a trigger)
│   ├── LeaseLost            another agent reconciles the server now: nothing was written
│   └── SchemaMismatch       our own tables are of another version than this package
├── OutputError              an output file or directory cannot be used
│   └── OutsideOutput        a name or link that leaves the output directory
└── InspectionError          the inspection itself could not be run (not: the file is damaged)
"""


class ReconcilerError(Exception):
    """Base of all errors that this package raises on purpose."""


class SettingsError(ReconcilerError):
    """A setting is missing, misspelt or has a wrong value."""


class ServerError(ReconcilerError):
    """A ComfyUI server did not give a usable answer."""


class ServerRefused(ServerError):
    """Nothing listens at the server's address, or its name does not resolve."""


class ServerTimeout(ServerError):
    """The server did not answer in time. While a node computes that is normal: no evidence."""


class ServerAnswer(ServerError):
    """The server answered with something else than was asked for (HTML, a 500, too many bytes)."""


class DatabaseError(ReconcilerError):
    """Postgres cannot be reached, refuses us, or lacks what we need."""


class TableError(DatabaseError):
    """The jobs table lacks a column that is needed, or has one of an unusable type."""


class StatementRefused(DatabaseError):
    """Postgres refused one statement for what is in it: a CHECK, a trigger, a type. Others work."""


class LeaseLost(DatabaseError):
    """Another agent reconciles the server now. The change was not made, and is not ours to make."""


class SchemaMismatch(DatabaseError):
    """Our own tables are of another version than this package knows: nothing is done to them."""


class OutputError(ReconcilerError):
    """An output file or directory cannot be used."""


class OutsideOutput(OutputError):
    """A file name or symbolic link that leaves the output directory."""


class InspectionError(ReconcilerError):
    """The inspection itself could not be run. It says nothing about the file."""
