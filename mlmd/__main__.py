"""``python -m mlmd`` is the command ``mlmd``."""

from mlmd.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
