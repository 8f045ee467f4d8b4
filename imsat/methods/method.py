import dataclasses
import inspect


@dataclasses.dataclass(frozen=True)
class Method:
    """A system: an estimator and the arguments that make it this one.

    Args:
        title (str): As the paper's tables call it.
        estimator (type): Of :class:`imsat.base.Estimator`.
        fixed (dict): Arguments that define the method.
        defaults (dict): Hyper-parameters of section 4.2.3, where they differ
            from the estimator's own defaults.
        notes (sequence of str): Where it departs from the paper, or had to be
            guessed: the footnotes of the tables.
    """
    title: str
    estimator: type
    fixed: dict = dataclasses.field(default_factory=dict)
    defaults: dict = dataclasses.field(default_factory=dict)
    notes: tuple = ()

    def get_defaults(self):
        """Every argument that can be chosen, with its default."""
        parameters = inspect.signature(self.estimator).parameters
        arguments = {name: parameter.default
                     for name, parameter in parameters.items()
                     if name not in self.fixed}
        return {**arguments, **self.defaults}

    def make(self, **arguments):
        return self.estimator(**{**self.defaults, **self.fixed, **arguments})
