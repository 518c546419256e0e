# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"
# ruff: noqa: RUF005 - Triton's tuples grow by addition
# Triton compiles these functions and infers every type itself; Python runs them in Triton's interpreter only.
"""One persistent Triton kernel for a whole learned stretch.

A program owns BLOCK columns, which are replicas, or the staggered states of a window of fewer replicas, and takes all
steps of the stretch by itself. Positions, velocities and the LSTM state stay in registers. The weights stay in shared
memory: loaded before the loop and used by nothing but matrix products, they are stored there once, 56 KiB for 2 layers
of 32 units and 208 KiB for 2 of 64, of the 227 KiB that a Hopper GPU grants a program. Beside them lie the two signals
that a layer reads, 8 bytes a unit and column. Networks that do not fit are left to CUDA graphs (``limits``). Biases,
head and scales are read anew each step, from the nearest cache. Geometry, scales and the linear shortcut are float64;
the slots of a window share one replica's numbers and the output of the slot that is full.

Compiled for a Hopper GPU at BLOCK = 32, neither network spills a register, as a test checks. The time of a step can be
measured on a GPU only.
"""

import triton
import triton.language as tl

from mlmd.propagation.engines.cuda.geometry import (
    LAB,
    VIBRATION,
    decode,
    encode,
    lanes,
    project,
    read_coordinates,
    read_frame,
)
from mlmd.propagation.engines.cuda.network import head_output, load_network, stacked_step

LARGEST = tl.constexpr(6e4)

# Arguments for whose value or alignment the kernel must not be compiled again.
VARYING = (
    *("positions", "velocities", "given", "hidden", "cell", "last_update", "coordinates"),
    *("frame_positions", "frame_velocities", "frame_kicks"),
    *("n_steps", "n_replicas", "until_frame", "first_frame", "every", "phase"),
)


@triton.jit
def load_groups(pointer, rows, GROUPS: tl.constexpr, PER: tl.constexpr):
    """The GROUPS * PER numbers of each row of a contiguous array, a tuple of groups [row, 4], nil beyond PER."""
    lane = lanes()
    groups = ()
    for group in tl.static_range(GROUPS):
        at = rows * (GROUPS * PER) + (group * PER + lane)
        groups = groups + (tl.load(pointer + at, mask=lane < PER, other=0.0),)
    return groups


@triton.jit
def store_groups(pointer, rows, inside, groups, GROUPS: tl.constexpr, PER: tl.constexpr):
    """The reverse of ``load_groups``, where ``inside``."""
    lane = lanes()
    for group in tl.static_range(GROUPS):
        at = rows * (GROUPS * PER) + (group * PER + lane)
        tl.store(pointer + at, groups[group], mask=inside & (lane < PER))


