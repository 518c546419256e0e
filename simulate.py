"""Propagate a trained predictor from new initial states: ``python simulate.py checkpoint=<path>``."""

from mlmd.cli.entry import run

if __name__ == "__main__":
    run("simulate")
