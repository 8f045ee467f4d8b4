"""The pages of docs/start/ do what they say, with less training."""
import functools
import importlib
import re
import shlex
from pathlib import Path

import pytest
import scripts

from imsat.datasets import Preparation
from imsat.storage import load_json

PAGES = Path(__file__).parents[1] / 'docs' / 'start'
# Pages whose files another reads.
BEFORE = {'embeddings': ['texts']}
QUICK = ['--epochs', '1', '--hidden', '5', '--batch-size', '40', '--quiet']


def parts(page):
    """The Python before the commands of a page, these, and that after them.
    """
    text = (PAGES / f'{page}.md').read_text(encoding='utf-8')
    commands = re.findall(r'^    python experiments/(\w+)\.py (.*)$', text,
                          re.M)
    before, after = (re.findall(r'```python\n(.*?)```', part, re.S) for part
                     in text.split('\n    python experiments/', 1))
    assert before and len(commands) > 1
    return before, commands, after


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('start')


@functools.cache
def make(page):
    for block in parts(page)[0]:
        exec(compile(block, page, 'exec'), {})


@pytest.mark.usefixtures('undrawn')
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('page', [path.stem for path in sorted(
    PAGES.glob('*.md'))])
def test_page(page, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for name in [*BEFORE.get(page, []), page]:
        make(name)
    _, commands, after = parts(page)
    absent = set()
    for script, options in commands:
        module, quick = importlib.import_module(script), [
            *QUICK, *(['--no-kmeans'] if script == 'clustering' else [])]
        args = module.get_options(scripts.once(*shlex.split(options), *(
            quick if script in ('clustering', 'hashing') else [])))
        if script == 'features':  # of a network that is not here
            absent.add(args.out)
        if script == 'features' or args.dataset in absent:
            continue
        module.run(args)
        if script == 'predict':
            assert len(Path(args.out).read_text().splitlines()) > 100
            continue
        result = load_json(f'{args.out}/result.json')
        assert result['n'] > 100
        assert Preparation.load(
            f'{args.out}/preprocessing.npz').dimension > 10
        # Labels were there to compare with.
        assert result['accuracy' if script == 'clustering'
                      else 'map_step'] > 0
    for block in after:
        if 'torch.onnx' in block:  # its packages are not here either
            continue
        exec(compile(block, page, 'exec'), {})


def test_all_pages_are_named():
    text = (PAGES.parent / 'data.md').read_text(encoding='utf-8')
    for path in PAGES.glob('*.md'):
        assert f'(start/{path.name})' in text
