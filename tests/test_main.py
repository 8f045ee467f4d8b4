"""What ``python -m imsat`` says."""
import os
import re
import subprocess
import sys

import imsat
from imsat.__main__ import main
from scripts import EXPERIMENTS


def test_every_script_is_named_with_what_it_does(capsys):
    main()
    said = capsys.readouterr().out
    found = dict(re.findall(r'python experiments/(\w+)\.py\n +(.+)', said))
    assert found.keys() == {path.stem for path in EXPERIMENTS.glob('*.py')}
    assert next(iter(found)) == 'clustering'
    assert found['predict'] == ('Says of new points what a finished run says: '
                                'clusters or codes, as CSV.')
    assert imsat.__version__ in said


def test_who_reads_no_more():
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, '-m', 'imsat'], stdout=writer,
        stderr=subprocess.PIPE, text=True, cwd=EXPERIMENTS.parent)
    os.close(writer)
    assert process.stderr == ''


def test_of_an_installed_package(capsys, monkeypatch, tmp_path):
    # There may be somebody else's folder of that name.
    (tmp_path / 'experiments').mkdir()
    monkeypatch.setattr(imsat, '__file__', str(tmp_path / 'imsat/__init__.py'))
    main()
    assert 'not in the installed package' in capsys.readouterr().out
