import chainer


def gradient_of(compose, inputs, grad_outputs):
    """Gradients that can be differentiated once more.

    A fused function computes its gradient on arrays.  Where that itself is
    to be differentiated, the same function composed of Chainer's takes over.

    Args:
        compose: Function of ``*inputs`` to a tuple of Variables.
        inputs (tuple of Variable): What to differentiate by.
        grad_outputs (tuple): A gradient for each output, or None.
    """
    pairs = [(y, gy) for y, gy in zip(compose(*inputs), grad_outputs)
             if gy is not None]
    outputs, grad_outputs = zip(*pairs)
    return tuple(chainer.grad(outputs, inputs, grad_outputs,
                              enable_double_backprop=True))
