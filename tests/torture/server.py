"""Starts commands in copies of itself, so that each begins at once: everything is imported before.

A request is a line of JSON on standard input: a list of command, arguments, working directory and file for the output,
answered by the number of the process; or null, which waits for the process and is answered by its status.
"""

import json
import os
import signal
import sys
from typing import Any


def main() -> None:
    import hydra  # noqa: F401
    import wandb  # noqa: F401

    import mlmd.cli.simulate
    import mlmd.cli.train
    import mlmd.propagation.engines.cpu  # noqa: F401

    pid = 0
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request is None:
            _, status = os.waitpid(pid, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            run(*request)
        print(pid, flush=True)


def run(command: str, arguments: list[str], folder: str, output: str) -> None:
    """The command in this process, which ends with its exit code."""
    from mlmd.cli.entry import run

    code: Any = 1
    try:
        os.setsid()
        os.chdir(folder)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        sys.argv = [f"{command}.py", *arguments]
        run(command, arguments)
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
