"""Run what is missing of the study and rebuild its tables, figures and page: ``python -m experiments``.

python -m experiments                      all experiments, in full: about two hours on two cores
python -m experiments accuracy injection   some of them
python -m experiments --collect            tables, figures and page only, from the runs that are there
python -m experiments --fast               a small form of everything in minutes; its results go to outputs/study_fast
"""

import argparse
import sys
from pathlib import Path

from experiments.study.page import write_study_page
from experiments.study.registry import EXPERIMENTS, Experiment
from experiments.study.runs import finished_runs
from experiments.study.sweeps import ROOT, run_sweep
from mlmd.errors import nearest
from mlmd.reporting.page import Part

FULL, FAST = Path("outputs/study"), Path("outputs/study_fast")
"""Where runs go, and with the fast form the results too."""


def main(arguments: list[str] | None = None) -> int:
    """1 where a sweep failed; its experiment is collected all the same, from what there is."""
    options = _options(arguments)
    runs = options.runs or (FAST if options.fast else FULL)
    chosen = _chosen(options.names)
    failed, parts = [], {}
    for experiment in chosen:
        folder = runs / experiment.name
        if not options.collect:
            sweeps = [sweep for sweep in experiment.sweeps if sweep.in_fast or not options.fast]
            sound = [run_sweep(sweep, runs, folder, is_fast=options.fast) for sweep in sweeps]
            failed += [] if all(sound) else [experiment.name]
        parts[experiment.name] = _collect(experiment, folder, is_fast=options.fast)
    if len(chosen) == len(EXPERIMENTS):
        print(f"page: {write_study_page(ROOT / runs / 'report.html', parts, is_fast=options.fast)}")
    if failed:
        print(f"error: not all runs of {', '.join(failed)} are finished; the same command goes on", file=sys.stderr)
    return 1 if failed else 0


def _collect(experiment: Experiment, folder: Path, *, is_fast: bool) -> list[Part]:
    finished = finished_runs(ROOT / folder)
    if experiment.sweeps and not finished:
        print(f"{experiment.name}: no finished runs below {folder}, nothing to collect")
        return []
    out = ROOT / folder / "results" if is_fast else ROOT / "experiments" / experiment.name
    out.mkdir(parents=True, exist_ok=True)
    parts = experiment.collect(finished, out)
    print(f"{experiment.name}: {len(finished)} runs, results in {out}")
    return parts


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(experiment.name for experiment in EXPERIMENTS)}; all")
    parser.add_argument("--fast", action="store_true", help="a small form of everything, in minutes")
    parser.add_argument("--runs", type=Path, help=f"folder of the runs; {FULL}, or {FAST} for the fast form")
    parser.add_argument("--collect", action="store_true", help="run nothing; read the runs that are there")
    return parser.parse_args(arguments)


def _chosen(names: list[str]) -> list[Experiment]:
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in names:
        if name not in known:
            print(f"error: there is no experiment {name!r}: {nearest(name, known)}", file=sys.stderr)
            raise SystemExit(2)
    return [known[name] for name in known if name in names] if names else list(EXPERIMENTS)


if __name__ == "__main__":
    sys.exit(main())
