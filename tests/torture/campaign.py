"""A campaign: many tries, each of which may find faults; progress and a summary are printed."""

import collections
import re
import sys

N_SHOWN = 200


class Campaign:
    """Counts tries and keeps what went wrong.

    Args:
        name: for the summary.
        n_tries: how many there will be, about.
    """

    def __init__(self, name: str, n_tries: int) -> None:
        self.name = name
        self.n_tries = n_tries
        self.n_done = 0
        self.faults: list[str] = []
        self.kinds: collections.Counter[str] = collections.Counter()

    def note(self, what: str, faults: list[str], words: str = "") -> None:
        """One try is over.

        Args:
            what: was tried.
            faults: found in it.
            words: that the command printed.
        """
        self.n_done += 1
        for fault in faults:
            self.kinds[fault] += 1
            self.faults.append(f"{what}\n    {fault}: {_telling(words)}")
            print(f"{self.name}: {self.faults[-1]}", file=sys.stderr)
        if self.n_done % 50 == 0:
            print(f"{self.name}: {self.n_done} of {self.n_tries}, {len(self.faults)} faults", file=sys.stderr)

    def finish(self) -> None:
        """Print the summary.

        Raises:
            AssertionError: a try had a fault.
        """
        print(f"{self.name}: {self.n_done} tries, {len(self.faults)} faults")
        assert not self.faults, "\n".join(["", *self.faults[:N_SHOWN], str(dict(self.kinds))])


def _telling(words: str) -> str:
    """The line of an output that names the error: the last of a traceback, else the first."""
    lines = [line for line in words.splitlines() if line.strip()] or [""]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)]
    return (errors or lines)[-1 if errors else 0][:400]
