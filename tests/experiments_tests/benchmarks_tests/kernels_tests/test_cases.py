"""Every contestant of every case, at a tiny size and without a GPU."""
import importlib.util

import numpy
import pytest
import simt
from benchmarks.kernels import CASES
from benchmarks.kernels.case import is_array
from benchmarks.kernels.timing import INSTRUCTIONS, RARE

from imsat.cuda import kernels

# Kernels that no case runs, with a reason each.
WITHOUT_CASE = {
    # They change what they are given: benchmark_step.py times the step.
    'adam_update', 'weight_decay'}

# By hand, in elements of 4 bytes, for 7 rows of 5, or of 9 in directions.
N_ELEMENTS = {
    'softmax_entropy_forward': 35 + 35 + 7 * 4 + 5 * 2,
    'softmax_entropy_backward': 35 + 35 + 7 * 2 + 5 * 2,
    'sigmoid_mutual_information_forward': 3 * 35 + 3 * 25 + 13 * 5,
    'sigmoid_mutual_information_backward': 5 * 35 + 25 + 3 * 5,
    # 3 heads of 4 values; tables of int64.
    'code_mutual_information_forward':
        4 * 84 + 4 * 21 + 3 * 144 + 11 * 12 + 2 * (2 * 12 + 4),
    'code_mutual_information_backward':
        5 * 84 + 2 * 21 + 144 + 3 * 12 + 2 * 4,
    'softmax_kl_forward': 70 + 7 * 4,
    'softmax_kl_backward': 70 + 70 + 7 * 4,
    'sigmoid_kl_forward': 70,
    'sigmoid_kl_backward': 2 * (70 + 35),
    'random_directions': 63,
    'scale_rows': 63 + 63 + 7,
    'batch_normalization_relu_forward': 3 * 35 + 8 * 5,
    'batch_normalization_relu_backward': 5 * 35 + 10 * 5,
    'softmax_entropy_at_once': 70, 'sigmoid_mutual_information_at_once': 70,
    'softmax_kl_at_once': 3 * 35, 'sigmoid_kl_at_once': 3 * 35,
    'random_perturbations': 3 * 63,
    # 3 groups.
    'batch_normalization_relu_groups_forward': 3 * 2 * 35,
    'batch_normalization_relu_groups_backward': 3 * 3 * 35,
    'random_affine_matrices': 7 * 6 * 2,
    'affine_transform_forward': 2 * 90 + 3 * 6 * 2,
    'affine_transform_backward': 2 * 90 + 3 * 6 * 2,
    # Of 3 rows with 20 points the 4 nearest, of 9 columns the 5 candidates.
    'select_nearest': 60 + 20 + 12 + 2 * 12,
    'distance_of_rank': 3 * 9 + 15 * 9 + 2 * 15 + 2 * 3,
    'sigma_t': 2 * 20 * 20 + 20 * 9,
    # 7 codes of 37 bits: 5 bytes, 2 words.
    'pack_bits': 7 * 37 + 35 / 4,
    'codes_to_words': 35 / 4 + 14,
    'words_to_codes': 14 + 35 / 4,
    # 3 and 7 codes of a word, distances of 2 bytes, counts of 8.
    'hamming_distances': 10 + 21 / 2,
    'hamming_histograms': 10 + 2 * 10 + 2 * 2 * 30,
    'hamming_nearest': 2 * 10 + 12 + 2 * 12,
    # Of 512 codes 1 + 9 + 36 + 84 are near: of 21 pairs, 5.3.
    'hamming_within': 2 * 10 + 5 + 2 * 5 + 2 * 4,
}

each_case = pytest.mark.parametrize('case', CASES, ids=lambda case: case.name)
needs_torch = pytest.mark.skipif(
    not importlib.util.find_spec('torch'), reason='PyTorch is not installed')


def host_inputs(case):
    return case.inputs(numpy.random.default_rng(0), **case.tiny)


def run(case, prepare, repeats=2):
    function = prepare(*(simt.asarray(x) if is_array(x) else x
                         for x in host_inputs(case)))
    for _ in range(repeats):
        outputs = function()
    return outputs


