"""The tables of the page, made from the csv files alone."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from cases import Case
from contenders import FRAME_STRIDE
from floors import COPY_BYTES, Floors
from machine import spoken
from results import Row, read, read_machines
from scaling import series, slopes

PRODUCTS = {"sgemm": "", "tf32": " (tf32)"}

FREQUENCY = 0.01
"""At which speed-ups are stated: the preprint's greatest."""


def all_tables(folder: Path) -> list[str]:
    """Every table whose part was measured, each below a heading and a line on the machine."""
    lines: list[str] = []
    previous = ""
    machines = read_machines(folder)
    sections = {
        "engines": ("Engines: microseconds per MD step of the batch", engine_table),
        "floors": ("Best rates of the machine", floor_table),
        "injections": ("Whole runs with injections: microseconds per MD step of the batch", injection_table),
        "hamiltonians": ("True forces beside learned steps", hamiltonian_table),
        "scaling": ("How a learned step's cost grows: log-log slopes", slope_table),
        "accuracy": ("Time to an accuracy, seconds", accuracy_table),
    }
    for part, (heading, table) in sections.items():
        rows = list(table(folder)) if read(folder, part) else []
        if rows:
            headings, *cells = rows
            settings = machines.get(part, {})
            machine = spoken(settings)
            lines += ["", f"### {heading}", ""]
            lines += [f"{machine}; code {settings.get('code')}.", ""] if machine != previous else []
            lines += [settings.get("settings", ""), ""]
            previous = machine
            lines += ["| " + " | ".join(row) + " |" for row in (headings, ["---"] * len(headings), *cells)]
    return [*lines, ""]


def case_of(row: Row) -> Case:
    """The network of a row of engines.csv."""
    return Case(row["variant"], row["hidden_size"], row["n_layers"])


def floor_of(row: Row, floors: Floors) -> tuple[float, str] | None:
    """The least time (us) of a step, and what sets it: products, bytes, or the weights of a single replica."""
    case, n_replicas, device, threads = case_of(row), row["n_replicas"], row["device"], row["threads"]
    products = floors.products_us(case, n_replicas, device, threads)
    traffic = floors.traffic_us(case, n_replicas, device, threads, steps=row["stretch_steps"], stride=FRAME_STRIDE)
    weights = floors.weights_us(case) if n_replicas == 1 and device == "cpu" else None
    known = [(products, "products"), (traffic and traffic[0], "bytes"), (weights, "weights")]
    return max(((time, word) for time, word in known if time is not None), default=None)


def engine_table(folder: Path) -> Iterator[list[str]]:
    """One row per network, replicas, device and threads; engines side by side."""
    floors = Floors(read(folder, "floors"))
    rows = read(folder, "engines")
    engines = sorted({row["engine"] for row in rows}, key=["eager", "numba", "cuda"].index)
    headings = [
        "network",
        "replicas",
        "device, threads",
        "stretch",
        "floor (set by)",
        "same shapes",
        "bytes step by step",
    ]
    yield [*headings, *(f"{engine} (quartiles), x floor" for engine in engines)]

    def line(row: Row) -> tuple[str, int, str, int, int]:
        return row["case"], row["n_replicas"], row["device"], row["threads"], row["longest_stretch"]

    rows = [row for _, group in groupby(rows, key=lambda row: line(row)[:2]) for row in sorted(group, key=line)]
    for (name, n_replicas, device, threads, _), group in groupby(rows, key=line):
        members = {row["engine"]: row for row in group}
        first = next(iter(members.values()))
        floor = floor_of(first, floors)
        case = case_of(first)
        same = floors.same_shapes_us(case, n_replicas, device, threads)
        steps = first["stretch_steps"]
        traffic = floors.traffic_us(case, n_replicas, device, threads, steps=steps, stride=FRAME_STRIDE)
        cells = [name, f"{n_replicas:,}", f"{device}, {threads}"]
        cells.append(" / ".join(f"{steps:,}" for steps in sorted({row["stretch_steps"] for row in members.values()})))
        cells.append("" if floor is None else f"{short(floor[0])} ({floor[1]})")
        cells += ["" if same is None else short(same), "" if traffic is None else short(traffic[1])]
        for engine in engines:
            row = members.get(engine)
            ratio = "" if row is None or floor is None else f", {short(row['median_us'] / floor[0])} x"
            cells.append("" if row is None else spread(row) + ratio)
        yield cells


def floor_table(folder: Path) -> Iterator[list[str]]:
    """Best rates by device and threads."""
    floors = Floors(read(folder, "floors"))
    reads = [row for row in floors.rows if row["quantity"] == "cached read"]
    yield ["device, threads", "matrix products, GFLOP/s", f"copy of {COPY_BYTES // 2**20} MiB, GB/s", "reads, GB/s"]
    for device, threads in sorted({(row["device"], row["threads"]) for row in floors.rows}):
        rates = {name: floors.rate(quantity, device, threads) for quantity, name in PRODUCTS.items()}
        products = ", ".join(f"{short(rate)}{name}" for name, rate in rates.items() if rate is not None)
        copy = floors.rate("copy", device, threads, what=f"{COPY_BYTES} bytes") or 0.0
        mine = [row for row in reads if (row["device"], row["threads"]) == (device, threads)]
        sizes = ", ".join(f"{int(row['what'].split()[0]) / 1024:.0f} KiB: {row['value']:.0f}" for row in mine)
        yield [f"{device}, {threads}", products, short(copy), sizes]


