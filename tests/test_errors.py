"""The errors a user can meet: each survives a worker process, and says what, which and what next."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pickle
import pkgutil
from typing import Any, get_args, get_type_hints

import pytest

import campaign_lab
from campaign_lab import errors
from campaign_lab.agents import events
from campaign_lab.batch import events as batch_events
from campaign_lab.batch.rows import Row
from campaign_lab.errors import (
    BUDGET_CODES,
    PASSING_CODES,
    REFUSED,
    UNAVAILABLE,
    AmbiguousName,
    BriefError,
    BudgetExceeded,
    EndpointError,
    LabError,
    MarketUnknown,
    NotFoundError,
    PageError,
    PhaseOrderError,
    ReplayMiss,
    SessionExpired,
    StoreError,
    TranscriptGone,
    TurnFailed,
)
from campaign_lab.findings import Finding
from campaign_lab.money import Sum

EXAMPLES: tuple[tuple[LabError, tuple[str, ...]], ...] = (
    (MarketUnknown(("market: missing; give one, such as CA",)), ("market: missing", "such as CA")),
    (
        BriefError(("market: 'Canada' is not allowed; expected CA",), "brief.toml"),
        ("brief.toml", "'Canada'", "expected CA"),
    ),
    (
        PageError("https://a.example/x", "it is larger than 5 MB; read a smaller page"),
        ("https://a.example/x", "5 MB", "smaller page"),
    ),
    (
        StoreError("data/lab.duckdb", "is in use by process 7", "Wait until it is done."),
        ("data/lab.duckdb", "process 7", "Wait"),
    ),
    (NotFoundError("phase", "reserch", ("research", "copy")), ("no phase", "'reserch'", "Known: research, copy")),
    (
        AmbiguousName("session", "main", ("a.example/Spring/main (last used 2 hours ago)", *["b.example/B/main"] * 13)),
        (
            "'main' fits 14 sessions",
            "a.example/Spring/main (last used 2 hours ago)",
            "; and 2 more",
            "Give one of these",
        ),
    ),
    (PhaseOrderError("strategy", ("brand profile",)), ("'strategy'", "brand profile", "Run the phase")),
    (
        ReplayMiss("copy", ("the steer has changed",), 0.0421),
        ("'copy'", "the steer has changed", "$0.0421", "on_miss='run'"),
    ),
    (
        TurnFailed("research", "api", "the endpoint answered 529", "Pages are kept.", Sum(0.5, 2)),
        ("'research'", "answered 529", "$0.5000 and 2 requests without a price", "Pages are kept.", "Run it again"),
    ),
    (
        TurnFailed("research", "site", "no page could be read: https://a.example/: it is empty", spent=Sum()),
        ("https://a.example/", "$0.0000", "Run it again when the site can be read."),
    ),
    (
        PhaseOrderError("copy", ("at least one angle",), ("no price.", "no claim")),
        ("'copy'", "at least one angle", "none could be made: no price; no claim.", "saved pages"),
    ),
    (SessionExpired("main", "2026-11-22 12:00"), ("'main'", "2026-11-22 12:00", "lab.session(brief)", "session.pin()")),
    (TranscriptGone("main", "copy", 0.25), ("'main'", "'copy'", "about $0.2500", 'name="again"')),
    (
        BudgetExceeded("user", 5, Sum(4.5, 1), 0.75),
        ("this user", "$5.0000", "$4.5000 and 1 request without a price spent", "$0.7500", "Raise the budget"),
    ),
    (EndpointError("anthropic", "the variable X holds no key; set it"), ("'anthropic'", "holds no key", "set it")),
)


def test_every_error_of_the_package_has_an_example_here() -> None:
    """A new error comes with its text checked."""
    defined = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, LabError)}
    assert defined - {LabError} == {type(error) for error, _ in EXAMPLES}


@pytest.mark.parametrize(("error", "said"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_an_error_says_what_which_and_what_next(error: LabError, said: tuple[str, ...]) -> None:
    """The text names the thing, its value and the next step."""
    for part in said:
        assert part in str(error)


@pytest.mark.parametrize(("error", "said"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_an_error_survives_its_way_out_of_a_worker_process(error: LabError, said: tuple[str, ...]) -> None:
    """Pickled and read again it is of the same type, with the same fields and text."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


VALUES: dict[Any, Any] = {
    str: "text", int: 2, float: 0.5, bool: True, Sum: Sum(0.5, 2), Row: Row("one", "One"), float | None: 0.5,
    tuple[str, ...]: ("a", "b"), tuple[Row, ...]: (Row("one", "One"),),
}  # fmt: skip
"""An example of each type that errors, events and findings have as a field."""


def made(kind: type) -> Any:
    """One of the kind, with a value for each of its arguments."""
    hints = get_type_hints(kind if dataclasses.is_dataclass(kind) else kind.__init__)
    values = {name: VALUES.get(hints[name]) or get_args(hints[name])[0] for name in inspect.signature(kind).parameters}
    return kind(**values)


def kinds_of_errors(root: type[LabError] = LabError) -> list[type[LabError]]:
    """All errors of the package, once each of its modules is loaded."""
    for module in pkgutil.walk_packages(campaign_lab.__path__, "campaign_lab."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    below = [each for kind in root.__subclasses__() for each in (kind, *kind.__subclasses__())]
    return [each for each in below if each.__module__.startswith("campaign_lab.")]


def test_all_errors_events_and_findings_survive_their_way_between_processes() -> None:
    """Pickled and read again, each is what it was."""
    found = kinds_of_errors()
    assert len(found) > len(EXAMPLES) - 3
    for error in map(made, found):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), vars(again), str(again), again.code) == (type(error), vars(error), str(error), error.code)
    for value in map(made, (*get_args(events.Event), *get_args(batch_events.BatchEvent), Finding)):
        assert pickle.loads(pickle.dumps(value)) == value


def test_what_may_pass_and_what_a_budget_stopped_is_told_by_the_code() -> None:
    """A site that is away, a brief, a budget and a refused key stay so: no batch tries them again."""
    passing = [
        StoreError("lab.duckdb", "is away", "Wait.", UNAVAILABLE),
        *(TurnFailed("copy", cause, "why") for cause in ("agent", "records", "api", "store", "process")),
    ]
    assert {error.code for error in passing} == PASSING_CODES
    stopped = [TurnFailed("copy", "budget", "it is used up"), BudgetExceeded("user", 1.0, Sum(), 2.0)]
    assert {error.code for error in stopped} == BUDGET_CODES
    final = [TurnFailed("copy", cause, "the connection was busy") for cause in ("site", "cancelled")]
    final.append(TurnFailed("copy", "api", "the connection was busy", code=REFUSED))
    codes = {error.code for error, _ in EXAMPLES if not isinstance(error, TurnFailed)}
    assert not PASSING_CODES & {*codes, *(error.code for error in (*final, *stopped))}


def test_an_unknown_price_is_not_called_free() -> None:
    """Where nobody knows what it costs, no sum is named."""
    assert "$" not in str(ReplayMiss("copy", ("nothing was run from this checkpoint yet",), None))
    assert "$" not in str(TurnFailed("copy", "agent", "an agent failed"))
    assert "$" not in str(TranscriptGone("main", "copy", None))


def test_what_is_not_there_and_what_is_not_yours_read_the_same() -> None:
    """The text does not give away whether somebody else has a thing of that name."""
    assert str(NotFoundError("session", "main")) == "There is no session 'main' here."
