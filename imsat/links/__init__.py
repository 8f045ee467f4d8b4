from imsat.links.encoder import INITIALIZATIONS, Encoder

__all__ = ['INITIALIZATIONS', 'Encoder']
