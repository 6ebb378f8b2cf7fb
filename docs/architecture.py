"""Draw the rooms of the library and a fit's way through them into docs/architecture.md."""

import ast
import textwrap
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARY = REPOSITORY / "src/mssvae"
PAGE = REPOSITORY / "docs/architecture.md"
START, END = "<!-- made by docs/architecture.py -->\n", "<!-- end -->"

# From the top down: a room imports from the layers below its own, and from itself.
LAYERS = [
    ["pages"],
    ["figures"],
    ["evaluation", "replicates"],
    ["model", "metrics", "cohorts", "enrichment", "factors", "preprocess", "simulate"],
    ["results"],
    ["fitting"],
    ["moves"],
    ["core"],
    ["data", "pipeline", "provenance"],
    ["errors", "logs"],
]

# The way of `MSSVAE(adata).fit()`: where each step is, and what it hands on.
WAY = [
    ("mssvae.data.model_data.ModelData.read", "checked values, studies and units of the AnnData"),
    ("mssvae.fitting.decoders.new_module", "a module with starting values"),
    ("mssvae.fitting.decoders.with_decoder", "what `auto` stands for: the linear fit or networks"),
    ("mssvae.fitting.decoders.fit_module", "the fit: one of the two loops below"),
    ("mssvae.fitting.linear.loop.fit_linear", "posteriors and loadings in turn, rung by rung"),
    ("mssvae.moves.linear.MOVES", "moves that are tried between rungs, and kept or undone"),
    ("mssvae.fitting.networks.loop.fit", "an epoch: moves, batches, history, convergence"),
    ("mssvae.moves.networks.MOVES", "moves that are made a few times during training"),
    ("mssvae.data.batches.BatchSampler", "a batch, which goes on through the next three"),
    ("mssvae.core.encoders.Encoder", "posteriors of the factors, and a draw of them"),
    ("mssvae.core.decoder.Decoder", "outputs of the features"),
    ("mssvae.core.objective.backpropagate", "gradients, by which optimisers step"),
    ("mssvae.results.factors.describe", "tables of the fitted module"),
]


def about(room: str) -> str:
    """Return the first line of the docstring of a module or package of the library."""
    path = LIBRARY / room
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.get_docstring(ast.parse(path.read_text())).splitlines()[0].rstrip(".")


def picture() -> str:
    """Return both pictures as text, in Markdown."""
    width = 100
    lines = ["```text"]
    for i, layer in enumerate(LAYERS):
        lines.append(("├" if i else "┌") + "─" * width + ("┤" if i else "┐"))
        for room in layer:
            for j, line in enumerate(textwrap.wrap(about(room), width - 16)):
                lines.append(f"│ {room if not j else '':<12} {line:<{width - 15}} │")
    lines += [
        "└" + "─" * width + "┘",
        "```",
        "",
        "| step of a fit | what it hands on |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {what} |" for name, what in WAY]
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the page with pictures that are up to date."""
    before, _, rest = PAGE.read_text().partition(START)
    return f"{before}{START}\n{picture()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())
