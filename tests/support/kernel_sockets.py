"""Kernels that tests start use sockets of their own: a port that was free when it was chosen may be taken when it is used.

Importing this module is enough; ``pytest -p support.kernel_sockets`` does it for nbval in another process.
"""

from __future__ import annotations

import itertools
import tempfile
from typing import Any

from jupyter_client.manager import KernelManager

_folder = tempfile.TemporaryDirectory(prefix="kernels-")  # removed when the process ends
_numbers = itertools.count(1)


def _with_own_sockets(manager: KernelManager, *args: Any, **options: Any) -> None:
    """Makes a kernel manager whose kernel has five sockets in a folder that only this process writes to."""
    _init(manager, *args, **options)
    manager.transport = "ipc"
    manager.ip = f"{_folder.name}/{next(_numbers)}"


_init = KernelManager.__init__
KernelManager.__init__ = _with_own_sockets  # type: ignore[method-assign]
