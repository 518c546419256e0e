"""Numbers of electrons and of unpaired electrons of a molecule."""

from ase.data import atomic_numbers as numbers_by_symbol

from mlmd.errors import ConfigError

F_SHELL_IN_CORE = range(58, 72)
"""Lanthanides, whose f electrons are no valence electrons to GFN-xTB."""


def atomic_numbers(symbols: tuple[str, ...]) -> list[int]:
    """Atomic numbers of element symbols."""
    return [numbers_by_symbol[symbol] for symbol in symbols]


def check_unpaired(symbols: tuple[str, ...], *, charge: int, n_unpaired: int, name: str) -> None:
    """Refuse numbers of unpaired electrons that the number of electrons does not allow.

    Raises:
        ConfigError: odd where it must be even, even where it must be odd, or more than there are.
    """
    numbers = atomic_numbers(symbols)
    n_electrons = sum(numbers) - charge
    odd = (n_electrons - n_unpaired) % 2 and not any(number in F_SHELL_IN_CORE for number in numbers)
    if n_electrons < 1 or not 0 <= n_unpaired <= n_electrons or odd:
        raise ConfigError(
            f"{name}: {n_electrons} electrons ({' '.join(symbols)}, charge {charge}) cannot have {n_unpaired} "
            f"unpaired; set hamiltonian.n_unpaired={n_electrons % 2 if n_electrons > 0 else 0} or another charge"
        )
