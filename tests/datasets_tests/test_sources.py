"""Files that are fetched; the server is a local one."""
import hashlib

import pytest

from imsat import InputError
from imsat.datasets import Files
from imsat.errors import ArgumentError

CONTENT = b'published' * 300000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def published(files, site, sha256=SHA256, name='a.gz'):
    return files.published('below/a.gz', f'{site[1]}/{name}', sha256,
                           'put it there')


def kept(tmp_path):
    return sorted((tmp_path / 'cache').glob('*'))


def test_fetched_once(tmp_path, site):
    (site[0] / 'a.gz').write_bytes(CONTENT)
    path = published(Files(), site)
    assert path.read_bytes() == CONTENT and kept(tmp_path) == [path]
    (site[0] / 'a.gz').unlink()
    assert published(Files(fetch=False), site) == path
    # What is damaged is fetched again, and left alone where it may not be.
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match='put it there'):
        published(Files(fetch=False), site)
    (site[0] / 'a.gz').write_bytes(CONTENT)
    assert published(Files(), site).read_bytes() == CONTENT


@pytest.mark.parametrize('content', [
    CONTENT[:-1], CONTENT + b'x', b'', b'P' + CONTENT[1:]])
def test_another_file_than_published(tmp_path, site, content):
    (site[0] / 'a.gz').write_bytes(content)
    with pytest.raises(InputError, match='is not the published file'):
        published(Files(), site)
    assert kept(tmp_path) == []


def test_out_of_reach(tmp_path, site):
    with pytest.raises(ArgumentError, match='data_dir .*404.*put it') as info:
        published(Files(), site)
    assert info.value.option == '--data-dir' and kept(tmp_path) == []
    with pytest.raises(ArgumentError, match='could not be fetched'):
        Files().published('a', 'http://127.0.0.1:1/a', SHA256, 'put it there')


@pytest.mark.parametrize('place', ['a.gz', 'below/a.gz'])
def test_the_folder_goes_first(tmp_path, site, place):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENT)
    assert published(Files(tmp_path), site) == path
    path.write_bytes(CONTENT[1:])
    with pytest.raises(InputError, match='is not the published file'):
        published(Files(tmp_path), site)
