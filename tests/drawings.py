"""What a figure draws."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def drawn_texts(figure, monkeypatch):
    """Draw the figure; return the texts that were drawn and their boxes in pixels, [n x 4]."""
    texts, boxes = [], []
    draw = Text.draw

    def record(self, renderer, *args, **kwargs):
        draw(self, renderer, *args, **kwargs)
        if self.get_text().strip():
            texts.append(self.get_text())
            boxes.append(self.get_window_extent(renderer).extents)

    monkeypatch.setattr(Text, "draw", record)
    FigureCanvasAgg(figure).draw()
    return texts, np.array(boxes)
