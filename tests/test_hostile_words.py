"""Words of an endpoint, a page or a name that would steer a terminal or reorder what is read: they are shown nowhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.endpoints import remote_endpoint
from campaign_lab.errors import TurnFailed
from support.paths import BRIEFS, ROOT, SITES
from support.processes import on_a_terminal

BRIEF = BRIEFS / "termwick-renewals.toml"
HOSTILE = "\x1b]0;owned\x07no \x1b[2J\x9b5mcredit\u202e left\u2066\r\nsecond line"
STEERING = re.compile("\x1b\\]|\x1b\\[2J|[\x00-\x08\x0b\x0c\x0e-\x1a\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What rich itself never writes."""


@contextmanager
def _endpoint(status: int, body: object, **headers: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The url of an endpoint that gives one answer to whatever it is asked, and the headers that it was asked with."""
    asked: list[dict[str, str]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server names it
            asked.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            said = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(said)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


REFUSAL = {"type": "error", "error": {"type": "invalid_request_error", "message": HOSTILE}}


@pytest.mark.usefixtures("process", "slow")
def test_an_endpoints_error_steers_no_terminal(tmp_path: Path) -> None:
    """On a real terminal and in a file: the words are there, in one line, and nothing of what they would do."""
    command = [sys.executable, "-m", "campaign_lab", "run", str(BRIEF), "--lab", str(tmp_path / "lab.duckdb")]
    with _endpoint(400, REFUSAL) as (url, _):
        piped = subprocess.run([*command, "--endpoint", url], capture_output=True, timeout=90, check=False, cwd=ROOT)
        _, seen = on_a_terminal([*command, "--endpoint", url])
    assert piped.returncode == 1
    for said in (piped.stderr.decode(), seen):
        assert "credit" in said
        assert "left" in said
        assert not STEERING.search(said)
    assert len(piped.stderr.decode().splitlines()[-1:]) == 1
    assert "second line" in piped.stderr.decode().splitlines()[-1]


@pytest.mark.usefixtures("process", "slow")
def test_the_error_itself_holds_one_plain_line(tmp_path: Path) -> None:
    """In Python too, where an error is printed as it is, and in the names of sessions."""
    with _endpoint(400, REFUSAL) as (url, _), Lab(tmp_path / "lab.duckdb", endpoint=url) as lab:
        session = lab.session(Brief(url=str(SITES / "termwick"), market="CA"), name=f"main {HOSTILE}")
        with pytest.raises(TurnFailed) as failed:
            lab.run_sync(session.run("research"))
        for said in (str(failed.value), repr(session)):
            assert not STEERING.search(said)
            assert "\n" not in said


@pytest.mark.parametrize(
    "body", ["<html>no</html>", "", "[]", "5", '"x"', "null", {}, {"input_tokens": "many"}, {"input_tokens": -5},
             {"input_tokens": None}, {"input_tokens": [1]}, {"input_tokens": True}, {"input_tokens": 1e30}],
)  # fmt: skip
def test_a_count_of_a_wrong_type_is_no_count(body: object) -> None:
    """Whatever an endpoint answers to count_tokens, it is a number of tokens, or not known."""
    with _endpoint(200, body) as (url, _):
        assert remote_endpoint(url).count_tokens("m", "some words") is None


def test_a_count_takes_the_key_to_no_other_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect of count_tokens is not followed."""
    monkeypatch.setenv("CAMPAIGN_LAB_API_KEY", "key-of-this-endpoint-alone")
    with (
        _endpoint(200, {"input_tokens": 5}) as (elsewhere, asked_there),
        _endpoint(307, "", Location=f"{elsewhere}/v1/messages/count_tokens") as (url, asked),
    ):
        assert remote_endpoint(url).count_tokens("m", "some words") is None
    assert len(asked) == 1
    assert asked_there == []


@pytest.mark.usefixtures("process", "slow")
@pytest.mark.parametrize(
    ("status", "body", "cut"),
    [(200, "[]", 1), (200, "<html>no</html>", 1), (400, REFUSAL, 0)],
    ids=["list", "page", "refused"],
)
def test_an_answer_that_is_no_message_is_a_request_of_unknown_cost(
    tmp_path: Path, status: int, body: object, cut: int
) -> None:
    """What was answered with rubbish is counted, and no amount is said; what was refused cost nothing."""
    with _endpoint(status, body) as (url, _), Lab(tmp_path / "lab.duckdb", endpoint=url) as lab:
        with pytest.raises(TurnFailed) as failed:
            lab.run_sync(lab.session(Brief.load(BRIEF)).run("research"))
        assert ("cost $0.0000" in str(failed.value)) is not bool(cut)
        assert lab.costs(by="user")["cut_requests"].tolist() == [cut] * bool(cut)
