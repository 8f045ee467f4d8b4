"""Labels that say something of answers."""
import warnings

from imsat.labels import classes_of
from imsat.storage import digest


def labels_to_score(y, source):
    """The labels of a data set, or None, with a warning, where they are all
    of one class: whatever the answers, they would be right."""
    if y is None or y.ndim == 2:  # several a point
        return y
    classes, _ = classes_of(y)
    if len(classes) > 1:
        return y
    warnings.warn(f'all labels of {source} are {classes[0]!r}; they are left '
                  f'out, for by one class nothing is scored')
    return None


def digest_of_labels(y):
    """A hash of the labels of a data set, by which scores are known to be of
    these; None of none."""
    if y is None:
        return None
    if y.ndim == 2:  # several a point
        return digest(y)
    classes, places = classes_of(y)
    return digest(repr(classes).encode(), places)
