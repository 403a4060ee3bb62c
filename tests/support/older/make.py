"""Makes the files of tests/data/older with an older version: a lab, a saved session, notebooks, a batch, a PostgreSQL lab.

Run it in the folder tests of this checkout, with the Python of an environment that has the older version installed:

    git worktree add ../older 68e4478    # and an environment in ../older/.venv with it
    cd tests && ../../older/.venv/bin/python -m support.older.make data/older/68e4478
"""

from __future__ import annotations

import io
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import campaign_lab
from campaign_lab import Lab
from support import postgres
from support.older.campaign import BOAST, USERS, campaign, in_vain
from support.older.shown import batch_again, shown, shown_in_short
from support.paths import copy_notebooks

HOME = Path("/tmp/older-campaign-lab")
"""Where it works. Briefs know the folders of their sites, so a path stands in what is made: this one and no other."""


def _packed(data: bytes) -> bytes:
    return lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)


def _write(out: Path, name: str, data: bytes) -> None:
    (out / f"{name}.xz").write_bytes(packed := _packed(data))
    print(f"{name}: {len(data):,} bytes, {len(packed):,} packed")


def _opener(places: Mapping[str, str]) -> Callable[..., Lab]:
    return lambda user, **options: Lab(places[user], user=user, **options)


def _all_shown(places: Mapping[str, str], show: Callable[[Lab], dict[str, Any]] = shown) -> dict[str, Any]:
    """What each user is shown, at one moment."""
    moment = datetime.now(UTC)
    found: dict[str, Any] = {"at": moment.isoformat()}
    for user in places:
        with Lab(places[user], user=user, phases=[BOAST], now=lambda: moment) as lab:
            found[user] = show(lab)
    return found


def _make_campaign(places: Mapping[str, str], briefs: Path) -> None:
    opened = _opener(places)
    campaign(opened, briefs)
    with opened("ana") as lab:
        in_vain(lab, briefs)


def _cli(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "campaign_lab", *arguments], check=True, cwd=HOME)


def _make_file(out: Path) -> dict[str, Any]:
    """The lab file, and a session saved from it."""
    path = str(HOME / "lab.duckdb")
    places = dict.fromkeys(USERS, path)
    _make_campaign(places, HOME / "data" / "briefs")
    _cli("save", "Calm and plain", str(HOME / "saved.duckdb"), "--lab", path, "--user", "ana")
    _cli("sweep", "--lab", path, "--user", "ana")  # which compacts it
    found = _all_shown(places)
    for name in ("lab.duckdb", "saved.duckdb"):
        _write(out, name, (HOME / name).read_bytes())
    return found


def _make_notebooks(out: Path) -> dict[str, Any]:
    """The lab in which all notebooks were run, with the folder of the batch that one of them runs."""
    path = str(HOME / "notebooks.duckdb")
    nbval = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:playwright",
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout=300",
    ]
    subprocess.run(
        [sys.executable, "-m", "pytest", *nbval, "-c", os.devnull, str(HOME / "notebooks")],
        env={**os.environ, "CAMPAIGN_LAB_STORE": path, "CAMPAIGN_LAB_USER": "ana"}, cwd=HOME, check=True,
    )  # fmt: skip
    _cli("sweep", "--lab", path, "--user", "ana")
    runs = HOME / "runs" / "three-brands"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(path, "notebooks.duckdb")
        archive.add(runs, "runs/three-brands")
    _write(out, "notebooks.tar", packed.getvalue())
    found = _all_shown({"ana": path}, shown_in_short)
    with Lab(path, user="ana") as lab:
        return found | {"batch": batch_again(lab, HOME)}


def _make_server(out: Path) -> dict[str, Any]:
    """A dump of the same campaign's lab on a PostgreSQL server."""
    with postgres.running() as server:
        server.add_database("older")
        for user in USERS:
            server.add_role(user)
        Lab(server.url(postgres.OWNER, "older"), user=postgres.OWNER).close()
        places = {user: server.url(user, "older") for user in USERS}
        _make_campaign(places, HOME / "data" / "briefs")
        found = _all_shown(places)
        command = ["pg_dump", "--inserts", "--rows-per-insert=1000", server.url(postgres.ADMIN, "older")]
        dump = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    _write(out, "postgres.sql", _plain(dump))
    return found


def _plain(dump: bytes) -> bytes:
    """The dump as SQL that any connection can run: without the lines that only the newest psql and server know."""
    return re.sub(rb"^(\\(un)?restrict .*|SET transaction_timeout .*)\n", b"", dump, flags=re.MULTILINE)


def main(arguments: Sequence[str]) -> None:
    """Makes all files in the folder that is named."""
    out, checkout = Path(arguments[0]).resolve(), Path(campaign_lab.__file__).parent.parent
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(HOME, ignore_errors=True)
    copy_notebooks(HOME, checkout)
    os.chdir(HOME)
    found = {"lab": _make_file(out), "notebooks": _make_notebooks(out), "postgres": _make_server(out)}
    _write(out, "shown.json", json.dumps(found, ensure_ascii=False, indent=1).encode())
    shutil.rmtree(HOME)


if __name__ == "__main__":
    main(sys.argv[1:])
