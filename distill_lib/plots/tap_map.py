"""Where a network can be tapped: its strides over its depth, and the pins that find_taps set."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from distill_lib.plots.style import COLOURS
from distill_lib.taps import Tap

RELUS, OTHERS = ("ReLU", "ReLU6"), ("SiLU", "GELU", "Hardswish")
"""Classes drawn as ticks and as crosses."""


class Call(NamedTuple):
    """One module's call within a forward: its name, its class, image size / output size."""

    name: str
    kind: str
    stride: float


def tap_map(ax: Axes, calls: Sequence[Call], taps: Sequence[Tap] = ()) -> None:
    """One network from left to right; pins are taps, with their number of channels.

    Args:
        ax: where to draw.
        calls: every module's call in order, spatial outputs only.
        taps: what is read, with channels and stride; of several calls the last counts.
    """
    depth = [100 * (i + 1) / len(calls) for i in range(len(calls))]
    strides = [call.stride for call in calls]
    ax.step(depth, strides, where="post", color="#bbbbbb", linewidth=4, solid_capstyle="butt")
    for kinds, marker, label in ((RELUS, "|", "ReLU"), (OTHERS, "x", "other activation")):
        at = [i for i, call in enumerate(calls) if call.kind in kinds]
        ax.plot(
            [depth[i] for i in at],
            [strides[i] for i in at],
            marker,
            color="black",
            markersize={"|": 8, "x": 4}[marker],
            label=label,
        )
    last = {call.name: i for i, call in enumerate(calls)}
    for i, tap in enumerate(taps):
        x = depth[last[tap.relu]]
        label = "chosen by find_taps" if i == 0 else None
        ax.plot(x, tap.stride, "v", color=COLOURS["teacher"], markersize=9, label=label)
        place, side = ((-6, 4), "right") if x > 15 else ((7, -8), "left")
        look = {"color": COLOURS["teacher"], "fontsize": 8, "ha": side}
        text = str(tap.channels)
        ax.annotate(text, (x, tap.stride), place, textcoords="offset points", **look)
    ax.set_yscale("log", base=2)
    ax.set_yticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
    ax.set(
        xlim=(0, 103),
        ylim=(0.8, 60),
        xlabel="depth (% of calls)",
        ylabel="stride (log)",
    )
