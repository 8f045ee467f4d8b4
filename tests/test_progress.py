import io
import sys

from imsat.progress import ProgressBar


def test_bar(capsys):
    with ProgressBar(5, 'GIST', 'image') as bar:
        bar.update(2)
        bar.update(3)
    shown = capsys.readouterr().err
    assert shown.rsplit('\r', 1)[-1].startswith('GIST: 100%')
    assert '5/5' in shown and 'image/s' in shown


def test_disabled(capsys):
    with ProgressBar(5, disable=True) as bar:
        bar.update(5)
    assert capsys.readouterr() == ('', '')


def test_a_log_is_not_filled(capsys):
    with ProgressBar(10000) as bar:
        assert bar.mininterval == 60
        for _ in range(10000):
            bar.update(1)
    # The first and the last.
    assert capsys.readouterr().err.count('\r') == 2


def test_a_notebook_is_kept_up_to_date(monkeypatch):
    # Its streams are no terminals.
    monkeypatch.setitem(sys.modules, 'ipykernel.zmqshell', sys)
    with ProgressBar(5) as bar:
        assert bar.mininterval == .1


def test_a_terminal_is_kept_up_to_date(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True
    monkeypatch.setattr(sys, 'stderr', Terminal())
    with ProgressBar(5) as bar:
        assert bar.mininterval == .1
