"""What a result means, in sentences."""
from imsat.estimators.imsat import LEAST_STEPS

ENTROPIES = 'all/marginal_entropy', 'all/conditional_entropy'
SETTLED = .01  # of what H(Y) can be, the most that a converged run changes


def information_of_run(log, most):
    """What result.json says of I(X; Y), in nats; of bits the sum of all.

    Args:
        log (list of dict): Of the restart that was kept.
        most (float): What I(X; Y) can be at most, or is with the sizes of a
            prior.

    Returns:
        dict: ``most_information``, and ``information_change``, what the last
        fifth of the epochs added to I(X; Y), a share of the most; None where
        the log has fewer than five with entropies.  And ``steps``.
    """
    change = None
    log = [entry for entry in log if ENTROPIES[0] in entry]
    steps = log[-1]['iteration'] if log else 0
    if most and len(log) >= 5:
        last, before = (
            entry[ENTROPIES[0]] - entry[ENTROPIES[1]]
            for entry in (log[-1], log[-1 - len(log) // 5]))
        change = (last - before) / most
    return dict(most_information=most, information_change=change,
                steps=steps)


def about_information(result, of_what, sure, sizes):
    """Sentences about H(Y|X), H(Y) and I(X; Y) of a result.

    Args:
        result (dict): Of result.json.
        of_what (str): What has so much: ``'that 10 clusters can tell'``.
        sure (str): What a small H(Y|X) means, with {} for how far that is so:
            ``'points are {}sure'``.
        sizes (str): How even the answers are, on which H(Y) depends.
    """
    h, most = result.get('marginal_entropy'), result['most_information']
    if h is None or not most:
        return []
    conditional = result['conditional_entropy']
    information = h - conditional
    sentences = [
        f'I(X; Y) = H(Y) - H(Y|X) = {h:.3f} - {conditional:.3f} = '
        f'{information:.3f} nats, {information / most:.1%} of the '
        f'{most:.3f} {of_what}.',
        f'H(Y|X) is {conditional / most:.1%} of that: '
        + sure.format(_as_far_as(conditional / most)) + '.',
        f'H(Y) is {h / most:.1%} of that: {sizes}.']
    change = result['information_change']
    if change is None:
        sentences.append('Whether it has converged can not be told from so '
                         'short a training.')
    elif abs(change) < SETTLED and result['steps'] < LEAST_STEPS:
        sentences.append(
            f'In the last fifth of the epochs I(X; Y) moved by '
            f'{abs(change):.2%} of that; {result["steps"]} steps are too few '
            f'to say that it has converged.')
    elif abs(change) < SETTLED:
        sentences.append('It has converged: in the last fifth of the epochs '
                         f'I(X; Y) moved by {abs(change):.2%} of that.')
    else:
        sentences.append(
            f'It has not converged: in the last fifth of the epochs I(X; Y) '
            f'{"rose" if change > 0 else "fell"} by {abs(change):.1%} of '
            f'that; --resume with more --epochs goes on.')
    return sentences


def _as_far_as(lacking):
    """How far something holds that lacks a share of what it can be."""
    return '' if lacking < .05 else 'only partly ' if lacking < .3 else 'not '


def from_to(shares):
    """The least and the largest of some shares, in words."""
    return f'{min(shares):.1%} to {max(shares):.1%}'
