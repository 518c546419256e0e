"""The four functions of a decomposition in compiled form; Numba selects them by the type of geometry.

A tile is one flat float64 array, [row, replica]: three rows an atom for positions, as many for velocities and for
kicks, then the frame. Functions work on all replicas of the tile, which are the lanes of ``like``. ``encode`` may use
the rows of the kick as it likes.
"""

from typing import Any

from numba.extending import overload


# Names for Numba, which compiles the implementation of the geometry at hand in place of these bodies.
def encode(geometry, rows, features, n_atoms, like):
    """Derive the frame, and write the velocity features from row ``features`` on."""
    raise NotImplementedError("compiled only")


def project(geometry, rows, vectors, components, n_atoms, like):
    """Components of the vectors that begin at row ``vectors``, written from row ``components`` on."""
    raise NotImplementedError("compiled only")


def decode(geometry, rows, components, vectors, n_atoms, like):
    """The vectors with the components that begin at row ``components``, written from row ``vectors`` on."""
    raise NotImplementedError("compiled only")


def coordinates(geometry, rows, target, n_atoms, like):
    """One coordinate frame, written from row ``target`` on."""
    raise NotImplementedError("compiled only")


def compiled(function: Any, kind: type) -> Any:
    """Register the decorated function as ``function`` for one kind of geometry."""

    def register(implementation: Any) -> Any:
        def choose(geometry: Any, *_: Any) -> Any:
            return implementation if getattr(geometry, "instance_class", None) is kind else None

        overload(function, strict=False)(choose)
        return implementation

    return register
