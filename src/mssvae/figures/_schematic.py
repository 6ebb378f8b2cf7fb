"""The model at a glance."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Patch, Rectangle

from mssvae.figures._common import (
    PAGE_WIDTH,
    SHARED_COLOUR,
    group_colours,
    in_style,
    text_colour_on,
)

_STUDIES = ("study 1", "study 2")
_OWNERS = ("shared", "study 1", "study 1", "study 2", "study 2")  # of the factors z1 to z5
# The factors z1 to z5 that each gene uses: a row per gene.
_MASK = ("10000", "10010", "11001", "11000", "01110", "10110", "00101", "00001")
_EXAMPLE = 2  # row of the gene j that is followed through the network

# Lengths and positions in inches, from the lower left corner.
_HEIGHT = 4.55
_CELL_WIDTH, _CELL_HEIGHT, _RADIUS = 0.25, 0.145, 0.11
_MASK_X = (1.12, 1.45, 1.70, 2.03, 2.28)  # left edges of the columns, a block per owner
_BLOCK_X = (1.245, 1.70, 2.28)  # middles of the blocks
_USED_X = (3.19, 3.445, 3.70, 3.955, 4.21)
_NETWORK_X, _NETWORK_WIDTH, _DATA_X = 4.72, 0.95, 6.22
_TOPS = (3.78, 1.98)  # upper edges of the masks of the studies
_BOTTOM = _TOPS[1] - len(_MASK) * _CELL_HEIGHT
_GREY = "0.4"


@in_style
def schematic() -> Figure:
    """Draw the sparse multi-study model for two studies (figure 1 of the paper, section 2.2).

    Factor z1 is shared, z2 and z3 belong to study 1, z4 and z5 to study 2. One gene is followed
    from the factors of a sample, through its row of the zero-padded mask and the network that
    all studies share, to its expression.
    """
    figure = Figure(figsize=(PAGE_WIDTH, _HEIGHT))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, PAGE_WIDTH), ylim=(0, _HEIGHT))
    axes.set_axis_off()
    for x, heading in (
        (_MASK_X[2] + _CELL_WIDTH / 2, "factors and zero-padded masks"),
        (_USED_X[2], "factors that gene j uses"),
        (_NETWORK_X + _NETWORK_WIDTH / 2, "one network"),
        (_DATA_X + _CELL_WIDTH / 2, "expression"),
    ):
        _text(axes, x, _HEIGHT - 0.2, heading, fontweight="bold")
    # A band ties the columns of the shared mask together.
    _box(axes, _MASK_X[0] - 0.04, _CELL_WIDTH + 0.08, facecolor="0.9", linewidth=0)
    _box(axes, _NETWORK_X, _NETWORK_WIDTH, facecolor="0.96", edgecolor="0.3")
    middle = (_BOTTOM + _TOPS[0]) / 2
    _text(axes, _NETWORK_X + _NETWORK_WIDTH / 2, middle + 0.15, r"$f_\theta$", fontsize=15)
    same = "the same for\nboth studies"
    _text(axes, _NETWORK_X + _NETWORK_WIDTH / 2, middle - 0.18, same, color=_GREY)
    stripes = "in the colours of\nthe factors used"
    _text(axes, _DATA_X + _CELL_WIDTH / 2, _BOTTOM - 0.2, stripes, color=_GREY)
    colours = {"shared": SHARED_COLOUR, **group_colours(_STUDIES)}
    for number, top in enumerate(_TOPS, start=1):
        _draw_study(axes, number, top, colours)
    figure.legend(
        handles=[
            Patch(color=colours["shared"]),
            Patch(color=colours["study 1"]),
            Patch(color=colours["study 2"]),
            Patch(facecolor="white", edgecolor="0.6", linewidth=0.5),
            Rectangle((0, 0), 0, 0, linewidth=0, fill=False),
            Patch(color="0.9"),
        ],
        labels=[
            "shared factor",
            "specific to study 1",
            "specific to study 2",
            "gene does not use the factor",
            "0: padding, the place of the other study's factors",
            "same weights in both studies",
        ],
        ncols=3,
        loc="lower center",
    )
    return figure


def _draw_study(axes: Axes, number: int, top: float, colours: dict[str, str]) -> None:
    """Draw the path of one study from its factors to its data."""
    study = _STUDIES[number - 1]
    present = [owner in ("shared", study) for owner in _OWNERS]
    # Factors of this study that each gene uses, gene x factor.
    uses = [[p and bit == "1" for p, bit in zip(present, row, strict=True)] for row in _MASK]

    above = top + 0.2
    _text(axes, 0.42, above, study.capitalize(), fontsize=9, fontweight="bold")
    _text(axes, _MASK_X[0] - 0.18, above, rf"$\tilde{{z}}_i^{{\,({number})}}$", fontsize=9)
    _text(axes, _DATA_X + _CELL_WIDTH / 2, above, rf"$x_i^{{\,({number})}}$", fontsize=9)
    for k, (x, owner) in enumerate(zip(_MASK_X, _OWNERS, strict=True)):
        _draw_factor(axes, x + _CELL_WIDTH / 2, above, k, present[k], colours)
        for j in range(len(_MASK)):
            _draw_cell(axes, x, top, j, [colours[owner]] if uses[j][k] else [])
            if not present[k]:
                y = top - (j + 0.5) * _CELL_HEIGHT
                _text(axes, x + _CELL_WIDTH / 2, y, "0", fontsize=5.5, color=_GREY)
    for j in range(len(_MASK)):
        owners = [owner for owner, used in zip(_OWNERS, uses[j], strict=True) if used]
        _draw_cell(axes, _DATA_X, top, j, [colours[owner] for owner in owners])
    names = [r"$W^{(S)}$", r"$W^{(1)}$", r"$W^{(2)}$"]
    names[3 - number] = "padding"
    for x, name in zip(_BLOCK_X, names, strict=True):
        _text(axes, x, top - len(_MASK) * _CELL_HEIGHT - 0.14, name)

    y = top - (_EXAMPLE + 0.5) * _CELL_HEIGHT
    mask_end = _MASK_X[-1] + _CELL_WIDTH
    _text(axes, _MASK_X[0] - 0.27, y, "gene j")
    for x, width in ((_MASK_X[0], mask_end - _MASK_X[0]), (_DATA_X, _CELL_WIDTH)):
        corner = (x, y - _CELL_HEIGHT / 2)
        axes.add_patch(Rectangle(corner, width, _CELL_HEIGHT, fill=False, linewidth=1.4, zorder=3))
    for k, x in enumerate(_USED_X):
        _draw_factor(axes, x, y, k, uses[_EXAMPLE][k], colours)
    product = rf"$\tilde{{w}}_j^{{\,({number})}} \odot \,\tilde{{z}}_i^{{\,({number})}}$"
    _text(axes, _USED_X[2], y + 0.3, product, fontsize=9)
    why = "its row of the mask sets the\nfactors it does not use to zero"
    _text(axes, _USED_X[2], y - 0.35, why, color=_GREY)
    _text(axes, _NETWORK_X + _NETWORK_WIDTH / 2, y, r"$f_{\theta,\,j}$", fontsize=9, color=_GREY)
    for start, end in (
        (mask_end, _USED_X[0] - _RADIUS),
        (_USED_X[-1] + _RADIUS, _NETWORK_X),
        (_NETWORK_X + _NETWORK_WIDTH, _DATA_X),
    ):
        axes.annotate("", (end, y), (start, y), arrowprops={"arrowstyle": "-|>", "color": "black"})


def _draw_cell(axes: Axes, x: float, top: float, j: int, colours: list[str]) -> None:
    """Draw the cell of gene j, split between the colours of the factors it uses."""
    y = top - (j + 1) * _CELL_HEIGHT
    width = _CELL_WIDTH / max(len(colours), 1)
    for i, colour in enumerate(colours or ["white"]):
        axes.add_patch(
            Rectangle((x + i * width, y), width, _CELL_HEIGHT, color=colour, linewidth=0)
        )
    outline = {"fill": False, "edgecolor": "0.6", "linewidth": 0.5}
    axes.add_patch(Rectangle((x, y), _CELL_WIDTH, _CELL_HEIGHT, **outline))


def _draw_factor(
    axes: Axes, x: float, y: float, k: int, used: bool, colours: dict[str, str]
) -> None:
    """Draw the value of a factor as a circle, or the zero that stands in its place."""
    colour = colours[_OWNERS[k]] if used else "white"
    edge = "0.3" if used else "0.6"
    axes.add_patch(Circle((x, y), _RADIUS, facecolor=colour, edgecolor=edge, linewidth=0.6))
    if used:
        _text(axes, x, y, f"$z_{k + 1}$", color=text_colour_on(colour))
    else:
        _text(axes, x, y, "0", color=_GREY)


def _box(axes: Axes, x: float, width: float, **look: object) -> None:
    """Draw a box from the top of the first study to the bottom of the second."""
    corners = "round,pad=0,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch((x, _BOTTOM), width, _TOPS[0] - _BOTTOM, boxstyle=corners, **look)
    )


def _text(axes: Axes, x: float, y: float, text: str, **look: object) -> None:
    axes.text(x, y, text, ha="center", va="center", **look)
