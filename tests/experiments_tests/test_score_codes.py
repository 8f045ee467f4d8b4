"""Scores of codes that somebody else made."""
import numpy
import pytest
import score_codes
import scripts
from common.scripts import main

from imsat import InputError
from imsat.retrieval import retrieval_scores
from imsat.storage import load_json

RNG = numpy.random.default_rng(0)
BITS = RNG.integers(0, 2, (40, 12))
LABELS = numpy.arange(40) % 3
SEVERAL = RNG.random((40, 4)) < .5
SEVERAL[:, 0] |= ~SEVERAL.any(axis=1)
QUERY = numpy.array([3, 8, 30])
GALLERY = numpy.setdiff1d(numpy.arange(40), QUERY)
PACKED = numpy.packbits(BITS, axis=1)


def expected(labels=LABELS, k=None):
    return retrieval_scores(PACKED[QUERY], labels[QUERY], PACKED[GALLERY],
                            labels[GALLERY], 12, k)


def scores(tmp_path, *options, **arrays):
    numpy.savez(tmp_path / 'codes.npz', **arrays)
    score_codes.run(score_codes.get_options([
        str(tmp_path / 'codes.npz'), '--out', str(tmp_path / 'scores.json'),
        *options]))
    return load_json(tmp_path / 'scores.json')


def apart(codes, labels=LABELS):
    return dict(query_codes=codes[QUERY], gallery_codes=codes[GALLERY],
                query_labels=labels[QUERY], gallery_labels=labels[GALLERY])


@pytest.mark.parametrize('codes', [
    BITS, BITS.astype('u1'), BITS.astype(bool), BITS.astype('f'),
    2 * BITS - 1, 2. * BITS - 1, (2 * BITS - 1).astype('i1')])
@pytest.mark.parametrize('labels', [LABELS, LABELS.astype(str), SEVERAL,
                                    SEVERAL.astype('f')])
def test_every_form(tmp_path, codes, labels):
    result = scores(tmp_path, **apart(codes, labels))
    assert result['bits'] == 12 and result['queries'] == 3
    assert {**result, **expected(labels)} == result


@pytest.mark.parametrize('codes,options', [
    (PACKED, ['--bits', '12']), (BITS.astype('u1'), ['--bits', '12'])])
@pytest.mark.parametrize('query', [QUERY, numpy.isin(numpy.arange(40), QUERY)])
def test_packed(tmp_path, codes, options, query):
    result = scores(tmp_path, *options, '--map-at', '7', codes=codes,
                    labels=LABELS, query=query)
    assert {**result, **expected(k=7)} == result
    both = scores(tmp_path, *options, codes=codes, labels=LABELS, query=query,
                  gallery=GALLERY[::-1])
    assert both['map_step'] == result['map_step']
    # All bits, if nobody says how many they are.
    assert scores(tmp_path, codes=PACKED, labels=LABELS,
                  query=query)['bits'] == 16


@pytest.mark.parametrize('arrays,options,message', [
    (dict(codes=BITS, labels=LABELS), [], 'has no query, and not all of'),
    (dict(query_codes=BITS, gallery_codes=BITS), [], 'no codes and no labels'),
    (apart(BITS - .5), [], 'threshold them first'),
    (apart(BITS * 2 - 1.01), [], 'threshold them first'),
    (apart((2 * BITS - 1) * (RNG.random(BITS.shape) < .9)), [], 'threshold'),
    (apart(numpy.where(BITS, numpy.nan, 1)), [], 'threshold'),
    (apart(BITS[:, 0]), [], 'a row of as many'),
    (apart(BITS.astype(str)), [], 'a row of as many'),
    (dict(apart(BITS), query_codes=BITS[QUERY, 1:]), [], 'a row of as many'),
    (apart(BITS), ['--bits', '13'], 'neither bytes nor rows of 13'),
    (apart(PACKED), ['--bits', '17'], 'takes 3'),
    (apart(PACKED), ['--bits', '9'], 'beyond the first 9'),
    (apart(numpy.zeros((40, 300))), [], '300 bits are not supported'),
    (apart(numpy.zeros((40, 33), 'u1') + 7), [], '264 bits are not'),
    (apart(BITS, numpy.ones((40, 2)) * .5), [], 'row of 0 and 1'),
    (apart(BITS, numpy.zeros((40, 2))), [], 'shares no label'),
    (dict(apart(BITS), query_labels=LABELS[:2]), [], 'labels of 3 queries'),
    (dict(codes=BITS, labels=LABELS[1:], query=QUERY), [], 'row for each'),
    *((dict(codes=BITS, labels=LABELS, query=query), [], 'numbers of rows')
      for query in ([40], [-1], [1, 1], [1.], [[1]], ['a'], [True])),
    (dict(codes=BITS, labels=LABELS, query=[], gallery=GALLERY), [],
     'numbers of rows'),
    (dict(codes=BITS, labels=LABELS, query=numpy.zeros(40, bool)), [],
     'at least one'),
    (dict(codes=BITS, labels=LABELS, query=QUERY, gallery=numpy.arange(40)),
     [], '3 of its rows in query and in gallery, number 3 first'),
    (dict(codes=BITS, labels=LABELS, query=QUERY.astype('u8'),
          gallery=numpy.arange(40) > 20), [],
     '1 of its rows .* number 30 first'),
    (dict(query_codes=BITS, query_labels=LABELS, gallery_codes=BITS,
          gallery_labels=LABELS), [], 'the same codes with the same labels'),
    (dict(codes=3, labels=LABELS, query=QUERY), [], 'for 0 codes'),
    (dict(codes=numpy.array([None]), labels=LABELS), [], 'without pickle')])
def test_bad_codes(tmp_path, arrays, options, message):
    with pytest.raises(InputError, match=message) as info:
        scores(tmp_path, *options, **arrays)
    assert '\n' not in str(info.value)


@pytest.mark.parametrize('argv', [
    [], ['codes.npz', '--bits', '0'], ['codes.npz', '--map-at', '0'],
    ['codes.npz', '--map-at', 'all'], ['']])
def test_bad_options(argv):
    with pytest.raises(SystemExit):
        score_codes.get_options(argv)


def test_what_is_printed(tmp_path, capsys):
    numpy.savez(tmp_path / 'codes.npz', **apart(BITS))
    process = scripts.run('score_codes', 'codes.npz', '--map-at', 5,
                          cwd=tmp_path)
    assert process.returncode == 0 and not process.stderr
    lines = process.stdout.splitlines()
    assert lines[0] == '3 queries among 37 items, codes of 12 bits'
    map_ = expected(k=5)
    assert f'{map_["map_step"]:.1%} (step)' in lines[1]
    assert lines[2] == f'mAP of the first 5 {map_["map_at_5"]:.1%}'
    assert main(score_codes.run, lambda: score_codes.get_options(
        [str(tmp_path / 'none.npz')]), None) == 2
    assert 'none.npz' in capsys.readouterr().err
