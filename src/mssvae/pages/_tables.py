"""The page that shows the tables of a run.

Plain HTML, which needs no script: a browser finds text in it, and it prints. itables would bring
sorting, and hide every table until its 600 kB of scripts have run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table with what a reader needs to know about it.

    Attributes
    ----------
    title, caption
        Plain text.
    frame
        The table; its index is not shown.
    """

    title: str
    caption: str
    frame: pd.DataFrame


def tables(run: str, shown: Iterable[Table]) -> str:
    """Return a page with the tables of a run, as HTML; equal tables give an equal page.

    Numbers have four significant digits, missing values are empty.

    Parameters
    ----------
    run
        Name of the run, for the title.
    shown
        The tables, in the order of display.
    """
    contents, sections = [], []
    for i, table in enumerate(shown):
        title = escape(table.title)
        caption = escape(table.caption)
        frame = table.frame.astype(object).where(table.frame.notna(), "")
        html = frame.to_html(index=False, border=0, float_format="{:.4g}".format)
        contents.append(f'<li><a href="#table-{i}">{title}</a></li>')
        sections.append(
            f'<section class="wide" id="table-{i}"><h2>{title}</h2><p>{caption}</p>\n'
            f'<div class="scroll" tabindex="0" aria-label="{title}">{html}</div></section>'
        )
    folder = files(__package__)
    return Template(folder.joinpath("tables.html").read_text()).substitute(
        css=folder.joinpath("page.css").read_text(),
        run=escape(run),
        contents="\n".join(contents),
        sections="\n".join(sections),
    )
