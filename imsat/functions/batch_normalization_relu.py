import chainer
import chainer.functions as F
from chainer import backend, function_node
from chainer.utils import type_check

from imsat.functions.composition import gradient_of


class BatchNormalizationReLU(function_node.FunctionNode):
    """Passes over memory less often than the two functions one by one."""

    def __init__(self, eps):
        self.eps = eps
        self.mean = self.var = None  # of the batch, once forward has run

    def check_type_forward(self, in_types):
        type_check._argname(in_types, ('x', 'gamma', 'beta'))
        x, gamma, beta = in_types
        type_check.expect(
            x.ndim == 2,
            x.dtype.kind == 'f',
            gamma.dtype == x.dtype,
            beta.dtype == x.dtype,
            gamma.ndim == 1,
            gamma.shape[0] == x.shape[1],
            beta.shape == gamma.shape,
        )

    def forward(self, inputs):
        x, gamma, beta = inputs
        xp = backend.get_array_module(x)
        self.mean = x.mean(axis=0)
        centred = x - self.mean
        self.var = xp.einsum('ij,ij->j', centred, centred) / len(x)
        inv_std = 1 / xp.sqrt(self.var + x.dtype.type(self.eps))
        y = centred * (gamma * inv_std)
        y += beta
        xp.maximum(y, 0, out=y)
        self._centred, self._inv_std = centred, inv_std
        self.retain_inputs((0, 1, 2))
        self.retain_outputs((0,))
        return y,

    def backward(self, indexes, grad_outputs):
        inputs = self.get_retained_inputs()
        if chainer.config.enable_backprop:
            return gradient_of(self._compose, inputs, grad_outputs)
        gamma = inputs[1].array
        y = self.get_retained_outputs()[0].array
        centred, inv_std = self._centred, self._inv_std
        xp = backend.get_array_module(y)
        n = y.dtype.type(len(y))

        # Where the ReLU is open, as 0 and 1 of y's dtype; then the gradient.
        gz = xp.greater(y, 0, out=xp.empty_like(y), casting='unsafe')
        gz *= grad_outputs[0].array
        gbeta = gz.sum(axis=0)
        ggamma = xp.einsum('ij,ij->j', gz, centred) * inv_std
        gx = centred * (ggamma * inv_std / n)
        xp.subtract(gz, gx, out=gx)
        gx -= gbeta / n
        gx *= gamma * inv_std
        return tuple(map(chainer.as_variable, (gx, ggamma, gbeta)))

    def _compose(self, x, gamma, beta):
        return F.relu(F.batch_normalization(x, gamma, beta, eps=self.eps)),


def batch_normalization_relu(x, gamma, beta, eps=2e-5, running_mean=None,
                             running_var=None, decay=.9):
    r"""Normalises by the statistics of the batch, then rectifies.

    .. math::
        y = \max(0, \gamma (x - \mu_B) / \sqrt{\sigma_B^2 + eps} + \beta)

    Equal to ``F.relu(F.batch_normalization(x, gamma, beta))``.

    Args:
        x (Variable or array): Shape (B, D), of a float dtype.
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
    """
    function = BatchNormalizationReLU(eps)
    y, = function.apply((x, gamma, beta))
    if running_mean is not None:
        n = len(y)
        running_mean *= decay
        running_mean += (1 - decay) * function.mean
        running_var *= decay
        running_var += (1 - decay) * n / max(n - 1, 1) * function.var
    return y
