"""Charge, numbers of electrons and of unpaired electrons of a molecule."""

from dataclasses import dataclass, field

from mlmd.errors import ConfigError

F_SHELL_IN_CORE = range(58, 72)
"""Lanthanides, whose f electrons are no valence electrons to GFN-xTB."""


@dataclass(frozen=True)
class Electrons:
    """What is known of a molecule's electrons beside its atoms.

    Attributes:
        charge: of the molecule, e; None if not known.
        n_unpaired: number of unpaired electrons; None if not known.
        initial_charges: charge of each atom from which a calculation starts, e; None if not known.
        initial_moments: magnetic moment of each atom from which a calculation starts, Bohr magnetons; None if not
            known.
        source: the structure file that says so; None for the ground states of tables.
    """

    charge: int | None = None
    n_unpaired: int | None = None
    initial_charges: tuple[float, ...] | None = None
    initial_moments: tuple[float, ...] | None = None
    source: str | None = field(default=None, compare=False, repr=False)

    def require(self, *, name: str, charge: int | None, n_unpaired: int | None) -> None:
        """Check that the values of a method are those of the structure file.

        Args:
            name: of the method.
            charge: charge that the method has, e; None takes the file's.
            n_unpaired: number of unpaired electrons that the method has; None takes the file's.

        Raises:
            ConfigError: both are given and differ.
        """
        for key, ours in (("charge", charge), ("n_unpaired", n_unpaired)):
            theirs = getattr(self, key)
            if self.source is not None and None not in (ours, theirs) and ours != theirs:
                raise ConfigError(
                    f"{self.source} has {key} {theirs}, but {name} has hamiltonian.{key} = {ours}; leave "
                    f"hamiltonian.{key} out, or correct the file"
                )

    def settled(self, symbols: tuple[str, ...], *, charge: int | None, n_unpaired: int | None) -> tuple[int, int]:
        """Charge and number of unpaired electrons: those given, else those known, else 0 and the fewest.

        >>> Electrons(charge=0, n_unpaired=2).settled(("O", "O"), charge=None, n_unpaired=None)
        (0, 2)
        >>> Electrons(charge=0, n_unpaired=2).settled(("O", "O"), charge=-1, n_unpaired=None)
        (-1, 1)
        """
        known = self.charge or 0
        total = known if charge is None else charge
        if n_unpaired is None and total == known:
            n_unpaired = self.n_unpaired
        if n_unpaired is None:
            n_unpaired = (sum(atomic_numbers(symbols)) - total) % 2
        return total, n_unpaired


def atomic_numbers(symbols: tuple[str, ...]) -> list[int]:
    """Atomic numbers of element symbols."""
    from ase.data import atomic_numbers as numbers_by_symbol  # what runs on analytic bonds need not wait for

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
