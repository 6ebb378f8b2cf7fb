"""Names that are not ours, as texts of a figure: their letters, their fonts and their lines."""

import functools
import logging
import re
import unicodedata
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontPath, FontProperties, fontManager, get_font
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

log = logging.getLogger(__name__)

# A font in which every letter is a box that says what the letter is.
_BOXES = "Last Resort High-Efficiency"
_N_NAMED = 5  # names in a warning


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what matplotlib says, at each use, of letters that `use_fonts` warns of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def clean(text: object) -> str:
    """Return a name as one line: what cannot be drawn is a blank or the sign for it."""
    text = re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", str(text))
    text = text.replace("\N{ZERO WIDTH NO-BREAK SPACE}", "")
    return unicodedata.normalize("NFC", re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f]", " ", text))


def literal(text: object) -> str:
    """Return a text that is not ours such that matplotlib takes no part of it for a formula.

    Its lines stay; what is in a line is as `clean` returns it.
    """
    return "\n".join(map(clean, str(text).split("\n"))).replace("$", r"\$")


def wrapped(
    text: object, width: float, size: float, *, max_lines: int | None = None, weight="normal"
) -> str:
    """Break a name into lines of at most ``width`` points, at blanks or, in long words, anywhere.

    What takes more than ``max_lines`` is cut in its middle, as names often differ at their ends.
    `literal` has still to be applied.

    Parameters
    ----------
    text
        The name.
    width, size
        Of a line and of the font, in points.
    max_lines
        Default any number.
    weight
        Of the font.
    """
    text = " ".join(clean(text).split()) or "(no name)"

    def fits(line: str) -> bool:
        # Letters on a screen are set to whole pixels, which takes a little more.
        return 1.03 * text_width(line, size, weight) <= width

    def cut(n: int) -> list[str]:
        n_last = n // 3
        start, end = text[: n - n_last], text[len(text) - n_last :]
        # At a blank, if there is one.
        start, end = start.rpartition(" ")[0] or start, end.partition(" ")[2] or end
        return _lines(f"{start} … {end}", fits)

    with quiet():
        lines = _lines(text, fits)
        if max_lines is not None and len(lines) > max_lines:
            too_long = bisect_left(range(len(text)), True, key=lambda n: len(cut(n)) > max_lines)
            lines = cut(max(too_long - 1, 0))
    return "\n".join(lines)


def text_width(line: str, size: float, weight: str = "normal") -> float:
    """Return the width of a line in points; ``size`` and ``weight`` are those of the font."""
    words = line.split(" ")
    blank = _word_width("n n", weight) - _word_width("nn", weight)
    return size * (sum(_word_width(word, weight) for word in words) + blank * (len(words) - 1))


@functools.lru_cache(maxsize=10_000)
def _word_width(word: str, weight: str) -> float:
    """Return the width in a font of one point."""
    font = FontProperties(family=families(word), size=1, weight=weight)
    return text_to_path.get_text_width_height_descent(word, font, False)[0]


def _lines(text: str, fits: Callable[[str], bool]) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if fits(longer := f"{lines[-1]} {word}".strip()):
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        while not fits(word) and len(word) > 1:
            n = bisect_left(range(2, len(word)), True, key=lambda n: not fits(word[:n])) + 1
            lines[-1], word = word[:n], word[n:]
            lines.append("")
        lines[-1] = word
    return lines


def families(texts: Iterable[str]) -> list[str]:
    """Return the fonts of the style, and those of the machine with letters that they lack."""
    fonts = list(matplotlib.rcParams["font.family"])
    letters = _letters("".join(texts))
    for font in fonts:
        letters -= _letters_of(font)
    return [*fonts, *_fonts_with(frozenset(letters))]


def use_fonts(figure: Figure) -> None:
    """Give all texts of a figure the fonts their letters need; warn of letters that none has."""
    drawn = figure.findobj(Text)
    texts = [text.get_text() for text in drawn]
    fonts = families(texts)
    if len(fonts) > 1:
        for text in drawn:
            text.set_fontfamily(fonts)
    known = set().union(*map(_letters_of, fonts))
    lines = dict.fromkeys(line for text in texts for line in text.split("\n"))
    unread = [line for line in lines if _letters(line) - known]
    if unread:
        letters = sorted(set().union(*map(_letters, unread)) - known)
        log.warning(
            "no font of this machine has %s: drawn as boxes in %d text(s) (%s); install a font "
            "that has these letters, such as one of the Noto fonts, beside %s",
            ", ".join(f"{letter!r}" for letter in letters[:_N_NAMED]),
            len(unread),
            ", ".join(f"{line!r}" for line in unread[:_N_NAMED]),
            ", ".join(fonts),
        )


def _letters(text: str) -> set[str]:
    """Return the letters of a text that are to be seen."""
    return {
        c
        for c in set(text)
        if not c.isspace() and unicodedata.category(c) != "Cf" and not "\ufe00" <= c <= "\ufe0f"
    }


@functools.cache
def _letters_of(family: str) -> frozenset[str]:
    path = fontManager.findfont(FontProperties(family=family))
    return frozenset(map(chr, get_font(path).get_charmap()))


@functools.cache
def _fonts_with(letters: frozenset[str]) -> tuple[str, ...]:
    """Return the fewest fonts of the machine with those of the letters that any font has."""
    coverage = {}
    fonts = fontManager.ttflist if letters else []
    for font in sorted(fonts, key=lambda font: ("Sans" not in font.name, font.fname, font.index)):
        usual = font.style == "normal" and font.weight in ("normal", 400)
        if usual and font.name != _BOXES and font.name not in coverage:
            path = FontPath(font.fname, font.index)
            coverage[font.name] = letters.intersection(map(chr, get_font(path).get_charmap()))
    chosen = []
    while any(coverage.values()):
        best = max(coverage, key=lambda name: len(coverage[name]))
        chosen.append(best)
        coverage = {name: found - coverage[best] for name, found in coverage.items()}
    return tuple(chosen)
