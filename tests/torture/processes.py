"""Commands in processes that begin at once and can be sent signals at any moment."""

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.running import ROOT


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: exit code, or minus the signal that killed it.
        words: all that it printed.
        took_s: from its start.
    """

    code: int
    words: str
    took_s: float

    @property
    def has_traceback(self) -> bool:
        """Whether a traceback was printed."""
        return "Traceback" in self.words or "Error executing job" in self.words


class Commands:
    """Starts commands by `torture.server`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server.py"))],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def run(self, command: str, *arguments: str, signal: int | None = None, after_s: float = 0.0) -> Ended:
        """A command to its end, which a signal may bring.

        Args:
            command: train or simulate.
            arguments: its overrides.
            signal: number of a signal to send.
            after_s: seconds after the start at which it is sent, if the command still runs.
        """
        output = self.folder / "output.txt"
        began = time.monotonic()
        pid = int(self._ask([command, arguments, str(self.folder), str(output)]))
        if signal is not None:
            time.sleep(after_s)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal)
        code = int(self._ask(None))
        return Ended(code, output.read_text(errors="replace"), time.monotonic() - began)

    def close(self) -> None:
        """End the server."""
        if self._server.stdin is not None:
            self._server.stdin.close()
        self._server.wait(timeout=60)
        if self._server.stdout is not None:
            self._server.stdout.close()

    def _ask(self, request: Any) -> str:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()
