// Hash codes as WORDS (1, 2, 4 or 8) words of 32 bits, padded with zeros.
// Of n codes in an array of shape (WORDS, n), word w of code j is at
// w * n + j: neighbouring threads read neighbouring words, whatever the
// number of bytes of a code.

struct Code {
    unsigned word[WORDS];
};

__device__ Code load(const unsigned* words, long long n, long long j) {
    Code code;
    #pragma unroll
    for (int w = 0; w < WORDS; w++)
        code.word[w] = words[w * n + j];
    return code;
}

__device__ int hamming(const Code& a, const Code& b) {
    int distance = 0;
    #pragma unroll
    for (int w = 0; w < WORDS; w++)
        distance += __popc(a.word[w] ^ b.word[w]);
    return distance;
}
