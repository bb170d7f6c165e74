"""Triggers: what was decided stays as it is, and a line's champions are a chain, whatever program writes.

They say on SQLite and on PostgreSQL what the constraints of one row cannot.
"""

from __future__ import annotations

from sqlalchemy import DDL, Table, event

# A breach is an error of integrity, as that of a constraint is, so that one handler serves both.
_RAISE = "RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE ="


def make_append_only(table: Table) -> None:
    """Have a table's rows neither changed, nor replaced, nor deleted."""
    name = table.name
    refuse = f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
    # INSERT OR REPLACE deletes without the trigger on DELETE, unless a program has asked for recursive triggers.
    same_key = " AND ".join(f"{column.name} = NEW.{column.name}" for column in table.primary_key)
    replaced = f"INSERT ON {name} WHEN EXISTS (SELECT 1 FROM {name} WHERE {same_key})"
    _after_create(
        *(table, "sqlite"),
        f"CREATE TRIGGER {name}_no_update BEFORE UPDATE ON {name} {refuse}",
        f"CREATE TRIGGER {name}_no_delete BEFORE DELETE ON {name} {refuse}",
        f"CREATE TRIGGER {name}_no_replace BEFORE {replaced} {refuse}",
    )
    _after_create(
        *(table, "postgresql"),
        f"CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {_RAISE} TG_TABLE_NAME || ' is append-only'; END $$",
        f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    )


def make_chain(table: Table) -> None:
    """Have each row's `previous` be the last position of its line: a gap would leave two champions."""
    name, message = table.name, f"'{table.name}: position must follow the line''s last one'"
    breaks = f"NEW.previous <> (SELECT coalesce(max(position), 0) FROM {name} WHERE line = NEW.line)"
    _after_create(
        *(table, "sqlite"),
        f"CREATE TRIGGER {name}_follow BEFORE INSERT ON {name} WHEN {breaks} BEGIN SELECT RAISE(ABORT, {message}); END",
    )
    _after_create(
        *(table, "postgresql"),
        # Of the schema that the table is in, whatever the search path of the program that writes.
        f"CREATE OR REPLACE FUNCTION follow_last() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS "
        f"$$ BEGIN IF {breaks} THEN {_RAISE} {message}; END IF; RETURN NEW; END $$",
        f"CREATE TRIGGER {name}_follow BEFORE INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION follow_last()",
    )


def _after_create(table: Table, dialect: str, *statements: str) -> None:
    for statement in statements:
        event.listen(table, "after_create", DDL(statement).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]
