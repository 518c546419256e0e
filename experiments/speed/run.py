"""Measure what MLMD costs, and write csv files, figures and the tables of the README beside it.

python experiments/speed/run.py                      everything; the machine should do nothing else meanwhile
python experiments/speed/run.py --only engines       one part (and no other part's files)
python experiments/speed/run.py --fast               a smoke form under a minute, into outputs/speed-fast
python experiments/speed/run.py --collect            figures and tables again, from the csv files that are there
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

# Set before any library starts its threads: each uses one by default. PyTorch's number is set for each measurement.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARTS = ("floors", "engines", "hamiltonians", "scaling", "accuracy")


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts that were asked for, then draw and write."""
    options = _options(arguments)
    out: Path = options.out or (ROOT / "outputs" / "speed-fast" if options.fast else HERE)
    out.mkdir(parents=True, exist_ok=True)
    if not options.collect:
        for part in options.only or PARTS:
            began = time.perf_counter()
            _measure(part, options, out)
            print(f"{part}: done in {time.perf_counter() - began:.0f} s", flush=True)
    collect(out)
    return 0


def collect(out: Path) -> None:
    """Figures, and tables between the marks of the page; a folder without a page gets a copy of this one."""
    from figures import draw_all
    from results import fill
    from tables import all_tables

    if out != HERE:
        shutil.copyfile(HERE / "README.md", out / "README.md")
    fill(out / "README.md", all_tables(out))
    for path in draw_all(out):
        print(f"drawn: {path}", flush=True)


def _measure(part: str, options: argparse.Namespace, out: Path) -> None:
    import accuracy
    import engines
    import floors
    import hamiltonians
    import injections
    import scaling
    import torch
    from contenders import say_what_is_missing
    from machine import machine
    from results import note_machine, write

    torch.manual_seed(1)
    here = machine()
    fast, threads = options.fast, options.threads
    timed = {"n_repeats": options.repeats, "sample_s": options.sample_s, "fast": fast}
    raced = {**timed, "only": options.engines}
    settings = (
        f"{options.repeats} repeats in turns after warm-up, samples of about {options.sample_s:g} s, "
        f"load {here['load_average_at_start']}"
    )
    if part == "floors":
        write(out, "floors", floors.measure(threads=threads, **timed))
    elif part == "engines":
        say_what_is_missing()
        write(out, "engines", engines.measure(threads=threads, **raced))
        write(out, "injections", injections.measure(threads=threads, **raced))
        note_machine(out, "injections", {**here, "settings": settings})
    elif part == "hamiltonians":
        write(out, "hamiltonians", hamiltonians.measure(**raced))
    elif part == "scaling":
        write(out, "scaling", scaling.measure(threads=1, **raced))
    else:
        cases = options.cases or (["Morse, thermal, DuR0"] if fast else list(accuracy.CASES))
        rows, curves = accuracy.measure(seeds=options.seeds, cases=cases, fast=fast)
        write(out, "accuracy", rows)
        write(out, "accuracy_curves", curves)
        settings = f"One process at a time, one thread, load {here['load_average_at_start']}"
    note_machine(out, part, {**here, "settings": settings + (", fast form: not worth quoting" if fast else "")})


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to measure; engines holds the injections too")
    parser.add_argument("--fast", action="store_true", help="small cases, short samples, two repeats, one thread")
    parser.add_argument("--collect", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, help="folder of csv files, figures and page")
    parser.add_argument("--threads", type=int, nargs="+", help="CPU threads (default: 1 and 2)")
    parser.add_argument("--repeats", type=int, help="samples of everything that is timed (default: 9)")
    parser.add_argument("--sample-s", type=float, help="length of a sample, s (default: 0.2)")
    parser.add_argument("--engines", nargs="+", help="engines to race (default: all that are there)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="seeds of the accuracy part")
    parser.add_argument("--cases", nargs="+", help="cases of the accuracy part (default: all)")
    options = parser.parse_args(arguments)
    options.threads = options.threads or ([1] if options.fast else [1, 2])
    options.repeats = options.repeats or (2 if options.fast else 9)
    options.sample_s = options.sample_s or (0.01 if options.fast else 0.2)
    return options


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
