"""A real PostgreSQL for the tests: started by an ordinary user, on loopback, with the very commands of docs/team.md."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

from support.paths import ROOT

MISSING = "PostgreSQL is not installed here: apt-get install postgresql (or put initdb and postgres in PATH)"
HOST = "127.0.0.1"
ADMIN = "postgres"
OWNER = "lab_owner"
ALONE, TEAM = "A server of your own", "The database"
"""Headings of docs/team.md below which the commands stand."""
START_S = 30.0
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""For tests that kill no server: what they lose is safety when the machine itself fails."""


@cache
def readme(heading: str, language: str) -> str:
    """The first block of a language below a heading of docs/team.md."""
    text = (ROOT / "docs" / "team.md").read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}$.*?^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/team.md: no {language} block below {heading!r}"
    return found[1]


def binaries() -> Path | None:
    """The folder of initdb and postgres: one in PATH, else Debian's newest; None when there is none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(versions, key=lambda path: float(path.parent.name), default=None)


def ordinary_user() -> dict[str, Any]:
    """Who the server runs as, in the words of ``Popen``: PostgreSQL refuses root. Ourselves when we are not root."""
    import pwd

    if os.geteuid() != 0:
        return {}
    names = [user.pw_name for user in pwd.getpwall()]
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class PostgresServer:
    """A cluster in a folder of its own. ``fast``: it may forget what it was told when the machine dies."""

    def __init__(self, *, fast: bool = True) -> None:
        found = binaries()
        if found is None:
            raise FileNotFoundError(MISSING)
        self._binaries, self._user, self._fast = found, ordinary_user(), fast
        self._process: subprocess.Popen[bytes] | None = None
        self._passwords = {ADMIN: _password()}
        self.made: set[str] = set()
        """Names of databases that tests share and copy."""
        self.folder = Path(tempfile.mkdtemp(prefix="campaign-lab-postgres-"))
        self._own(self.folder)
        self.port = _free_port()
        self.pass_file = self.folder / "pgpass"
        """A file for PGPASSFILE, with every role of this server in it."""
        self._make()
        self._keep_passwords()

    def _make(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(self._passwords[ADMIN], encoding="utf-8")
        self._own(secret)
        made = subprocess.run(
            self._command("initdb"), capture_output=True, text=True, check=False, cwd=self.folder, **self._user
        )  # type: ignore[call-overload]
        assert made.returncode == 0, made.stderr
        secret.unlink()

    def start(self) -> None:
        """Starts it, on the port it has, and waits until it answers."""
        options = [word for setting in (FAST if self._fast else ()) for word in ("-c", setting)]
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            # the server ends when this very process does, however that ends
            ["setpriv", "--pdeathsig", "QUIT", "--", *self._command("postgres"), "-c", "max_connections=200", *options],
            stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._user,
        )  # type: ignore[call-overload] # fmt: skip
        log.close()
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it as ``pg_ctl stop`` does: connections are cut, what they committed stays."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_S)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the server and all of its workers, as if the machine had lost its power."""
        assert self._process is not None
        processes = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(START_S)
        psutil.wait_procs(processes[1:], START_S)
        self._process = None

    def restart(self) -> None:
        """Stops it and starts it again, with the same port and data."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stops it and removes its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what is in it

    def url(self, role: str, database: str = "postgres", *, password: bool = True) -> str:
        """The url of a database for a role. Without its password it is read from ``pass_file``."""
        secret = f":{quote(self._passwords[role], safe='')}" if password else ""
        return f"postgresql://{quote(role, safe='')}{secret}@{HOST}:{self.port}/{quote(database, safe='')}"

    def add_role(self, name: str) -> None:
        """Makes a login role of that name, unless it is there."""
        if name not in self._passwords:
            self._passwords[name] = _password()
            self._run("CREATE ROLE", role=name)
            self._keep_passwords()

    def add_database(self, name: str, *, template: str | None = None) -> None:
        """Makes a database of the lab's owner: an empty one, or a copy of another one that nobody is connected to."""
        self.add_role(OWNER)
        self._run("CREATE DATABASE", database=name, more=f'TEMPLATE "{template}"' if template else "")

    def drop_database(self, name: str) -> None:
        """Removes it; whoever is still connected is cut off."""
        self._run_as_admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, what: str, *, role: str = OWNER, database: str = "campaign_lab", more: str = "") -> None:
        """Runs the page's statement that begins so, with other names in it."""
        (statement,) = [
            line for line in readme(TEAM, "sql").splitlines() if line.startswith(what) and "lab_owner" in line
        ]
        password = self._passwords[role].replace("'", "''")
        named = re.sub(r"\bcampaign_lab\b", f'"{database}"', statement.rstrip(";"))
        named = re.sub(r"ROLE lab_owner\b", f'ROLE "{role}"', named)
        self._run_as_admin(f"{named.replace('a-long-password', password)} {more}")

    def _run_as_admin(self, statement: str) -> None:
        with psycopg.connect(self.url(ADMIN), autocommit=True) as con:
            con.execute(statement.encode())

    def _keep_passwords(self) -> None:
        escaped = {role: secret.replace("\\", "\\\\").replace(":", "\\:") for role, secret in self._passwords.items()}
        lines = [f"{HOST}:{self.port}:*:{role}:{secret}\n" for role, secret in escaped.items()]
        self.pass_file.touch(0o600)
        self.pass_file.write_text("".join(lines), encoding="utf-8")

    # -- the program

    def _command(self, program: str) -> list[str]:
        """The page's line that begins with this program, as words."""
        (line,) = [each for each in readme(ALONE, "sh").splitlines() if each.startswith(f"{program} ")]
        words = {"DATA": self.folder / "data", "SECRET": self.folder / "secret", "PORT": self.port}
        first, *rest = shlex.split(Template(line).substitute(words), comments=True)
        return [str(self._binaries / first), *rest]

    def _own(self, path: Path) -> None:
        if self._user:
            os.chown(path, int(str(self._user["user"])), int(str(self._user["group"])))

    def _wait(self) -> None:
        end = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url(ADMIN), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                assert self._process is not None
                if time.monotonic() > end or self._process.poll() is not None:
                    said = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
                    raise AssertionError(f"PostgreSQL did not start: {error}\n{said}") from error
                time.sleep(0.02)


def _password() -> str:
    """One with all that urls, pass files and SQL have to escape."""
    return f"{secrets.token_hex(8)}:@/%'\\é"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(*, fast: bool = True) -> Iterator[PostgresServer]:
    """A server of one's own, for a test that asks for the fixture ``postgres``."""
    server = PostgresServer(fast=fast)
    try:
        server.start()
        yield server
    finally:
        server.remove()
