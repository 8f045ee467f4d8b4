"""Chainer's Trainer around a loss: steps, snapshots, log and extensions."""
from imsat.training.adam import Adam
from imsat.training.iterators import IndexIterator
from imsat.training.session import Session
from imsat.training.updater import Updater

__all__ = ['Adam', 'IndexIterator', 'Session', 'Updater']
