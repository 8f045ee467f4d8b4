"""Batch normalization and ReLU in one."""
import functools
from typing import Any

import chainer
import chainer.functions as F
import numpy
from chainer.utils import type_check

from imsat.cuda import batch_normalization_relu as kernels
from imsat.cuda import runtime
from imsat.functions.compiled import compiled
from imsat.functions.composition import FusedFunction, expect_table
from imsat.errors import InputError
from imsat.hints import Array, VariableOrArray
from imsat.parameters import Number, Tensor, checked
from imsat.ranks import current


class BatchNormalizationReLU(FusedFunction):
    """Passes over memory less often than the two functions one by one."""
    joins_ranks = True

    def __init__(self, eps, running_mean, running_var, decay):
        self._saved: Any = None
        self.eps = eps
        self.running_mean, self.running_var = running_mean, running_var
        self.decay = decay

    def check_type_forward(self, in_types):
        type_check._argname(in_types, ('x', 'gamma', 'beta'))
        x, gamma, beta = in_types
        expect_table('x', x)
        type_check.expect(
            gamma.dtype == x.dtype,
            beta.dtype == x.dtype,
            gamma.ndim == 1,
            beta.shape == gamma.shape,
        )
        type_check.expect(gamma.shape[0] == x.shape[1])

    def forward_cpu(self, inputs):
        x, gamma, beta = inputs
        mean = x.mean(axis=0)
        centred = x - mean
        n = len(x)
        var = numpy.einsum('ij,ij->j', centred, centred) / n
        ranks = current()
        if ranks.size > 1:
            n *= ranks.size
            mean, var = _join(ranks, mean, var)
            centred = x - mean
        inv_std = 1 / numpy.sqrt(var + x.dtype.type(self.eps))
        y = centred * (gamma * inv_std)
        y += beta
        numpy.maximum(y, 0, out=y)
        self._update_statistics(n, mean, var)
        self._saved = centred, inv_std, y
        self.retain_inputs((0, 1, 2))
        # What units that decay still say would be subnormal, or its products
        # with weights, which are a hundred times as slow.
        is_off = abs(gamma) * numpy.sqrt(var) * inv_std < _least(x.dtype)
        if is_off.any():
            y = y.copy()
            y[:, is_off] = numpy.maximum(beta[is_off], 0)
        return y,

    def _update_statistics(self, n, mean, var):
        if self.running_mean is not None:
            self.running_mean *= self.decay
            self.running_mean += (1 - self.decay) * mean
            self.running_var *= self.decay
            self.running_var += (1 - self.decay) * n / max(n - 1, 1) * var

    def backward_cpu(self, indexes, inputs, grad_outputs):
        x, gamma, beta = inputs
        gy, = grad_outputs
        centred, inv_std, y = self._saved
        n = x.dtype.type(len(x))

        # Where the ReLU is open, as 0 and 1 of y's dtype; then the gradient.
        gz = numpy.greater(y, 0, out=numpy.empty_like(y), casting='unsafe')
        gz *= gy
        gbeta = gz.sum(axis=0)
        ggamma = numpy.einsum('ij,ij->j', gz, centred) * inv_std
        of_all_gamma, of_all_beta = current().average(ggamma, gbeta)
        gx = centred * (of_all_gamma * inv_std / n)
        numpy.subtract(gz, gx, out=gx)
        gx -= of_all_beta / n
        gx *= gamma * inv_std
        return gx, ggamma, gbeta

    def forward_gpu(self, inputs):
        self.retain_inputs((0, 1, 2))
        x, gamma, beta = inputs
        y, self._saved = kernels.forward(
            x, gamma, beta, self.eps, self.running_mean, self.running_var,
            self.decay)
        return y,

    def backward_gpu(self, indexes, inputs, grad_outputs):
        x, gamma, beta = inputs
        gy, = grad_outputs
        return kernels.backward(x, gamma, beta, self._saved, gy)

    def _compose(self, x, gamma, beta):
        return F.relu(F.batch_normalization(x, gamma, beta, eps=self.eps)),

    def forward_into(self, inputs, y):
        """:meth:`forward` of arrays, written to y."""
        x, gamma, beta = inputs
        loop = None if runtime.current.holds(x) or current().size > 1 \
            else _forward_loop()
        if loop is None:
            y[...], = self.forward(inputs)
            return
        mean, var, inv_std = numpy.empty((3, x.shape[1]), x.dtype)
        loop(x, gamma, beta, x.dtype.type(self.eps), _least(x.dtype), y, mean,
             var, inv_std)
        self._update_statistics(len(x), mean, var)
        self._saved = mean, inv_std

    def backward_into(self, inputs, gy, ggamma, gbeta):
        """The gradients of arrays, after :meth:`forward_into`.

        That to x replaces gy; the other two are added to what is there.
        """
        x, gamma, beta = inputs
        loop = None if runtime.current.holds(x) or current().size > 1 \
            else _backward_loop()
        if loop is None:
            gy[...], gg, gb = self.backward_arrays((0, 1, 2), inputs, (gy,))
            ggamma += gg
            gbeta += gb
            return
        loop(x, gamma, beta, *self._saved, gy, ggamma, gbeta)


