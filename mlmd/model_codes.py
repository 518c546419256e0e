"""The letters of a variant's code name, <components><target>R<frames>; without heavy imports."""

COMPONENTS = {"cartesian": "3", "molecular": "D"}
"""3: lab-frame components of every atom (or in a frame that turns with the molecule); D: the vibration alone."""

TARGETS = {"velocity": "v", "update": "u"}
"""v: the next velocity; u: the velocity update."""


def variant_name(components: str, target: str, coordinate_frames: int) -> str:
    """The code name of a variant.

    >>> variant_name("cartesian", "velocity", 0)
    '3vR0'

    Components of one's own have the first letter of their class:

    >>> variant_name("my_parts.Internal", "update", 0)
    'IuR0'
    """
    letter = COMPONENTS.get(components) or components.rpartition(".")[2][:1].upper()
    return f"{letter}{TARGETS[target]}R{coordinate_frames}"
