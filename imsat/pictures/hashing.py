"""What hash codes find, and what their bits say."""
from collections.abc import Sequence

import numpy
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.stats import entropy

from imsat.errors import InputError
from imsat.functions import pairwise_mutual_information
from imsat.functions.mutual_information import Sizes
from imsat.parameters import PATH, Numbers, checked
from imsat.pictures.images import (
    ImageShape, are_strokes, check_images, drawable)
from imsat.pictures.training import BLUE, GREY, ORANGE, save
from imsat.retrieval.label_sets import LabelSets
from imsat.retrieval.scores import match_labels
from imsat.storage import AnyPath

MOST_ROWS = 100  # of images, and columns, that can be seen


@checked(path=PATH, numbers=Numbers(1, least=1), precision=Numbers(1),
         recall=Numbers(1))
def retrieval(path: AnyPath, numbers: numpy.ndarray, precision: numpy.ndarray,
              recall: numpy.ndarray) -> Figure:
    """Precision against recall, and against the number retrieved.

    Args:
        path (path): The PNG file.
        numbers (array): How many items are retrieved, all of them last.
        precision, recall (array): Means over queries, for each number.
    """
    if not numbers.shape == precision.shape == recall.shape:
        raise InputError(f'there are {len(numbers)} numbers, '
                         f'{len(precision)} of precision and {len(recall)} of '
                         f'recall; give as many of each')
    figure = Figure((8, 3.4), layout='constrained')
    left, right = figure.subplots(1, 2, sharey=True)
    left.plot(recall, precision, color=BLUE)
    left.set_xlabel('recall')
    left.set_ylabel('precision')
    left.set_title('precision and recall', fontsize=10)
    right.semilogx(numbers, precision, color=BLUE)
    right.set_xlabel('nearest items retrieved, ties in random order')
    right.set_title('precision among the nearest', fontsize=10)
    for axes in (left, right):
        axes.axhline(precision[-1], color=GREY, linestyle=':',
                     label='of all items')
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=.3)
    left.legend(fontsize=8)
    return save(figure, path)


@checked(path=PATH, p=Numbers(2), sizes=Sizes(2, optional=True))
def bits(path: AnyPath, p: numpy.ndarray,
         sizes: Sequence[int] | None = None) -> Figure:
    """How much each bit can say, and what pairs of bits share.

    Args:
        path (path): The PNG file.
        p (array): p(Y_d = 1|x) of all data, shape (N, D), float64; with
            ``sizes`` the probabilities of all values of one output after the
            other, shape (N, V_1 + ... + V_M).
        sizes (sequence of int): V_1, ..., V_M; None for bits.
    """
    information = pairwise_mutual_information(p, sizes)
    mean = p.mean(axis=0)
    figure = Figure((8, 3.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    if sizes is None:
        name, all_of_it = 'bit', 'log 2'
        left.bar(range(len(mean)), mean, color=BLUE)
        left.axhline(.5, color=ORANGE, linewidth=2)
        left.set_title('mean of each bit; .5 says most', fontsize=10)
    else:
        name, all_of_it = 'output', 'log V'
        parts = numpy.split(mean, numpy.cumsum(sizes)[:-1])
        left.bar(range(len(sizes)), [entropy(part) / numpy.log(len(part))
                                     for part in parts], color=BLUE)
        left.axhline(1, color=ORANGE, linewidth=2)
        left.set_title('H(Y) / log V of each output; 1 says most', fontsize=10)
    left.set_ylim(0, 1 if sizes is None else 1.05)
    left.set_xlim(-.5, information.shape[0] - .5)
    left.set_xlabel(name)
    # A tenth of a bit at least, so that noise stays pale.
    image = right.imshow(information, cmap='Blues', vmin=0,
                         vmax=max(.1 * numpy.log(2), information.max()))
    right.set_xlabel(name)
    right.set_title(f'what two {name}s share, nats; {all_of_it} is all',
                    fontsize=10)
    figure.colorbar(image)
    for axis in (left.xaxis, right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return save(figure, path)


@checked(path=PATH, query_x=Numbers(2), gallery_x=Numbers(2),
         neighbors=Numbers(2, least=0), distances=Numbers(2),
         image_shape=ImageShape())
def nearest_images(path: AnyPath, query_x: numpy.ndarray,
                   query_labels: ArrayLike, gallery_x: numpy.ndarray,
                   gallery_labels: ArrayLike, neighbors: numpy.ndarray,
                   distances: numpy.ndarray,
                   image_shape: tuple[int, ...]) -> Figure:
    """The images nearest to some queries, one row each.

    Args:
        path (path): The PNG file.
        query_x (array): Shape (Q, d); the first of each row.
        query_labels (array): Shape (Q,), or several for each; what shares
            none is orange.
        gallery_x, gallery_labels (array): Shape (N, d), and labels likewise,
            as :func:`imsat.retrieval.retrieval_scores` takes both.
        neighbors, distances (array): Shape (Q, k), index in the gallery and
            Hamming distance.
        image_shape (tuple): (height, width), in colour (height, width, 3).
    """
    labels = match_labels(query_labels, gallery_labels, len(query_x),
                          len(gallery_x))
    check_images(image_shape, query_x=query_x, gallery_x=gallery_x)
    rows, k = neighbors.shape
    if rows != len(query_x) or max(rows, k) > MOST_ROWS \
            or distances.shape != neighbors.shape \
            or neighbors.max() >= len(gallery_x):
        raise InputError(
            f'neighbors have shape {neighbors.shape}, distances '
            f'{distances.shape}, for {len(query_x)} queries; give one row for '
            f'each, {MOST_ROWS} by {MOST_ROWS} at most, of places in the '
            f'gallery')
    height, width = image_shape[:2]
    side = max(height, width)
    figure = Figure((.6 * (k + 1) + .4, .72 * rows + .4),
                    layout='constrained')
    # One for all: Matplotlib takes seconds to lay out a hundred of them.
    axes = figure.subplots()
    span = query_x.min(), query_x.max()
    cmap = 'gray_r' if are_strokes(query_x, span) else 'gray'
    for i in range(rows):
        images = [query_x[i], *gallery_x[neighbors[i]]]
        for j, image in enumerate(images):
            left = 1.1 * side * j + (side - width) / 2
            top = 1.3 * side * i + (side - height) / 2
            axes.imshow(drawable(image, image_shape, span), cmap=cmap,
                        vmin=span[0], vmax=span[1],
                        extent=(left, left + width, top + height, top))
            if j == 0:
                color, text = BLUE, 'query'
            else:
                place = neighbors[i, j - 1]
                right = labels.relevant(i)[place] if isinstance(
                    labels, LabelSets) else labels[1][place] == labels[0][i]
                color = GREY if right else ORANGE
                text = distances[i, j - 1]
            axes.text(left + width / 2, top - .05 * side, text, fontsize=7,
                      ha='center')
            axes.add_patch(Rectangle(
                (left, top), width, height, fill=False, edgecolor=color,
                linewidth=2 if color != GREY else 1))
    axes.set_xlim(-.05 * side, side * (1.1 * k + 1.05))
    axes.set_ylim(side * (1.3 * rows - .25), -.3 * side)
    axes.set_axis_off()
    figure.suptitle('nearest codes and their Hamming distances; another '
                    'label in orange', fontsize=9, wrap=True)
    return save(figure, path)
