import functools
import http.server
import threading

import pytest


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def site(tmp_path):
    """A folder and the address where its files are served."""
    folder = tmp_path / 'site'
    folder.mkdir()
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever,
                                  kwargs={'poll_interval': .01})
        thread.start()
        yield folder, f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        thread.join()


class Planted:
    """What runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A pickle for scikit-learn's cache, and the file that it would write."""
    home = tmp_path / 'sklearn'
    (home / 'RCV1').mkdir(parents=True)
    monkeypatch.setenv('SCIKIT_LEARN_DATA', str(home))
    monkeypatch.delenv('IMSAT_DATA', raising=False)
    return home, Planted(tmp_path / 'it-ran')
