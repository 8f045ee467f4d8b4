"""The pages of docs/start/ do what they say, with less training."""
import functools
import importlib
import re
import shlex
from pathlib import Path

import pytest

from imsat.datasets import Preparation
from imsat.storage import load_json

PAGES = Path(__file__).parents[1] / 'docs' / 'start'
# Pages whose files another reads.
BEFORE = {'embeddings': ['texts']}
QUICK = ['--epochs', '1', '--hidden', '5', '--batch-size', '40', '--quiet']


def parts(page):
    """The Python of a page, and the options of its commands by script."""
    text = (PAGES / f'{page}.md').read_text(encoding='utf-8')
    blocks = re.findall(r'```python\n(.*?)```', text, re.S)
    commands = re.findall(r'^    python experiments/(\w+)\.py (.*)$', text,
                          re.M)
    assert blocks and commands
    return blocks, commands


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('start')


@functools.cache
def make(page):
    for block in parts(page)[0]:
        exec(compile(block, page, 'exec'), {})


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('page', [path.stem for path in sorted(
    PAGES.glob('*.md'))])
def test_page(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    for name in [*BEFORE.get(page, []), page]:
        make(name)
    for i, (script, options) in enumerate(parts(page)[1]):
        out = f'{page}-{i}'
        quick = [*QUICK, '--out', out, *(
            ['--no-kmeans'] if script == 'clustering' else [])]
        module = importlib.import_module(script)
        module.run(module.get_options([*shlex.split(options), *quick]))
        result = load_json(f'{out}/result.json')
        assert result['n'] > 100
        assert Preparation.load(f'{out}/preprocessing.npz').dimension > 10
        # Labels were there to compare with.
        assert result['accuracy' if script == 'clustering'
                      else 'map_step'] > 0


def test_all_pages_are_named():
    text = (PAGES.parent / 'data.md').read_text(encoding='utf-8')
    for path in PAGES.glob('*.md'):
        assert f'(start/{path.name})' in text