def _join(ranks, mean, var):
    """Mean and variance of the rows of all ranks, from those of each."""
    m = mean.astype(numpy.float64)
    # In float64 one message does: what cancels was rounded away before.
    m, squares = ranks.average(m, var + m * m)
    return (m.astype(mean.dtype),
            numpy.maximum(squares - m * m, 0).astype(mean.dtype))


@functools.cache
def _least(dtype):
    # Of which three may be multiplied.
    return numpy.cbrt(numpy.finfo(dtype).tiny)


# Rows are taken one after the other: all that is kept of columns stays in a
# core's own cache.  (A 0 of Python's would make float64 of float32.)


@compiled()
def _forward_loop(x, gamma, beta, eps, least, y, mean, var, inv_std):
    n, d = x.shape
    zero, one, count = x.dtype.type(0), x.dtype.type(1), x.dtype.type(n)
    mean[:] = zero
    var[:] = zero
    for i in range(n):
        row = x[i]
        for j in range(d):
            mean[j] += row[j]
    for j in range(d):
        mean[j] /= count
    for i in range(n):
        row = x[i]
        for j in range(d):
            centred = row[j] - mean[j]
            var[j] += centred * centred
    scale = numpy.empty_like(mean)
    for j in range(d):
        var[j] /= count
        inv_std[j] = one / numpy.sqrt(var[j] + eps)
        scale[j] = gamma[j] * inv_std[j]
        if abs(gamma[j]) * numpy.sqrt(var[j]) * inv_std[j] < least:
            scale[j] = zero
    for i in range(n):
        row, out = x[i], y[i]
        for j in range(d):
            z = (row[j] - mean[j]) * scale[j] + beta[j]
            # NaN stays NaN.
            out[j] = zero if z < zero else z


@compiled()
def _backward_loop(x, gamma, beta, mean, inv_std, gy, ggamma, gbeta):
    n, d = x.shape
    zero, count = x.dtype.type(0), x.dtype.type(n)
    g, gb = numpy.zeros_like(mean), numpy.zeros_like(mean)
    scale = numpy.empty_like(mean)
    for j in range(d):
        scale[j] = gamma[j] * inv_std[j]
    for i in range(n):
        row, grad = x[i], gy[i]
        for j in range(d):
            centred = row[j] - mean[j]
            is_open = centred * scale[j] + beta[j] > zero
            gz = grad[j] if is_open else zero
            grad[j] = gz
            gb[j] += gz
            g[j] += gz * centred
    for j in range(d):
        g[j] *= inv_std[j]
        ggamma[j] += g[j]
        gbeta[j] += gb[j]
        g[j] *= inv_std[j] / count
        gb[j] /= count
    for i in range(n):
        row, grad = x[i], gy[i]
        for j in range(d):
            grad[j] = (grad[j] - (row[j] - mean[j]) * g[j] - gb[j]) * scale[j]


_running = Tensor(optional=True)


@checked(x=Tensor(), gamma=Tensor(), beta=Tensor(), eps=Number(),
         running_mean=_running, running_var=_running, decay=Number(0, 1))
def batch_normalization_relu(
        x: VariableOrArray, gamma: VariableOrArray, beta: VariableOrArray,
        eps: float = 2e-5, running_mean: Array | None = None,
        running_var: Array | None = None, decay: float = .9
) -> chainer.Variable:
    r"""Normalises by the statistics of the batch, then rectifies.

    .. math::
        y = \max(0, \gamma (x - \mu_B) / \sqrt{\sigma_B^2 + eps} + \beta)

    Equal to ``F.relu(F.batch_normalization(x, gamma, beta))``.

    Args:
        x (Variable or array): Shape (B, D), float32 or float64.
        gamma, beta (Variable or array): Scale and shift, shape (D,), of x's
            dtype.
        eps (float): Chainer's 2e-5.
        running_mean, running_var (array): Shape (D,), updated in place, the
            variance with its unbiased estimate; None leaves them alone.  (On
            a CPU Chainer 1 added ``eps`` to the variance that it stored;
            Chainer 7 and this function don't.)
        decay (float): Of the running statistics.

    Returns:
        Variable: Shape (B, D).

    Example:
        >>> x = numpy.array([[1.], [3.]])  # mean 2, variance 1
        >>> gamma, beta = numpy.array([2.]), numpy.array([.5])
        >>> imsat.functions.batch_normalization_relu(x, gamma, beta, 0).array
        array([[0. ],
               [2.5]])
    """
    shapes = {getattr(running, 'shape', None)
              for running in (running_mean, running_var)}
    if shapes != {None} and shapes != {x.shape[1:]}:
        raise InputError(f'x has shape {x.shape}; give two running '
                         f'statistics of a number for each column, or none')
    y, = BatchNormalizationReLU(
        eps, running_mean, running_var, decay).apply((x, gamma, beta))
    return y
