"""Search by hash codes: the codes, an index of them, and its scores."""
from imsat.retrieval.codes import (
    code_width, codes_of, count_distinct, hamming_distance, head_codes_of,
    pack_bits, unpack_bits)
from imsat.retrieval.index import HammingIndex, nearest_head_codes
from imsat.retrieval.scores import retrieval_scores

__all__ = ['HammingIndex', 'code_width', 'codes_of', 'count_distinct',
           'hamming_distance', 'head_codes_of', 'nearest_head_codes',
           'pack_bits', 'retrieval_scores', 'unpack_bits']
