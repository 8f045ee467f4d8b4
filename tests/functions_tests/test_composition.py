"""What the functions refuse alike, wherever the arrays are."""
import numpy
import pytest

from imsat import InputError, functions

LOGITS = numpy.array([[0, 20, 1], [1, 2, -3]])
ONES = numpy.ones(3)
FUSED = {
    'softmax_entropy': [LOGITS],
    'sigmoid_mutual_information': [LOGITS],
    'code_mutual_information': [LOGITS, [1, 2]],
    'softmax_kl': [LOGITS, LOGITS],
    'sigmoid_kl': [LOGITS, LOGITS],
    'code_kl': [LOGITS, LOGITS, [1, 2]],
    'batch_normalization_relu': [LOGITS, ONES, ONES]}


def refuses_float16(xp, name, arguments):
    """Its sums overflow, and the authors' 1e-8 is 0 in it: values were NaN."""
    def call(dtype):
        return getattr(functions, name)(*(
            xp.asarray(argument.astype(dtype))
            if isinstance(argument, numpy.ndarray) else argument
            for argument in arguments))
    with pytest.raises(InputError, match='^[^\n]* dtype float16; give float32 '
                                         'or float64[^\n]*$'):
        call('e')
    for dtype in 'fd':
        call(dtype)


@pytest.mark.parametrize('name', FUSED)
def test_float16_is_refused(xp, name):
    refuses_float16(xp, name, FUSED[name])


def test_float16_is_refused_without_a_kernel():
    refuses_float16(numpy, 'pairwise_mutual_information', [LOGITS / 20])


# Means of nothing were NaN, and so were running statistics; or an error of
# NumPy's, where a GPU had 0.
@pytest.mark.parametrize('rows,columns', [(0, 3), (2, 0), (0, 0)])
@pytest.mark.parametrize('name', FUSED)
def test_no_row_or_column(everywhere, name, rows, columns):
    arguments = [
        argument if isinstance(argument, list) else everywhere.asarray(
            argument[..., :columns][:rows if argument.ndim == 2 else None]
            .astype('f')) for argument in FUSED[name]]
    with pytest.raises(InputError, match=(
            rf'^\w+ has shape \({rows}, {columns}\); give at least one row')):
        getattr(functions, name)(*arguments)
