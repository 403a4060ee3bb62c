"""How long the package's imports take above bare Python, and that they load none of the heavy libraries.

Median of seven runs of each, alternating, each in a process of its own. Bytecode is cached, as in an installed package,
in a folder of the bench's own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 7
BARE = "pass"
BARS_MS = {"import campaign_lab": 150.0, "from campaign_lab import Brief, Lab": 250.0}
HEAVY = ("pandas", "duckdb", "plotly", "claude_agent_sdk", "httpx", "trafilatura", "anthropic")


def main() -> int:
    """Prints one line for each import; 1 when one is over its bar or loads a heavy library."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        return _measure()


def _measure() -> int:
    times: dict[str, list[float]] = {code: [] for code in (BARE, *BARS_MS)}
    for code in times:
        _seconds(code)  # the first run compiles and fills the file cache
    for _ in range(RUNS):
        for code, taken in times.items():
            taken.append(_seconds(code))
    bare = statistics.median(times[BARE])
    good = True
    for code, bar in BARS_MS.items():
        ms = (statistics.median(times[code]) - bare) * 1000
        print(f"{code}: {ms:.0f} ms above bare Python (bar {bar:.0f} ms)")
        good &= ms <= bar
        if loaded := _heavy_after(code):
            print(f"{code}: loads {', '.join(loaded)}, which it must not")
            good = False
    return 0 if good else 1


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def _heavy_after(code: str) -> list[str]:
    script = f"{code}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.split()


if __name__ == "__main__":
    sys.exit(main())
