"""Normal modes: the vibrations of a molecule about its equilibrium, in the harmonic limit."""

from dataclasses import dataclass

from mlmd.units import SPEED_OF_LIGHT_CM_PER_FS

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class NormalModes:
    """3N - 6 vibrations, or 3N - 5 of a linear molecule, from the softest to the stiffest.

    What `molecule` promises of them: signs and the basis of equal modes follow a rule, not a solver's whim; a positive
    coordinate makes the molecule larger, where the mode does either. The equilibrium of a linear molecule lies on the
    z axis, its first atom below its last; stretches have vectors along z, bends come in pairs of one wavenumber, the
    first along x, the second the same along y.

    Attributes:
        vectors: orthonormal directions in mass-weighted coordinates sqrt(m_i) (r_i - r_i^0), [mode][atom][xyz],
            orthogonal to translations and rotations of the equilibrium.
        wavenumbers_cm1: harmonic wavenumbers, cm^-1.
    """

    vectors: tuple[tuple[Vector, ...], ...]
    wavenumbers_cm1: tuple[float, ...]

    @property
    def n_modes(self) -> int:
        """Number of vibrations."""
        return len(self.vectors)

    @property
    def is_linear(self) -> bool:
        """Whether the molecule is linear, a diatomic included."""
        return bool(self.vectors) and self.n_modes == 3 * len(self.vectors[0]) - 5

    def period_fs(self, mode: int) -> float:
        """Period of one vibration, fs."""
        return 1.0 / (SPEED_OF_LIGHT_CM_PER_FS * self.wavenumbers_cm1[mode])
