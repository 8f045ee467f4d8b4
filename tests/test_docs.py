"""What the documents point to is there."""
import importlib
import re
from pathlib import Path

import pytest

import imsat

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')])

LINK = re.compile(r'\]\(([^)\s]+)\)')
SCRIPT = re.compile(r'\bexperiments/\w[\w/]*\.py\b')
TARGET = re.compile(r'^([\w-]+):', re.M)


def name_of(document):
    return document.relative_to(ROOT).as_posix()


@pytest.fixture(params=DOCUMENTS, ids=name_of)
def document(request):
    return request.param


def test_the_documents_are_found():
    assert {'README.md', 'CONTRIBUTING.md', 'docs/equations.md',
            'docs/tables/table-3.md'} <= set(map(name_of, DOCUMENTS))


def test_links(document):
    links = [link.partition('#')[0] for link in
             LINK.findall(document.read_text(encoding='utf-8'))
             if '://' not in link]
    missing = [link for link in links
               if link and not (document.parent / link).exists()]
    assert not missing


def test_scripts(document):
    # What changed its name stays named in the changelog.
    if document.name == 'CHANGELOG.md':
        return
    scripts = SCRIPT.findall(document.read_text(encoding='utf-8'))
    assert not [script for script in scripts if not (ROOT / script).exists()]


def test_targets_of_make():
    targets = set(TARGET.findall((ROOT / 'Makefile').read_text()))
    for name in 'README.md', 'CONTRIBUTING.md', 'docs/kernels.md':
        text = (ROOT / name).read_text(encoding='utf-8')
        named = re.findall(r'(?:^    |`)make ([\w-]+)', text, re.M)
        assert named and set(named) <= targets, name


def resolve(name):
    """The object of a dotted name, e.g. ``imsat.functions.softmax_kl``."""
    parts = name.split('.')
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module('.'.join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def names_in(document):
    text = (ROOT / document).read_text(encoding='utf-8')
    return sorted(set(re.findall(r'`(imsat(?:\.\w+)+)', text)))


def test_names_are_found():
    assert resolve('imsat.metrics.clustering_accuracy') \
        is imsat.clustering_accuracy
    with pytest.raises(AttributeError):
        resolve('imsat.functions.softmax_kll')


@pytest.mark.parametrize('name', names_in('docs/equations.md'))
def test_names_of_equations(name):
    assert callable(resolve(name))


@pytest.mark.parametrize('name', names_in('README.md'))
def test_names_of_the_readme(name):
    resolve(name)


def test_equations_are_complete():
    text = (ROOT / 'docs' / 'equations.md').read_text(encoding='utf-8')
    numbers = re.findall(r'^\| (\d+) \|', text, re.M)
    assert sorted(set(map(int, numbers))) == list(range(1, 19))


def test_every_kernel_has_its_equation():
    text = (ROOT / 'docs' / 'equations.md').read_text(encoding='utf-8')
    linked = set(re.findall(r'\(\.\./cuda/(\w+\.cu)\)', text))
    assert linked == {path.name for path in (ROOT / 'cuda').glob('*.cu')}


def test_the_readme_is_short():
    lines = (ROOT / 'README.md').read_text(encoding='utf-8').splitlines()
    assert len(lines) <= 130


def test_citation():
    text = (ROOT / 'CITATION.cff').read_text(encoding='utf-8')
    try:
        import yaml
    except ImportError:
        # Enough of YAML for what stands at the left edge.
        citation = dict(re.findall(r'^([\w-]+): *(.*)$', text, re.M))
    else:
        citation = yaml.safe_load(text)
    assert citation['cff-version'] == '1.2.0'
    assert citation['type'] == 'software' and citation['license'] == 'MIT'
    assert str(citation['version']) == imsat.__version__
    assert {'title', 'message', 'authors', 'preferred-citation'} <= set(
        citation)
    for author in 'Hu', 'Miyato', 'Tokui', 'Matsumoto', 'Sugiyama':
        assert f'family-names: {author}\n' in text


def test_changelog_has_this_version():
    text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    assert f'\n## [{imsat.__version__}]' in text
