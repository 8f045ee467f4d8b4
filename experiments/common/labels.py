"""Labels that say something of answers."""
import warnings

from imsat.labels import classes_of


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
