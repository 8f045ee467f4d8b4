"""A training step as a careful user of PyTorch writes it, eagerly.

The clean batch goes through the network once, the power iteration
differentiates the direction alone, perturbed batches leave the running
statistics alone, and Adam is PyTorch's fused one.
"""
import contextlib

import torch
from torch import nn


def make_network(sizes):
    """The network of :class:`imsat.Encoder`."""
    layers = []
    for fan_in, units in zip(sizes, sizes[1:-1]):
        layers += [nn.Linear(fan_in, units),
                   nn.BatchNorm1d(units, eps=2e-5, momentum=.1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]))


def copy_parameters(encoder, network):
    """Copies those of an :class:`imsat.Encoder`, and its dtype."""
    pairs = list(parameter_pairs(encoder, network.to(
        torch.from_numpy(encoder.l1.W.array).dtype)))
    with torch.no_grad():
        for ours, theirs in pairs:
            theirs.copy_(torch.from_numpy(ours.array))


def parameter_pairs(encoder, network):
    """Each parameter of an Encoder with that of the network here."""
    linear = [m for m in network if isinstance(m, nn.Linear)]
    norms = [m for m in network if isinstance(m, nn.BatchNorm1d)]
    for i, layer in enumerate(linear, 1):
        yield encoder[f'l{i}'].W, layer.weight
        yield encoder[f'l{i}'].b, layer.bias
    for i, norm in enumerate(norms, 1):
        yield encoder[f'bn{i}'].gamma, norm.weight
        yield encoder[f'bn{i}'].beta, norm.bias


@contextlib.contextmanager
def untracked(network):
    """Batch normalization learns no running statistics meanwhile."""
    norms = [m for m in network if isinstance(m, nn.BatchNorm1d)]
    for norm in norms:
        norm.track_running_stats = False
    yield
    for norm in norms:
        norm.track_running_stats = True


def entropy(p):
    """In nats, summed over all but a batch."""
    return -(p * (p + 1e-8).log()).sum() / (len(p) if p.ndim == 2 else 1)


def kl(p, q):
    return (p * ((p + 1e-8) / (q + 1e-8)).log()).sum() / len(p)


def unit_rows(d):
    # Squares of gradients of 1e-30 would be 0.
    d = d / d.abs().amax(dim=1, keepdim=True).clamp_min(
        torch.finfo(d.dtype).tiny)
    return nn.functional.normalize(d)


class Clustering:
    """Eq. 7 with the code's weight mu, and the distance of SAT."""

    @staticmethod
    def information(y, mu=4):
        p = y.softmax(dim=1)
        return entropy(p) - mu * entropy(p.mean(dim=0))

    @staticmethod
    def distance(y0, y1):
        return kl(y0.softmax(dim=1), y1.softmax(dim=1))


class Hashing:
    """Eq. 14, and the distance of SAT."""

    @staticmethod
    def information(y):
        p = y.sigmoid()
        # The values of all bits, ones and then zeros; the tables of all pairs
        # from one product.
        sides = torch.cat([p, 1 - p], dim=1)
        mean = sides.mean(dim=0)
        joint, product = sides.T @ sides / len(p), torch.outer(mean, mean)
        pairs = joint * ((joint + 1e-8) / (product + 1e-8)).log()
        other = 1 - torch.eye(
            p.shape[1], dtype=p.dtype, device=p.device).tile(2, 2)
        return entropy(sides) - entropy(mean) + (pairs * other).sum()

    @staticmethod
    def distance(y0, y1):
        p, q = y0.sigmoid(), y1.sigmoid()
        return kl(p, q) + kl(1 - p, 1 - q)


def step(task, network, optimizer, x, radius, d, lam=.1, xi=10):
    """One update.

    Args:
        task: :class:`Clustering` or :class:`Hashing`.
        network (nn.Module): Of :func:`make_network`.
        optimizer (torch.optim.Optimizer): Of its parameters.
        x (Tensor): The batch, shape (B, d).
        radius (Tensor): epsilon of each point, shape (B,).
        d (Tensor): Normal numbers, shape (B, d).
        lam (float): lambda, the weight of the information.
        xi (float): Step of the power iteration.

    Returns:
        Tensor: The loss.
    """
    y = network(x)
    target = y.detach()
    with untracked(network):
        d = unit_rows(d).requires_grad_()
        moved = task.distance(target, network(x + xi * d))
        gradient, = torch.autograd.grad(moved, d)
        r = radius[:, None] * unit_rows(gradient)
        sat = task.distance(target, network(x + r))
    loss = sat + lam * task.information(y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
