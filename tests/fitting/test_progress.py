"""Progress on standard error of every kind."""

import io
import logging
import sys
from types import SimpleNamespace

import pytest

from mssvae import logs
from mssvae.fitting.progress import progress


class Tee:
    """What scripts put in the place of standard error to keep a copy."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


class Terminal(Tee):
    def isatty(self):
        return True


class NoTerminal(Tee):
    isatty = None


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def run(monkeypatch, stream, epochs=range(3), **how):
    monkeypatch.setattr(sys, "stderr", stream)
    bar = progress(epochs, **how)
    for _ in bar:
        bar.set_postfix(elbo="1.0", refresh=False)


@pytest.mark.parametrize("stream", [None, Tee(), NoTerminal(), io.StringIO(), closed()])
def test_what_is_no_terminal_has_no_bar(monkeypatch, stream):
    run(monkeypatch, stream)
    assert getattr(stream, "text", "") == ""


def test_a_terminal_has_a_bar_that_starts_where_training_does(monkeypatch):
    stream = Terminal()
    run(monkeypatch, stream, range(2, 5), done=2)
    assert "2/5" in stream.text
    assert "5/5" in stream.text


def test_the_bar_of_one_fit_is_below_that_of_all_and_goes_with_it(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in progress(range(2), "consensus", "fit"):
        for _ in progress(range(3)):
            pass
    lines = stream.text.split("\n")
    assert "consensus" in lines[0]
    assert "fit: " in lines[1]
    assert lines[-1].strip("\r ") == ""
    assert "2/2" in stream.text


@pytest.mark.parametrize("shell", [SimpleNamespace(kernel=object()), SimpleNamespace(), None])
def test_a_notebook_has_a_bar_and_another_shell_has_none(monkeypatch, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    stream = Tee()
    run(monkeypatch, stream)
    assert ("3/3" in stream.text) == hasattr(shell, "kernel")
    run(monkeypatch, None)


@pytest.fixture
def restored_logging():
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.mark.parametrize("stream", [None, Tee()])
def test_a_log_file_is_written_whatever_standard_error_is(
    monkeypatch, tmp_path, stream, restored_logging
):
    monkeypatch.setattr(sys, "stderr", stream)
    logs.log_to(tmp_path / "logs" / "log")
    logging.getLogger("mssvae").info("gene β")
    assert "INFO mssvae [log]: gene β" in (tmp_path / "logs" / "log").read_text(encoding="utf-8")
    assert stream is None or "gene β" in stream.text
