"""What the plan of a step launches for small batches: values and gradients
at once, batches and where they move, normalizations of several batches."""
import functools
from typing import Any

import numpy

from benchmarks.kernels.case import FLOAT, Case, direct, on_torch
from benchmarks.kernels.losses import (
    logits, plain_bits, plain_bits_backward, plain_entropies,
    plain_entropies_backward, plain_sigmoid_kl, plain_sigmoid_kl_backward,
    plain_softmax_kl, plain_softmax_kl_backward, softmax, torch_bits,
    torch_kl, torch_sigmoid_kl, two_logits)
from benchmarks.kernels.training import (
    BN_EPS, bn_inputs, generator, plain_bn, plain_bn_backward, plain_random)
from imsat.cuda import (
    batch_normalization_relu, directions, sigmoid_kl,
    sigmoid_mutual_information, softmax_entropy, softmax_kl)

# Of H(Y|X), H(Y) and what pairs share; of a distance.
WEIGHTS, WEIGHT = (.7, -2., 1.3), 1.7
GROUPS = 3
LENGTH = 2.


def at_once(name, *, inputs, ours, weights, forward, backward, torch,
            n_bytes, **case):
    """The case of a function that gives a weighted sum and its gradient to
    the last of its inputs.

    Args:
        name (str): It is called ``name_at_once``.
        inputs: ``(rng, **size)`` to a tuple of arrays.
        ours: ``(*inputs, weights)`` to the sum, last of what it gives first,
            and the gradient.
        weights (tuple or float): Those that it is given as an array.
        forward, backward: ``(xp, *inputs)`` to what is summed and what that
            keeps, and ``(xp, kept, *weights)`` to the gradient, or to several
            of which it is the last.
        torch: ``(torch, *inputs)`` to what is summed.
    """
    numbers = weights if isinstance(weights, tuple) else (weights,)

    def total(values):
        values = values if isinstance(values, tuple) else (values,)
        return sum(g * value for g, value in zip(numbers, values))

    def plain(xp, *inputs):
        values, kept = forward(xp, *inputs[:-1])
        gradient = backward(xp, kept, *numbers[:len(values) if isinstance(
            values, tuple) else 1])
        return total(values), \
            gradient[-1] if isinstance(gradient, tuple) else gradient

    def by_torch(torch_, *inputs):
        y = inputs[-2].detach().requires_grad_()
        value = total(torch(torch_, *inputs[:-2], y))
        return (value, *torch_.autograd.grad(value, y))

    return Case(
        name=f'{name}_at_once',
        inputs=lambda rng, **size: (*inputs(rng, **size),
                                    numpy.array(weights, 'f')),
        ours=direct(ours),
        plain=lambda xp, *inputs: functools.partial(plain, xp, *inputs),
        torch=on_torch(by_torch), n_bytes=n_bytes,
        compared=lambda value, gy: (value.reshape(-1)[-1:], gy), **case)


def groups_inputs(rng, B, D):
    """x of all groups, gamma and beta."""
    return bn_inputs(rng, GROUPS * B, D)[:3]


def plain_groups(xp, x, gamma, beta):
    running = xp.zeros((2, x.shape[1]), x.dtype)
    return zip(*(plain_bn(xp, part, gamma, beta, *running)
                 for part in xp.split(x, GROUPS)))


def plain_groups_backward(xp, kept, gy):
    gx, ggamma, gbeta = zip(*(
        plain_bn_backward(xp, each, part)
        for each, part in zip(kept, xp.split(gy, GROUPS))))
    return xp.concatenate(gx), sum(ggamma), sum(gbeta)


def torch_groups(torch, x, gamma, beta):
    return torch.cat([torch.relu(torch.nn.functional.batch_norm(
        part, None, None, gamma, beta, training=True, eps=BN_EPS))
        for part in x.chunk(GROUPS)])


def ours_groups(x, gamma, beta):
    running = x[:2] * 0  # there, and learnt from
    return lambda: batch_normalization_relu.forward_groups(
        x, gamma, beta, GROUPS, None, BN_EPS, running[0], running[1])[0]


def ours_groups_backward(x, gamma, beta, gy):
    _, saved = batch_normalization_relu.forward_groups(
        x, gamma, beta, GROUPS, None, BN_EPS)
    out = [gamma * 0, beta * 0]
    return lambda: (batch_normalization_relu.backward_groups(
        x, gamma, beta, saved, gy, GROUPS, None, *out), *out)


def by_torch_groups(torch, wrap, x, gamma, beta, gy):
    wanted = [a.detach().requires_grad_() for a in (x, gamma, beta)]
    y = wrap(functools.partial(torch_groups, torch))(*wanted)
    return lambda: torch.autograd.grad(y, wanted, gy, retain_graph=True)


