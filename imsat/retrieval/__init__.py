"""Search by hash codes: packed codes, an index of them, and its scores."""
from imsat.retrieval.codes import hamming_distance, pack_bits, unpack_bits
from imsat.retrieval.index import HammingIndex
from imsat.retrieval.scores import retrieval_scores

__all__ = ['HammingIndex', 'hamming_distance', 'pack_bits',
           'retrieval_scores', 'unpack_bits']
