"""The template of a batch: its bytes, its code cells, its parameters, and the phases that it names."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign_lab.batch.plan.names import digest
from campaign_lab.errors import NotFoundError

BRIEF_PARAMETER = "brief_path"
"""The parameter of a template that takes the path of a brief."""

PACKAGE = Path(__file__).resolve().parents[2]
IN_CHECKOUT = PACKAGE.parent / "notebooks" / "templates" / "campaign.ipynb"
IN_WHEEL = PACKAGE / "templates" / "campaign.ipynb"
"""The same notebook: building a wheel copies it there."""


@dataclass(frozen=True)
class Template:
    """A notebook that a batch runs. ``cells`` has each code cell's digest by its id.

    ``reads`` has, by each phase that its code names, the names that are read up to where it runs that phase; None where that
    cannot be told. ``texts`` are the defaults of its parameters that are texts. ``folder`` is where its kernels
    work: its own, or None for the one that came with the package.
    """

    name: str
    data: bytes = field(repr=False)
    parameters: tuple[str, ...]
    cells: Mapping[str, str]
    folder: Path | None
    texts: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, frozenset[str] | None] = field(default_factory=dict, repr=False)


def default_template() -> Path:
    """Returns the path of the notebook that runs one whole campaign, in a checkout or in the installed package."""
    return IN_CHECKOUT if IN_CHECKOUT.is_file() else IN_WHEEL


def read_template(path: Path) -> Template:
    """Returns the template at the path. Raises NotFoundError, and ValueError when it is no notebook or takes no brief.

    Raises ValueError also when papermill, which finds the parameters, cannot be loaded.
    """
    whole = path.resolve()
    try:
        data = whole.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFoundError("notebook", str(path)) from None
    except OSError as error:
        raise ValueError(f"notebook: {str(path)!r} cannot be read ({error.strerror})") from None
    try:
        sources = _code_cells(data)
        parameters = _parameters(data)
    except ImportError as error:  # an entry point of papermill's: a checkout was updated, and its installation was not
        again = "install campaign_lab again, in a checkout with pip install -c constraints.txt -e ."
        raise ValueError(f"papermill cannot be loaded ({error}); {again}") from None
    except Exception as error:  # nbformat, papermill and json each have their own
        problem = f"notebook: {str(path)!r} cannot be read as a notebook ({type(error).__name__}); give an .ipynb file"
        raise ValueError(problem) from None
    if BRIEF_PARAMETER not in parameters:
        known = ", ".join(parameters) or "none"
        raise ValueError(
            f"notebook: {str(path)!r} takes no {BRIEF_PARAMETER}; add it to the cell that is tagged parameters "
            f"(its parameters: {known})"
        )
    cells = {name: digest(source) for name, source in sources}
    reads = read_before([source for _, source in sources])
    folder = None if whole == IN_WHEEL else whole.parent
    texts = {name: _text(code) for name, code in parameters.items()}
    return Template(whole.name, data, tuple(parameters), cells, folder, texts, reads)


def _code_cells(data: bytes) -> list[tuple[str, str]]:
    """Returns id and source of each code cell; a cell without an id is named by its number."""
    cells: list[dict[str, Any]] = json.loads(data)["cells"]
    return [
        (str(cell.get("id") or f"number {n}"), "".join(cell["source"]))
        for n, cell in enumerate(cells, 1)
        if cell["cell_type"] == "code"
    ]


def _parameters(data: bytes) -> dict[str, str]:
    """Returns the parameters with the code of their defaults. The notebook is run as Python, whatever its metadata say."""
    from papermill.translators import PythonTranslator  # type: ignore[import-untyped]  # costs 1.5 s

    cells: list[dict[str, Any]] = json.loads(data)["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", ())][:1]
    found = [each for cell in tagged for each in PythonTranslator.inspect({"source": "".join(cell["source"])})]
    return {each.name: str(each.default) for each in found}


def _text(code: str) -> str:
    """Returns the value of a string literal; empty for any other code."""
    try:
        value = ast.literal_eval(code)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""


def read_before(sources: Sequence[str]) -> dict[str, frozenset[str] | None]:
    """Returns by phase, in order, the names that the code reads before it; None where a cell before it is not Python.

    Code names a phase by ``….run("research")``, ``….run_all(forks, "copy")`` or ``….ask(…)``.
    """
    found: dict[str, frozenset[str] | None] = {}
    names: frozenset[str] | None = frozenset()
    for source in sources:
        lines = ["" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines()]
        magic = source.lstrip().startswith("%%")
        try:
            nodes = list(ast.walk(ast.parse("\n".join(lines))))
        except (SyntaxError, ValueError, RecursionError):  # not Python for Python either: it will say so itself
            names = None
            continue
        read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        names = None if names is None or magic else names | read
        phases = [phase for node in nodes if isinstance(node, ast.Call) for phase in _phases(node)]
        found |= {phase: names for phase in phases if phase not in found}
    return found


def _phases(call: ast.Call) -> Iterator[str]:
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method == "ask":
        yield "ask"
    for each in {"run": call.args[:1], "run_all": call.args[1:]}.get(method, []):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