def injection_table(folder: Path) -> Iterator[list[str]]:
    """One row per replicas, threads and engine."""
    rows = read(folder, "injections")
    yield [
        "replicas", "threads", "engine", "never", "every_100", "every_100_anchored",
        "one injection", "one anchored", "Hamiltonian call", "injection / call", "Verlet step",
    ]  # fmt: skip
    for (n_replicas, threads), group in groupby(rows, key=lambda row: (row["n_replicas"], row["threads"])):
        members = list(group)
        alone = {(row["what"], row["device"]): row["median_us"] for row in members if not row["engine"]}
        runs = [row for row in members if row["what"] == "whole run"]
        for engine, device in dict.fromkeys((row["engine"], row["device"]) for row in runs):
            mine = {row["schedule"]: row for row in runs if (row["engine"], row["device"]) == (engine, device)}
            times = [short(row["median_us"]) for row in mine.values()]
            call, verlet = alone["Hamiltonian call", device], alone["Verlet", device]
            words = engine if device == "cpu" else f"{engine} on the GPU"
            tail = [short(call), short(mine["always"]["median_us"] / call), short(verlet)]
            yield [f"{n_replicas:,}", str(threads), words, *times, *tail]


def learned_steps(rows: list[Row]) -> dict[str, dict[tuple[int, int], float]]:
    """By engine: (atoms, replicas) -> microseconds of a learned step."""
    atoms = {"HCl": 2, "H2O": 3, "ethanol": 9}
    steps: dict[str, dict[tuple[int, int], float]] = {}
    for row in rows:
        if row["kind"] == "learned":
            engine = row["name"].removeprefix("MLMD, ")
            steps.setdefault(engine, {})[atoms[row["molecule"]], row["n_replicas"]] = row["median_us"]
    return steps


def speed_up(true_us: float, learned_us: float) -> float:
    """S = 1 / (f + (1 - f) / r) with r = t_Hamiltonian / t_learned at f = 0.01.

    >>> round(speed_up(1e9, 1.0), 3)
    100.0
    """
    return 1.0 / (FREQUENCY + (1.0 - FREQUENCY) * learned_us / true_us)


def hamiltonian_table(folder: Path) -> Iterator[list[str]]:
    """One row per source of forces, speed-ups by engine; below one, MLMD loses time."""
    rows = read(folder, "hamiltonians")
    steps = learned_steps(rows)
    yield ["source", "molecule", "replicas", "note", "microseconds (quartiles)", *(f"speed-up, {e}" for e in steps)]
    for row in rows:
        n_atoms = {"H2O": 3, "CH3CH2OH": 9, "ethanol": 9}.get(row["molecule"], 2)
        cells = [row["name"], row["molecule"], f"{row['n_replicas']:,}", f"a {row['unit']}; {row['note']}", spread(row)]
        for known in steps.values():
            learned = known.get((n_atoms, row["n_replicas"]))
            ours = row["kind"] == "learned" or learned is None
            cells.append("" if ours or learned is None else short(speed_up(row["median_us"], learned)))
        yield cells


def slope_table(folder: Path) -> Iterator[list[str]]:
    """One row per axis, replicas and engine."""
    yield ["axis", "replicas", "engine", "values", "slope (least to greatest of the repeats)", "slope of the last two"]
    for axis, replicas, engine, rows in series(read(folder, "scaling")):
        median, least, greatest, last = slopes(rows)
        values = f"{rows[0]['value']} to {rows[-1]['value']:,}"
        slope = f"{median:.2f} ({least:.2f} to {greatest:.2f})"
        yield [axis, f"{replicas:,}" if replicas else "as many", engine, values, slope, f"{last:.2f}"]


def accuracy_table(folder: Path) -> Iterator[list[str]]:
    """One row per run; a dash where the accuracy was not reached."""
    marks = ("99.9", "99.99")
    yield [
        "case", "seed", "last validation, %", *(f"training to {mark} %" for mark in marks),
        *(f"command to {mark} %" for mark in marks), "training in all", "command in all",
    ]  # fmt: skip
    for row in read(folder, "accuracy"):
        times = [row[f"{what}_to_{mark}_s"] for what in ("train", "command") for mark in marks]
        spoken_times = ["-" if time is None else short(time) for time in times]
        totals = [short(row["train_s"]), short(row["command_s"])]
        yield [row["case"], str(row["seed"]), f"{row['final_percent']:.6g}", *spoken_times, *totals]


def spread(row: Row) -> str:
    """Median and quartiles."""
    return f"{short(row['median_us'])} ({short(row['lower_quartile_us'])} to {short(row['upper_quartile_us'])})"


def short(number: float) -> str:
    """Three digits, no exponent below a billion.

    >>> short(0.012345), short(12.345), short(123456.0)
    ('0.0123', '12.3', '123,000')
    """
    return f"{float(f'{number:.3g}'):,.10g}"
