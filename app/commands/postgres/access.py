"""The roles of the embedded server, and the accounts that may connect as these.

The service connects as ``ROLE``, an unprivileged role that owns the database. PostgreSQL asks the
operating system which account is at the other end of the socket (``peer``), so there is no
password.
"""

import os
import pwd
from pathlib import Path

from app.commands.postgres.files import Account
from app.core.settings import cannot_start

DATABASE = "crossfit"
ROLE = "crossfit"
ADMINISTRATOR = "postgres"
HBA = f"""\
# Written by the service. There is no line for TCP: the server listens on its socket only.
local  all          {ROLE},{ADMINISTRATOR}  peer map=accounts
local  replication  {ADMINISTRATOR}           peer map=accounts
"""
# A failed statement is an error of the client, which the service answers and logs. In the server's
# log, a client could fill the disk with these.
SETTINGS = f"ALTER ROLE {ROLE} SET log_min_messages = 'log'"

NEW = f"""
CREATE ROLE {ROLE} LOGIN;

{SETTINGS};

CREATE DATABASE {DATABASE} OWNER {ROLE};

"""
"""Run in a new cluster."""

HAND_OVER = f"""
DO $$
DECLARE
    given text;
BEGIN
    IF to_regrole('{ROLE}') IS NULL THEN
        CREATE ROLE {ROLE};
    END IF;
    ALTER ROLE {ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    {SETTINGS};
    ALTER DATABASE {DATABASE} OWNER TO {ROLE};
    FOR given IN
        WITH own AS (
            SELECT oid FROM pg_namespace
            WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
        ), objects(classid, id, kind, name) AS (
            SELECT 'pg_namespace'::regclass, oid, 'SCHEMA', quote_ident(nspname)
            FROM pg_namespace WHERE oid IN (TABLE own) AND nspname <> 'public'
            UNION ALL
            SELECT 'pg_class'::regclass, oid,
                CASE relkind
                    WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW'
                    WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                    ELSE 'TABLE'
                END,
                oid::regclass::text
            FROM pg_class
            WHERE relnamespace IN (TABLE own) AND relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
            UNION ALL
            SELECT 'pg_type'::regclass, pg_type.oid, 'TYPE', pg_type.oid::regtype::text
            FROM pg_type LEFT JOIN pg_class ON pg_class.oid = typrelid
            WHERE typnamespace IN (TABLE own)
                AND (typtype IN ('d', 'e', 'r') OR typtype = 'b' AND typelem = 0 OR relkind = 'c')
            UNION ALL
            SELECT 'pg_proc'::regclass, oid, 'ROUTINE', oid::regprocedure::text
            FROM pg_proc WHERE pronamespace IN (TABLE own)
        )
        SELECT format('ALTER %s %s OWNER TO {ROLE}', kind, name) FROM objects
        WHERE NOT EXISTS (
            -- Parts of an extension; and sequences of columns, which follow their table.
            SELECT FROM pg_depend
            WHERE pg_depend.classid = objects.classid AND objid = id AND (
                deptype = 'e'
                OR kind = 'SEQUENCE' AND deptype IN ('a', 'i') AND refclassid = 'pg_class'::regclass
            )
        )
    LOOP
        EXECUTE given;
    END LOOP;
END
$$;

"""  # noqa: S608 - names of this module
"""Give the role all objects of the database; run in a cluster of an earlier version.

It is one transaction, and it may be repeated.
"""


def has_access(data: Path) -> bool:
    """Return whether the cluster has the role; an interrupted change to it is repeated."""
    file = data / "pg_hba.conf"
    return file.exists() and file.read_text(errors="replace") == HBA


def write_access(data: Path, account: Account) -> None:
    """Let this account, root, and the account of the server connect, and nobody else."""
    _replace(data / "pg_ident.conf", _accounts(account), account)
    # The last one, because ``has_access`` reads it.
    _replace(data / "pg_hba.conf", HBA, account)


def _accounts(account: Account) -> str:
    """Return the map of accounts. Root may become any account anyway."""
    names = sorted({_name(0), _name(os.geteuid()), _name(account.get("user", os.geteuid()))})
    quoted = ['"{}"'.format(name.replace('"', '""')) for name in names]
    lines = (f"accounts  {name}  {role}" for name in quoted for role in (ROLE, ADMINISTRATOR))
    return "\n".join(["# Written by the service at each start.", *lines, ""])


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        cannot_start(
            f"the account with the user ID {user} has no name, which the embedded PostgreSQL"
            " needs: add it to /etc/passwd, or set DATABASE_URL"
        )


def _replace(file: Path, text: str, account: Account) -> None:
    if file.exists() and file.read_text(errors="replace") == text:
        return
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    # Root follows no link that the account may have put there.
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
        if account:
            os.fchown(opened.fileno(), account["user"], account["group"])
    new.replace(file)
