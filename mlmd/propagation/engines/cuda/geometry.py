# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"
# Triton compiles these functions and infers every type itself; Python runs them in Triton's interpreter only.
"""``mlmd.decomposition`` for two atoms as Triton device functions, in float64.

Numbers come in groups of four a row, [row, 4]: the x, y, z of one atom and a nil, or up to three features. Vectors of
both atoms are a tuple of two groups. Names and formulas are those of the decompositions, where they are explained.
"""

import triton
import triton.language as tl

from mlmd.decomposition.bond_geometry import NIL_ACROSS as _NIL_ACROSS

LAB = tl.constexpr(0)
MOLECULE = tl.constexpr(1)
VIBRATION = tl.constexpr(2)
NIL_ACROSS = tl.constexpr(_NIL_ACROSS)


@triton.jit
def lanes():
    """0, 1, 2, 3 as [1, 4]."""
    return tl.arange(0, 4)[None, :]


@triton.jit
def along(a, b):
    """Scalar product, [row, 1]."""
    return tl.sum(a * b, axis=1)[:, None]


@triton.jit
def norm(a):
    """Length of a vector, [row, 1]."""
    return tl.sqrt(along(a, a))


@triton.jit
def three(x, y, z):
    """A group of three numbers a row, each [row, 1], and a nil."""
    lane = lanes()
    return tl.where(lane == 0, x, tl.where(lane == 1, y, tl.where(lane == 2, z, 0.0)))


@triton.jit
def one(a, INDEX: tl.constexpr):
    """Number ``INDEX`` of a group, [row, 1]."""
    return tl.sum(tl.where(lanes() == INDEX, a, 0.0), axis=1)[:, None]


@triton.jit
def cross(a, b):
    """Vector product."""
    x, y, z = one(a, 0), one(a, 1), one(a, 2)
    u, v, w = one(b, 0), one(b, 1), one(b, 2)
    return three(y * w - z * v, z * u - x * w, x * v - y * u)


@triton.jit
def unit_across(vectors, axis):
    """``mlmd.decomposition.bond_geometry.unit_across``."""
    across = vectors - along(vectors, axis) * axis
    x, y, z = tl.abs(one(axis, 0)), tl.abs(one(axis, 1)), tl.abs(one(axis, 2))
    index = tl.where((x <= y) & (x <= z), 0, tl.where(y <= z, 1, 2))
    nil = norm(across) <= NIL_ACROSS * norm(vectors)
    direction = tl.where(nil, (lanes() == index).to(tl.float64), across)
    direction = direction / norm(direction)
    direction = direction - along(direction, axis) * axis
    return direction / norm(direction)


@triton.jit
def read_frame(r, v, dt, KIND: tl.constexpr):
    """Three axes at r_n, three in the middle of the step, and the bond length.

    The vibration needs the first axis of each alone; the lab frame needs nothing.
    """
    bond = r[1] - r[0]
    velocity = v[1] - v[0]
    before = bond - dt * velocity
    length = norm(bond)
    axis = bond / length
    middle = (bond + before) / (length + norm(before))
    axes = (axis, axis, axis)
    middle_axes = (middle, middle, middle)
    if KIND == MOLECULE:
        across = unit_across(velocity, axis)
        normal = cross(axis, across)
        axes = (axis, across, normal)
        middle_axes = (middle, cross(normal, middle / norm(middle)), normal)
    return axes, middle_axes, length


@triton.jit
def turned(vectors, axes):
    """Components of a vector along three axes."""
    return three(along(vectors, axes[0]), along(vectors, axes[1]), along(vectors, axes[2]))


@triton.jit
def from_axes(components, axes):
    """The vector with the given components along three axes."""
    return one(components, 0) * axes[0] + one(components, 1) * axes[1] + one(components, 2) * axes[2]


@triton.jit
def encode(frame, v, KIND: tl.constexpr):
    """Velocity features, a tuple of groups."""
    if KIND == LAB:
        features = v
    elif KIND == MOLECULE:
        features = (turned(v[0], frame[1]), turned(v[1], frame[1]))
    else:
        velocity = v[1] - v[0]
        axis = frame[0][0]
        across = velocity - along(velocity, axis) * axis
        features = (three(along(velocity, frame[1][0]), norm(across), 0.0),)
    return features


@triton.jit
def project(frame, vectors, KIND: tl.constexpr):
    """Components of a velocity or a kick at r_n, a tuple of groups."""
    if KIND == LAB:
        components = vectors
    elif KIND == MOLECULE:
        components = (turned(vectors[0], frame[0]), turned(vectors[1], frame[0]))
    else:
        components = (three(along(vectors[1] - vectors[0], frame[0][0]), 0.0, 0.0),)
    return components


@triton.jit
def decode(frame, components, shares, KIND: tl.constexpr):
    """Velocity changes of both atoms with the given components."""
    if KIND == LAB:
        kick = components
    elif KIND == MOLECULE:
        kick = (from_axes(components[0], frame[0]), from_axes(components[1], frame[0]))
    else:
        relative = one(components[0], 0) * frame[0][0]
        kick = (shares[0] * relative, shares[1] * relative)
    return kick


@triton.jit
def read_coordinates(frame, r, shares, KIND: tl.constexpr):
    """One coordinate frame, a tuple of groups."""
    if KIND == LAB:
        # The shares of a kick along the bond, -m_2/M and m_1/M, also place the atoms about the centre of mass.
        bond = r[1] - r[0]
        coordinates = (shares[0] * bond, shares[1] * bond)
    else:
        coordinates = (three(frame[2], 0.0, 0.0),)
    return coordinates