@triton.jit
def standardised(features, mean, gain, GROUPS: tl.constexpr, BLOCK: tl.constexpr, INPUTS: tl.constexpr):
    """Network inputs [INPUTS, BLOCK], float32, within the range of float16 (far outside, every gate is saturated)."""
    lane = tl.arange(0, 4)
    group = tl.arange(0, INPUTS // 4)[None, :, None]
    x = tl.zeros([BLOCK, INPUTS // 4, 4], tl.float32)
    for i in tl.static_range(GROUPS):
        standard = (features[i] - tl.load(mean + 4 * i + lane)[None, :]) * tl.load(gain + 4 * i + lane)[None, :]
        x = tl.where(group == i, standard.to(tl.float32)[:, None, :], x)
    x = tl.where(x > LARGEST, LARGEST, tl.where(x < -LARGEST, -LARGEST, x))
    return tl.trans(tl.reshape(x, [BLOCK, INPUTS]))


@triton.jit
def linear(total, features, weights, OUT: tl.constexpr, GROUPS: tl.constexpr, OUT_GROUPS: tl.constexpr):
    """``total`` plus the features times column group ``OUT`` of ``weights`` [GROUPS * 4, OUT_GROUPS * 4]."""
    lane = tl.arange(0, 4)
    at = lane[:, None] * (4 * OUT_GROUPS) + (OUT * 4 + lane[None, :])
    for group in tl.static_range(GROUPS):
        weight = tl.load(weights + group * 16 * OUT_GROUPS + at)
        total += tl.sum(features[group][:, :, None] * weight[None, :, :], axis=1)
    return total


@triton.jit
def from_full_slot(output, full, SLOTS: tl.constexpr, BLOCK: tl.constexpr):
    """An output [BLOCK] as float64 [BLOCK, 1]; every slot of a replica receives that of the slot that is full."""
    if SLOTS > 1:
        output = tl.sum(tl.reshape(tl.where(full, output, 0.0), [BLOCK // SLOTS, SLOTS]), axis=1)
        output = tl.reshape(tl.broadcast_to(output[:, None], [BLOCK // SLOTS, SLOTS]), [BLOCK])
    return output.to(tl.float64)[:, None]


@triton.jit
def network_outputs(
    h,
    head,
    full,
    OUT: tl.constexpr,
    PER: tl.constexpr,
    HIDDEN: tl.constexpr,
    SLOTS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Outputs of the network, a tuple of groups."""
    groups = ()
    for group in tl.static_range(OUT):
        numbers = tl.zeros([BLOCK, 4], tl.float64)
        for i in tl.static_range(PER):
            output = from_full_slot(head_output(h, head, group * PER + i, HIDDEN), full, SLOTS, BLOCK)
            numbers = tl.where(lanes() == i, output, numbers)
        groups = groups + (numbers,)
    return groups


@triton.jit
def emptied(states, full, LAYERS: tl.constexpr):
    """States with the columns whose window was full at zero."""
    after = ()
    for layer in tl.static_range(LAYERS):
        after = after + (tl.where(full[None, :], 0.0, states[layer]),)
    return after


@triton.jit(do_not_specialize=VARYING)
def stretch(
    positions,
    velocities,
    given,
    hidden,
    cell,
    last_update,
    coordinates,
    positions_out,
    velocities_out,
    kicks_out,
    hidden_out,
    cell_out,
    last_update_out,
    coordinates_out,
    frame_positions,
    frame_velocities,
    frame_kicks,
    weights,
    biases,
    head,
    scales,
    n_steps,
    n_replicas,
    until_frame,
    first_frame,
    every,
    phase,
    KIND: tl.constexpr,
    PREDICTS_UPDATE: tl.constexpr,
    N_FRAMES: tl.constexpr,
    LAYERS: tl.constexpr,
    UNITS: tl.constexpr,
    INPUTS: tl.constexpr,
    HIDDEN: tl.constexpr,
    LENGTH: tl.constexpr,
    SLOTS: tl.constexpr,
    BLOCK: tl.constexpr,
    FOLLOWS: tl.constexpr,
):
    """Advance ``n_steps``, or let the memory read one step with the kick ``given`` (FOLLOWS); see ``launch``."""
    OUT: tl.constexpr = 1 if KIND == VIBRATION else 2
    PER: tl.constexpr = 1 if KIND == VIBRATION else 3
    SEEN: tl.constexpr = 2 if KIND == LAB else 1
    SEEN_PER: tl.constexpr = 3 if KIND == LAB else 1
    N_PAST: tl.constexpr = (N_FRAMES - 1) * SEEN if N_FRAMES > 1 else 0
    GROUPS: tl.constexpr = 2 * OUT + N_FRAMES * SEEN
    mean = scales + 4
    gain = mean + 4 * GROUPS
    intercept = gain + 4 * GROUPS
    shortcut = intercept + 4 * OUT
    basis = shortcut + 16 * GROUPS * OUT
    dt = tl.load(scales)
    shares = (tl.load(scales + 1), tl.load(scales + 2))

    # The geometry has its replicas in rows, the network has the same replicas in columns.
    first = tl.program_id(0) * (BLOCK // SLOTS)
    n_rows = n_replicas.to(tl.int64)
    row = tl.arange(0, BLOCK)[:, None]
    replica = (first + row // SLOTS).to(tl.int64)
    # Rows beyond the last replica repeat it and write nothing.
    source = tl.minimum(replica, n_rows - 1)
    writes = (replica < n_replicas) & (row % SLOTS == 0)
    column = tl.arange(0, BLOCK)
    slot = column % SLOTS
    unit = tl.arange(0, HIDDEN)
    owner = first + column // SLOTS
    held = (unit < UNITS)[:, None] & ((owner < n_replicas) & (slot < LENGTH))[None, :]
    state_at = (slot * n_rows + owner)[None, :] * UNITS + unit[:, None]
    layer_size = LENGTH * n_rows * UNITS

    tiles = load_network(weights, LAYERS, INPUTS, HIDDEN)
    r = load_groups(positions, source, 2, 3)
    v = load_groups(velocities, source, 2, 3)
    update = load_groups(last_update, source, OUT, PER)
    past = load_groups(coordinates, source, N_PAST, SEEN_PER)
    h = ()
    c = ()
    for layer in tl.static_range(LAYERS):
        h = h + (tl.load(hidden + layer * layer_size + state_at, mask=held, other=0.0),)
        c = c + (tl.load(cell + layer * layer_size + state_at, mask=held, other=0.0),)

    for step in range(n_steps):
        frame = read_frame(r, v, dt, KIND)
        seen = read_coordinates(frame, r, shares, KIND)
        features = encode(frame, v, KIND) + update
        if N_FRAMES > 0:
            features = features + seen + past
        x = standardised(features, mean, gain, GROUPS, BLOCK, INPUTS)
        h, c = stacked_step(x, h, c, tiles, biases, LAYERS, HIDDEN, BLOCK)
        full = slot == (phase + step + 1) % LENGTH
        outputs = network_outputs(h[LAYERS - 1], head, full, OUT, PER, HIDDEN, SLOTS, BLOCK)
        prediction = ()
        for i in tl.static_range(OUT):
            total = tl.load(intercept + 4 * i + tl.arange(0, 4))[None, :]
            total = linear(total, features, shortcut, i, GROUPS, OUT)
            prediction = prediction + (linear(total, outputs, basis, i, OUT, OUT),)
        if not PREDICTS_UPDATE:
            now = project(frame, v, KIND)
            change = ()
            for i in tl.static_range(OUT):
                change = change + (prediction[i] - now[i],)
            prediction = change
        kick = decode(frame, prediction, shares, KIND)
        if FOLLOWS:
            update = project(frame, load_groups(given, source, 2, 3), KIND)
            store_groups(kicks_out, replica, writes, kick, 2, 3)
        else:
            update = prediction
            after = step - until_frame
            if (after >= 0) & (after % every == 0):
                into = (first_frame + after // every).to(tl.int64) * n_rows + replica
                store_groups(frame_positions, into, writes, r, 2, 3)
                store_groups(frame_velocities, into, writes, v, 2, 3)
                store_groups(frame_kicks, into, writes, kick, 2, 3)
            left = n_steps - 1 - step
            if left < 3:
                store_groups(kicks_out, left.to(tl.int64) * n_rows + replica, writes, kick, 2, 3)
            v = (v[0] + kick[0], v[1] + kick[1])
            r = (r[0] + dt * v[0], r[1] + dt * v[1])
        if N_PAST > 0:
            older = seen + past
            past = ()
            for i in tl.static_range(N_PAST):
                past = past + (older[i],)
        if LENGTH > 1:
            h = emptied(h, full, LAYERS)
            c = emptied(c, full, LAYERS)

    if not FOLLOWS:
        store_groups(positions_out, replica, writes, r, 2, 3)
        store_groups(velocities_out, replica, writes, v, 2, 3)
    store_groups(last_update_out, replica, writes, update, OUT, PER)
    store_groups(coordinates_out, replica, writes, past, N_PAST, SEEN_PER)
    for layer in tl.static_range(LAYERS):
        tl.store(hidden_out + layer * layer_size + state_at, h[layer], mask=held)
        tl.store(cell_out + layer * layer_size + state_at, c[layer], mask=held)
