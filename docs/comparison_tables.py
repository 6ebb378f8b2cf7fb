"""Write the tables of docs/comparison.md from docs/comparison.tsv, with new measures put in there.

python docs/comparison_tables.py results/compare/comparison/tables/comparison.tsv
"""

import sys
from pathlib import Path

import pandas as pd
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs/comparison.md"
MEASURED = REPOSITORY / "docs/comparison.tsv"
CONFIG = REPOSITORY / "config/compare.yaml"
START, END = "<!-- made by docs/comparison_tables.py -->\n", "<!-- end -->"

# Measures in the order of the columns, with decimals; those that no method has are left out.
COLUMNS = {
    "consensus": 2,
    "best_consensus": 2,
    "recovery": 2,
    "best_recovery": 2,
    "disentanglement": 2,
    "labels": 2,
    "specific_right": 2,
    "enriched": 2,
    "enriched_own": 2,
    "processes": 0,
    "processes_random": 1,
    "unseen": 3,
    "entries": 0,
    "n_factors": 0,
    "agreement_seeds": 2,
    "agreement_halves": 2,
    "seconds": 1,
    "peak_memory_mib": 0,
}
# With more of the possible entries a method counts as dense.
_MOST_OF_SPARSE = 0.5
_OURS = "mssvae"


def medians(table: pd.DataFrame) -> pd.DataFrame:
    """Return the medians of the measures over replicates, a row per data set and method."""
    keys = ["data", "method"]
    return table.pivot_table("value", keys, "measure", "median", dropna=False).dropna(how="all")


def data_table(name: str, config: dict, table: pd.DataFrame, values: pd.DataFrame) -> str:
    """Return the table of one data set in Markdown."""
    rows = table[table["data"] == name]
    of_data = values.loc[name]
    columns = [key for key in COLUMNS if key in of_data and of_data[key].notna().any()]
    replicates = sorted(rows.loc[rows["measure"] == "fitted", "replicate"].unique())
    of = ", ".join(map(str, replicates))
    lines = [f"**{config['data'][name]['title']}**" + (f", replicate {of}" if of != "1" else "")]
    lines += ["", row("method", *(key.replace("_", " ") for key in columns))]
    lines += ["|---" * (len(columns) + 1) + "|"]
    unsuitable = []
    for method, about in config["methods"].items():
        fitted = rows[(rows["method"] == method) & (rows["measure"] == "fitted")]
        title = about["title"]
        if 0 < len(fitted) < len(replicates):
            title += f" ({', '.join(map(str, sorted(fitted['replicate'])))})"
        if len(fitted) and not fitted["value"].any():
            note = str(fitted["note"].iloc[0])
            if note.startswith("not for these data"):
                unsuitable.append(title)
                continue
            lines.append(row(title, note, *[""] * (len(columns) - 1)))
        elif len(fitted):
            cells = (number(of_data.loc[method, key], COLUMNS[key]) for key in columns)
            lines.append(row(title, *cells))
    if unsuitable:
        lines += ["", f"Not for these data: {', '.join(unsuitable)}."]
    return "\n".join(lines)


def goals_table(config: dict, values: pd.DataFrame) -> str:
    """Return where the MSSVAE is beside the best of the others, in Markdown."""
    titles = {name: about["title"] for name, about in config["methods"].items()}
    ours = [name for name, about in config["methods"].items() if about["file"] == "mssvae"]
    heads = ["recovery", "recovery, best threshold", "unseen", "unseen, sparse ones"]
    heads += ["unseen, dense ones", "agreement, seeds", "agreement, halves", "seconds, sparse ones"]
    lines = [row("data", *heads), "|---" * (len(heads) + 1) + "|"]
    for name, about in config["data"].items():
        if (name, _OURS) not in values.index:
            continue
        own, others = values.loc[(name, _OURS)], values.loc[name].drop(ours, errors="ignore")
        others = others[others["n_factors"] > 0]
        entries = others["entries"] / others["n_factors"]
        sparse = entries <= _MOST_OF_SPARSE * entries.max()

        def best(key, rows, least=False, own=own):
            found = rows[key].dropna() if key in rows else pd.Series(dtype=float)
            if found.empty or pd.isna(own.get(key)):
                return ""
            first = found.idxmin() if least else found.idxmax()
            digits = COLUMNS[key]
            return f"{number(own[key], digits)}; {number(found[first], digits)} {titles[first]}"

        cells = [best("recovery", others), best("best_recovery", others), number(own["unseen"], 3)]
        cells += [best("unseen", others[sparse]), best("unseen", others[~sparse])]
        cells += [best(f"agreement_{pair}", others) for pair in ("seeds", "halves")]
        lines.append(row(about["title"], *cells, best("seconds", others[sparse], least=True)))
    return "\n".join(lines)


def row(*cells: str) -> str:
    """Return a row of a table in Markdown."""
    return "| " + " | ".join(cells) + " |"


def number(value: float, decimals: int) -> str:
    """Return a number as text, nothing for none."""
    return "" if pd.isna(value) else f"{value:.{decimals}f}"


def joined(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return a table with new measures in place of old ones of the same data, method, replicate."""
    keys = ["data", "method", "replicate"]
    again = pd.MultiIndex.from_frame(old[keys]).isin(pd.MultiIndex.from_frame(new[keys]))
    return pd.concat([old[~again], new]).sort_values(keys, kind="stable", ignore_index=True)


def page(table: pd.DataFrame) -> str:
    """Return the page with the tables of what was measured."""
    config = yaml.safe_load(CONFIG.read_text())["comparison"]
    values = medians(table)
    tables = [
        data_table(name, config, table, values) for name in config["data"] if name in values.index
    ]
    before, _, rest = PAGE.read_text().partition(START)
    parts = "\n\n".join([goals_table(config, values), *tables])
    return f"{before}{START}\n{parts}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    measured = pd.read_csv(MEASURED, sep="\t")
    for path in sys.argv[1:]:
        measured = joined(measured, pd.read_csv(path, sep="\t"))
    measured.to_csv(MEASURED, sep="\t", index=False, float_format="%.6g")
    PAGE.write_text(page(pd.read_csv(MEASURED, sep="\t")))
