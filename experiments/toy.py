"""What each regulariser does to the decision boundary, on circles and moons.

    python experiments/toy.py --out toy.png

Columns share everything but R of Eq. 1.  (?) The paper's Appendix I could not
be had; sizes, noise and perturbations are chosen here.
"""
import sys

import numpy
from matplotlib.figure import Figure
from sklearn.datasets import make_circles, make_moons

import imsat
from common.scripts import a_file, main, option_of, parser_for, positive
from imsat.parameters import SEED, Number
from imsat.pictures.training import BLUE, ORANGE, save
from paper.systems import PAPER

COLUMNS = {
    'no regulariser': dict(regularizer='weight-decay', weight_decay=0.),
    'weight decay': dict(regularizer='weight-decay'),
    'RPT': dict(regularizer='rpt'),
    'VAT': dict(regularizer='vat'),
}


def get_options(argv=None):
    parser = parser_for(__doc__, defaults=True)
    add = parser.add_argument
    add('--out', type=a_file, default='toy.png', help='the picture')
    add('--points', type=positive, default=1000, help='of each data set')
    add('--noise', type=option_of(Number()), default=.05,
        help='standard deviation of what is added to every point')
    add('--epochs', type=int, default=200)
    add('--restarts', type=int, default=4,
        help='the one with the lowest objective is shown')
    add('--lam', type=float, default=.2, help='lambda of Eq. 1')
    add('--weight-decay', type=float, default=.005)
    add('--alpha', type=float, default=2., help='of Eq. 17')
    add('--xi', type=float, default=.1, help="of VAT's power iteration")
    add('--learning-rate', type=float, default=.01, help="Adam's alpha")
    add('--seed', type=option_of(SEED), default=0)
    add('--threads', type=positive, default=1)
    return parser.parse_args(argv)


def run(args):
    data = {'circles': make_circles(args.points, noise=args.noise, factor=.3,
                                    random_state=args.seed),
            'moons': make_moons(args.points, noise=args.noise,
                                random_state=args.seed)}
    figure = Figure((3 * len(COLUMNS), 3.2 * len(data)), layout='constrained')
    grid = figure.subplots(len(data), len(COLUMNS))
    for row, (name, (x, y)) in zip(grid, data.items()):
        x = ((x - x.mean(axis=0)) / x.std()).astype(numpy.float32)
        for axes, (title, arguments) in zip(row, COLUMNS.items()):
            model = imsat.IMSATClustering(2, **{
                # Nothing but R of Eq. 1 is to tell them apart.
                'mu': PAPER['mu'], 'select': 'objective', 'hidden': (100, 100),
                'batch_size': min(250, args.points), 'n_init': args.restarts,
                'epochs': args.epochs, 'lam': args.lam, 'alpha': args.alpha,
                'xi': args.xi, 'learning_rate': args.learning_rate,
                'weight_decay': args.weight_decay,
                'random_state': args.seed, **arguments}).fit(x)
            accuracy = imsat.clustering_accuracy(y, model.labels_)
            draw(axes, model, x, f'{title}: ACC {accuracy:.0%}')
            print(f'{name:8} {title:15} ACC {accuracy:6.1%}  objective '
                  f'{model.objective_:.4f}', flush=True)
        row[0].set_ylabel(name)
    save(figure, args.out)


def draw(axes, model, x, title):
    """The points by cluster, and how p(y|x) fills the plane."""
    edge = 1.3 * abs(x).max()
    ticks = numpy.linspace(-edge, edge, 200, dtype=numpy.float32)
    plane = numpy.stack(numpy.meshgrid(ticks, ticks), axis=-1)
    p = model.predict_proba(plane.reshape(-1, 2))[:, 0].reshape(200, 200)
    axes.contourf(ticks, ticks, p, numpy.linspace(0, 1, 11), cmap='RdBu',
                  alpha=.6)
    axes.contour(ticks, ticks, p, [.5], colors='black', linewidths=1)
    axes.scatter(*x.T, s=3, c=numpy.where(model.labels_ == 0, BLUE, ORANGE))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=10)


if __name__ == '__main__':
    sys.exit(main(run, get_options))
