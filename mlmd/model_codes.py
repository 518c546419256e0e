"""The letters of a variant's code name, <components><target>R<frames>; light enough for the command line."""

COMPONENTS = {"cartesian": "3", "molecular": "D"}
"""3: lab-frame components of every atom (or in a frame that turns with the molecule); D: the vibration alone."""

TARGETS = {"velocity": "v", "update": "u"}
"""v: the next velocity; u: the velocity update."""


def variant_name(components: str, target: str, coordinate_frames: int) -> str:
    """The code name of a variant.

    >>> variant_name("cartesian", "velocity", 0)
    '3vR0'
    """
    return f"{COMPONENTS[components]}{TARGETS[target]}R{coordinate_frames}"