def check(case, outputs):
    expected = case.reference(numpy, host_inputs(case))
    assert case.error(numpy, outputs, expected) <= case.tolerance


@pytest.mark.by_turns(4)
@each_case
def test_ours(emulator, case):
    outputs = run(case, case.contestants(numpy)['ours'])
    assert emulator.launches
    check(case, outputs)


@each_case
@pytest.mark.parametrize('name', ['plain', 'original'])
def test_others(case, name):
    prepare = case.contestants(numpy).get(name)
    if prepare is None:
        pytest.skip('there is none')
    check(case, run(case, prepare))


@needs_torch
@each_case
def test_torch(case):
    import torch
    prepare = case.contestants(numpy, torch, compiled=False)
    assert 'compiled' not in prepare
    if case.torch is None:
        pytest.skip('there is none')
    check(case, run(case, prepare['torch']))


@needs_torch
def test_compiled():
    import torch
    import torch._functorch.config as config
    from benchmark_kernels import allow_repeats
    allow_repeats(config)
    case, = (case for case in CASES if case.name == 'softmax_kl_backward')
    check(case, run(case, case.contestants(numpy, torch)['compiled']))


@each_case
def test_bytes(case):
    assert case.n_bytes(**case.tiny) == 4 * N_ELEMENTS[case.name]


@each_case
def test_operations(case):
    for size in (case.tiny, *case.paper, *case.large):
        operations = case.operations(**size)
        assert operations.keys() <= {*INSTRUCTIONS, *RARE}
        assert all(n > 0 for n in operations.values())


def test_what_is_aimed_at():
    aims = {case.name: [case.at_most(**size) for size in case.paper]
            for case in CASES if any(
                case.at_most(**size) for size in case.paper)}
    assert aims == {'hamming_histograms': [1, None], 'sigma_t': [2000]}


@each_case
def test_sizes_have_the_same_names(case):
    assert case.paper and case.large
    for size in (*case.paper, *case.large):
        assert size.keys() == case.tiny.keys()


def test_names_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_every_kernel_has_a_case(emulator):
    names = set()
    for kernel in kernels.all_kernels():
        names |= (set(kernel.kernels) if isinstance(kernel, kernels.Source)
                  else {kernel.name})
    for case in CASES:
        run(case, case.contestants(numpy)['ours'], repeats=1)
    assert names - emulator.launches.keys() == WITHOUT_CASE


def test_error_of_the_worst_entry_of_the_worst_output():
    case = CASES[0]
    expected = numpy.array([1., 4.]), numpy.array(10.)
    assert case.error(numpy, expected, expected) == 0
    outputs = numpy.array([1.5, 4.], 'f'), numpy.array(11., 'f')
    assert case.error(numpy, outputs, expected) == .125
    assert case.error(numpy, (None, outputs[1]), expected) == .1
    assert case.error(
        numpy, (numpy.ones(3), outputs[1]), expected) == numpy.inf
    for nan in ((numpy.array([numpy.nan, 4]), expected[1]),
                (expected[0], numpy.array(numpy.nan))):
        assert case.error(numpy, nan, expected) == numpy.inf
    zero = numpy.zeros(2), expected[1]
    assert case.error(numpy, (numpy.array([0, .5]), expected[1]), zero) == .5


def test_errors_of_integers_do_not_wrap():
    a, b = (numpy.array([n], 'B') for n in (1, 2))
    assert CASES[0].error(numpy, (a,), (b,)) == .5


@pytest.mark.parametrize('name', ['random_directions', 'random_perturbations'])
def test_plain_numbers_are_drawn_as_they_are_used(name, monkeypatch):
    dtypes = []

    class Generator:
        def standard_normal(self, shape, dtype=numpy.float64):
            dtypes.append(numpy.dtype(dtype).char)
            return numpy.ones(shape, dtype)
    case, = (case for case in CASES if case.name == name)
    inputs = case.inputs(numpy.random.default_rng(0), **case.tiny)
    monkeypatch.setattr(numpy.random, 'default_rng', lambda seed: Generator())
    case.plain(numpy, *inputs)()
    assert dtypes == ['f']