def batch_inputs(rng, B, D):
    """Four batches' points, which of them, and the key."""
    return (rng.standard_normal((4 * B, D), 'f'),
            rng.permutation(4 * B)[:B], numpy.array([7, 3]))


def plain_batch(xp, rng, x, index, key):
    batch = x[index]
    return batch, batch + LENGTH * plain_random(xp, rng, batch)


def torch_batch(torch, x, index, key):
    batch = x[index]
    return batch, batch + LENGTH * torch.nn.functional.normalize(
        torch.randn_like(batch))


# One block has no more than 1024 rows of 64.
CLUSTERS: dict[str, Any] = dict(paper=(dict(B=250, K=10), dict(B=250, K=64)),
                large=(dict(B=1024, K=64),), tiny=dict(B=7, K=5))
BITS: dict[str, Any] = dict(paper=(dict(B=250, D=16), dict(B=250, D=64)),
            large=(dict(B=1024, D=64),), tiny=dict(B=7, D=5))
# Batches of a step, and what is meant by some thousand rows.
LAYERS: dict[str, Any] = dict(paper=(dict(B=250, D=1200), dict(B=250, D=400)),
              large=(dict(B=2000, D=1200),), tiny=dict(B=7, D=5))

CASES = (
    at_once(
        'softmax_entropy', **CLUSTERS,
        inputs=lambda rng, B, K: (2 * rng.standard_normal((B, K), 'f'),),
        ours=softmax_entropy.value_and_gradient,
        weights=(*WEIGHTS[:2], 0.),
        forward=lambda xp, y: plain_entropies(xp, softmax(xp, y)),
        backward=plain_entropies_backward,
        torch=lambda torch, y: plain_entropies(torch, torch.softmax(y, 1))[0],
        n_bytes=lambda B, K: FLOAT * 2 * B * K),
    at_once(
        'sigmoid_mutual_information', **BITS, inputs=lambda rng, B, D: (
            logits(rng, B, D),),
        ours=sigmoid_mutual_information.value_and_gradient,
        weights=WEIGHTS, forward=plain_bits, backward=plain_bits_backward,
        torch=torch_bits, n_bytes=lambda B, D: FLOAT * 2 * B * D),
    at_once(
        'softmax_kl', **CLUSTERS,
        inputs=lambda rng, B, K: two_logits(rng, B, K),
        ours=softmax_kl.value_and_gradient,
        weights=WEIGHT, forward=plain_softmax_kl,
        backward=plain_softmax_kl_backward,
        torch=lambda torch, y0, y1: torch_kl(
            torch, torch.softmax(y0, 1), torch.softmax(y1, 1)) / len(y0),
        n_bytes=lambda B, K: FLOAT * 3 * B * K),
    at_once(
        'sigmoid_kl', **BITS, inputs=lambda rng, B, D: two_logits(rng, B, D),
        ours=sigmoid_kl.value_and_gradient,
        weights=WEIGHT, forward=plain_sigmoid_kl,
        backward=plain_sigmoid_kl_backward, torch=torch_sigmoid_kl,
        n_bytes=lambda B, D: FLOAT * 3 * B * D),
    Case(
        name='random_perturbations', inputs=batch_inputs,
        paper=(dict(B=250, D=784), dict(B=250, D=3072)),
        large=(dict(B=17_500, D=784),), tiny=dict(B=7, D=9),
        ours=direct(lambda x, index, key: directions.perturb_randomly(
            x, index, key, LENGTH)),
        plain=direct(plain_batch, generator),
        torch=on_torch(torch_batch),
        n_bytes=lambda B, D: FLOAT * 3 * B * D,
        # The numbers are other ones; all are moved as far.
        compared=lambda batch, moved: (
            batch, ((moved - batch) ** 2).sum(axis=1))),
    Case(
        name='batch_normalization_relu_groups_forward', **LAYERS,
        inputs=groups_inputs, ours=ours_groups,
        plain=direct(lambda xp, *inputs: xp.concatenate(
            next(plain_groups(xp, *inputs))), lambda xp, *inputs: (
                xp, *inputs)),
        torch=on_torch(torch_groups),
        n_bytes=lambda B, D: FLOAT * GROUPS * 2 * B * D),
    Case(
        name='batch_normalization_relu_groups_backward', **LAYERS,
        inputs=lambda rng, B, D: (*groups_inputs(rng, B, D),
                                  rng.standard_normal((GROUPS * B, D), 'f')),
        ours=ours_groups_backward,
        plain=direct(plain_groups_backward, lambda xp, *inputs: (
            xp, list(plain_groups(xp, *inputs[:-1]))[1], inputs[-1])),
        torch=by_torch_groups,
        n_bytes=lambda B, D: FLOAT * GROUPS * 3 * B * D))
