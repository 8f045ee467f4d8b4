"""Letters that Matplotlib's own font has not, as of Chinese or Japanese."""
import contextlib
import functools
import warnings
from collections.abc import Iterator

import matplotlib.font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

# Up to which letter its own font has nearly all.
LAST = 0x4ff
# Fonts with many more, of Linux, Windows and macOS.
OTHERS = ('Noto Sans CJK JP', 'Noto Sans CJK SC', 'Source Han Sans',
          'WenQuanYi Zen Hei', 'WenQuanYi Micro Hei', 'Droid Sans Fallback',
          'Microsoft YaHei', 'SimHei', 'Yu Gothic', 'MS Gothic',
          'Malgun Gothic', 'Arial Unicode MS', 'PingFang SC', 'Hiragino Sans',
          'Apple SD Gothic Neo')


@functools.cache
def _installed():
    names = {font.name for font in matplotlib.font_manager.fontManager.ttflist}
    return [name for name in OTHERS if name in names]


@contextlib.contextmanager
def other_letters(figure: Figure) -> Iterator[None]:
    """Draws a figure's letters by whatever font has them; one warning says if
    none does."""
    for text in figure.findobj(Text):
        if any(ord(letter) > LAST for letter in text.get_text()):
            text.set_fontfamily([*text.get_fontfamily(), *_installed()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        yield
    missing = False
    for warning in caught:
        if str(warning.message).startswith('Glyph '):
            missing = True
        else:
            warnings.warn_explicit(warning.message, warning.category,
                                   warning.filename, warning.lineno)
    if missing:
        warnings.warn(
            'boxes in a picture stand for letters that no font here has; '
            'install one, e.g. Noto Sans CJK')
