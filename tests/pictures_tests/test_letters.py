import warnings

import matplotlib
import pytest
from matplotlib.figure import Figure

from imsat.pictures import contingency, letters


def test_a_font_of_ones_own(tmp_path):
    # Matplotlib's own font lacks this letter, another that it has does not.
    with warnings.catch_warnings(), matplotlib.rc_context(
            {'font.family': ['DejaVu Sans', 'STIXGeneral']}):
        warnings.simplefilter('error')
        contingency(tmp_path / 'a.png', ['a', '\u1d81'], [0, 1], 2)


def test_letters_that_no_font_has(tmp_path):
    with pytest.warns(UserWarning, match='boxes in a picture') as caught:
        contingency(tmp_path / 'a.png', ['a', '\U0010fffd'], [0, 1], 2)
    assert len(caught) == 1 and (tmp_path / 'a.png').stat().st_size > 1000


def test_fonts_are_asked_for_where_they_are_needed(monkeypatch):
    monkeypatch.setattr(letters, '_installed', lambda: ['A font'])
    figure = Figure()
    texts = [figure.text(0, 0, text) for text in ('é', '日本')]
    with letters.other_letters(figure):
        pass
    assert [text.get_fontfamily()[-1] for text in texts] == [
        'sans-serif', 'A font']


def test_other_warnings_stay():
    with pytest.warns(UserWarning, match='another'), \
            letters.other_letters(Figure()):
        warnings.warn('another')
